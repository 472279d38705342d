//! `stepwise data`.

use crate::common::Workplace;

#[test]
fn drawn_cases_are_counted_with_what_a_blind_reader_gets_and_equal_for_a_seed() {
    let place = Workplace::empty();
    insta::assert_snapshot!(place.done("data synth cases --cases 12 --seed 1 --image-size 64").shown());
    place.done("data synth again --cases 12 --seed 1 --image-size 64");
    assert_eq!(place.read("cases/cases.jsonl"), place.read("again/cases.jsonl"));
    let image = "images/synth-1-000003.png";
    let bytes = |folder: &str| std::fs::read(place.path(folder).join(image)).expect("there");
    assert!(bytes("cases") == bytes("again"));
}

#[test]
fn a_case_is_shown_with_its_regions_and_answers() {
    let place = Workplace::empty();
    place.done("data synth cases --cases 3 --seed 1 --image-size 64");
    let first = place.done("data show cases");
    insta::assert_snapshot!(first.shown());
    let third = place.done("data show cases --case synth-1-000002");
    assert!(third.stdout.starts_with("synth-1-000002 (") && third.stdout != first.stdout, "{}", third.stdout);
}

#[test]
fn a_split_with_changing_priors_keeps_groups_whole_and_names_itself() {
    let place = Workplace::empty();
    place.done("data synth cases --cases 120 --seed 1 --image-size 64");
    insta::assert_snapshot!(place.done("data split cases --changing-priors").shown());
    place.done("check cases/cases-changing-priors.jsonl");
    let text = place.read("cases/cases-changing-priors.jsonl");
    assert_eq!(text.lines().count(), 120);
    assert!(text.lines().all(|line| line.contains("-cp\"")), "every case names the split");
    place.done("data split cases --changing-priors --out cases/again.jsonl");
    assert_eq!(place.read("cases/again.jsonl"), text, "equal seeds give equal splits");
    place.done("data split cases/again.jsonl --changing-priors --out cases/more.jsonl --seed 1 --shares 0.5,0,0.5");
    assert!(!place.read("cases/more.jsonl").contains("-cp-cp"));
    insta::assert_snapshot!(
        [
            "data split cases --changing-priors",
            "data split cases --changing-priors --out other.jsonl",
            "data split cases --changing-priors --out cases/x.jsonl --shares 0.5,0.6",
            "data split cases --changing-priors --out cases/x.jsonl --shares 0.5,0.6,0.1",
            "data split cases",
        ]
        .map(|command| place.refused(command))
        .join("\n")
    );
}

/// Writes series of brain slices with the file names of the published data set and images of synthetic cases. The
/// images are PNG files named `.jpg`, because readers go by the content.
fn slices(place: &Workplace) {
    place.done("data synth drawn --cases 12 --seed 1 --image-size 64");
    let mut number = 0;
    for (class, folder) in ["pituitary", "meningioma", "glioma"].into_iter().enumerate() {
        for run in 0..4 {
            let slice = 10 * run + 1;
            place.copy(&format!("drawn/images/synth-1-{number:06}.png"), &format!("src/{folder}/{slice}.jpg"));
            place.write(&format!("src/{folder}/{slice}.txt"), format!("{class} 0.25 0.75 0.2 0.1\n"));
            number += 1;
        }
    }
}

#[test]
fn an_import_says_what_it_made_and_what_it_left_out() {
    let place = Workplace::empty();
    std::fs::create_dir_all(place.path("src/pituitary")).expect("made");
    std::fs::create_dir_all(place.path("src/meningioma")).expect("made");
    std::fs::create_dir_all(place.path("src/glioma")).expect("made");
    slices(&place);
    place.write("src/glioma/99.txt", "2 0.5 0.5 0.1 0.1\n");
    insta::assert_snapshot!(place.done("data import brain-mri src out").shown());
    place.done("check out");
    let found = place.done("data import auto src found");
    assert!(
        found.stderr.contains("src: taken for brain-mri, by pituitary/ and meningioma/ and glioma/"),
        "{}",
        found.stderr
    );
    stepwise_testing::files::assert_same_files(&place.path("out"), &place.path("found"));
    place.write("src/glioma/1.txt", "0 0.5 0.5 0.1 0.1\n2 0.5 0.5 0.1\n");
    place.write("src/glioma/11.txt", "");
    insta::assert_snapshot!(place.refused("data import brain-mri src other"));
}

#[test]
fn what_cannot_be_drawn_shown_or_imported_is_refused() {
    let place = Workplace::empty();
    place.write("file", "text");
    place.write("nothing/file", "text");
    place.done("data synth cases --cases 3 --image-size 64");
    let mut said = String::new();
    for line in [
        "synth cases --cases 3",
        "synth file",
        "synth new --cases 0",
        "synth new --image-size 3",
        "synth new --cases -1",
        "show nowhere",
        "show cases --case synth-9",
        "show file",
        "import cxr nowhere out",
        "import cxr nothing out",
        "import brain-mri nothing out",
        "import bccd nothing out",
        "import mri nothing out",
    ] {
        said.push_str(&format!("$ stepwise data {line}\n{}\n", place.refused(&format!("data {line}"))));
    }
    insta::assert_snapshot!(said);
    assert!(!place.path("new").exists() && !place.path("out").exists());
}
