//! `stepwise data`.

use stepwise_data::image::sha256_hex;

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

/// Records of a case file.
fn case_records(place: &Workplace, file: &str) -> Vec<serde_json::Value> {
    place.read(file).lines().map(|line| serde_json::from_str(line).expect("a case")).collect()
}

/// Text of a case file with these records.
fn lines(cases: &[serde_json::Value]) -> String {
    cases.iter().map(|case| format!("{case}\n")).collect()
}

#[test]
fn a_split_with_changing_priors_keeps_near_duplicates_together() {
    let place = Workplace::empty();
    place.done("data synth cases --cases 60 --seed 1 --image-size 64");
    // Every second case shows the image of the first one with another pixel.
    let first = image::open(place.path("cases/images/synth-1-000000.png")).expect("an image").into_rgb8();
    let mut cases = case_records(&place, "cases/cases.jsonl");
    for index in (2..60).step_by(2) {
        let path = place.path(&format!("cases/images/synth-1-{index:06}.png"));
        let mut copy = first.clone();
        copy.put_pixel(0, 0, image::Rgb([index as u8; 3]));
        copy.save(&path).expect("written");
        cases[index]["images"][0]["sha256"] = sha256_hex(&std::fs::read(&path).expect("there")).into();
    }
    place.write("cases/cases.jsonl", lines(&cases));
    place.write("cases/images/synth-1-000001.png", "no image");
    let done = place.done("data split cases --changing-priors --shares 0.5,0,0.5");
    let warning =
        "warning: images that cannot be read and are compared with no other: 1 -> `stepwise check` names them";
    assert!(done.stderr.contains(warning), "{}", done.stderr);
    let after = case_records(&place, "cases/cases-changing-priors.jsonl");
    let is_test: Vec<bool> = after.iter().map(|case| case["split"] == "test").collect();
    assert!(is_test.iter().step_by(2).all(|side| *side == is_test[0]), "{is_test:?}");
    assert!(is_test.contains(&true) && is_test.contains(&false), "{is_test:?}");
}

#[test]
fn images_that_a_model_knows_stay_in_training() {
    let place = Workplace::empty();
    place.done("data synth cases --cases 60 --seed 1 --image-size 64");
    let known: String = case_records(&place, "cases/cases.jsonl")[..20]
        .iter()
        .map(|case| format!("{}\n", case["images"][0]["sha256"].as_str().expect("a digest")))
        .collect();
    place.write("model/trained_images.txt", &known);
    let done = place.done("data split cases --changing-priors --model model");
    assert!(
        done.stdout.starts_with("cases with an image that model was trained on, kept in training: 20\n"),
        "{}",
        done.stdout
    );
    let after = case_records(&place, "cases/cases-changing-priors.jsonl");
    assert!(after[..20].iter().all(|case| case["split"] == "train"));
    assert_eq!(after.iter().filter(|case| case["split"] == "test").count(), 18);
    insta::assert_snapshot!(place.refused("data split cases --changing-priors --out cases/x.jsonl --model cases"));
}

#[test]
fn a_patient_on_two_sides_is_on_one_side_of_a_split_with_changing_priors() {
    let place = Workplace::empty();
    place.done("data synth cases --cases 60 --seed 1 --image-size 64");
    let mut cases = case_records(&place, "cases/cases.jsonl");
    for (case, side) in cases.iter_mut().zip(["test", "train"]) {
        case["group_id"] = "patient".into();
        case["split"] = side.into();
    }
    place.write("cases/cases.jsonl", lines(&cases));
    let checked = place.run("check cases");
    assert!(checked.code == Some(2) && checked.shown().contains("group \"patient\" is in"), "{}", checked.shown());
    place.done("data split cases --changing-priors");
    place.done("check cases/cases-changing-priors.jsonl");
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
    let both = place.done("data import brain-mri src both --changing-priors");
    assert!(both.stdout.contains("written: both/cases-changing-priors.jsonl"), "{}", both.stdout);
    place.done("check both");
    place.done("check both/cases-changing-priors.jsonl");
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
