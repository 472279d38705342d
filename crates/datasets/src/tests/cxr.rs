//! Import of small chest X-rays in the file layout of the real data set.

use std::fs;

use stepwise_data::case::{Answer, Case, Shape};
use stepwise_data::image::load_mask;

use super::{Set, files, flipped, gold, item};

const METADATA: &str = "patientid,offset,finding,view,modality,filename,license,clinical_notes,\n";
const STRUCTURE: &str = "#,Template Name,Filename,Mask,Resolution,Top,Left,Width,Height\n";

/// Two images of 40 x 20 pixels, with lungs of 10 x 10 at (5, 5) and (25, 5). The opacity covers most of the lower half
/// of the patient's left lung.
fn cxr() -> Set {
    let set = Set::new();
    set.text(
        "metadata.csv",
        &format!(
            "{METADATA}1,,COVID-19,PA,X-ray,a.png,CC BY,\"Fever.\nCough, 3 days.\",\n\
             2,,\"COVID-19, ARDS\",PA,X-ray,b.png,CC BY-SA,\"Anteroposterior. No effusion.\",\n\
             3,,ARDS,Axial,CT,c.png,CC BY,,\n4,,Klebsiella,PA,X-ray,gone.png,CC BY,,\n"
        ),
    );
    let mut table = STRUCTURE.to_owned();
    for (image, seed) in [("a.png", 1), ("b.png", 2)] {
        set.picture(&format!("images/{image}"), 40, 20, seed);
        table += &format!(
            "1,Right Lung,{image},masks/lung.png,40x20,5,5,10,10\n2,Left Lung,{image},masks/lung.png,40x20,5,25,10,10\n"
        );
        table += &format!("3,Ground Glass Opacities,{image},masks/opacity.png,40x20,10,25,10,5\n");
        table += &format!("4,Cardiomediastinum,{image},masks/heart.png,40x20,8,18,8,4\n");
    }
    table += "5,Monitoring Probes,a.png,,40x20,0,0,40,20\n6,Antenna,a.png,masks/lung.png,40x20,0,0,10,10\n";
    set.text("structure.csv", &table);
    set.crop("masks/lung.png", &["##########"; 10]);
    set.crop("masks/opacity.png", &["####..####", "####..####", "####..####", "####..####", "####..####"]);
    set.crop("masks/heart.png", &["########"; 4]);
    set
}

#[test]
fn chest_x_rays_are_measured_on_their_masks() {
    let set = cxr();
    let (report, dataset) = set.import("cxr");
    // Monitoring probes without a place leave no safe place for a frame on the first image.
    let ids: Vec<&str> = dataset.cases.iter().map(|case| case.case_id.as_str()).collect();
    assert_eq!(ids, ["cxr-a-png", "cxr-b-png", "cxr-b-png-marks"]);
    assert_eq!((report.cases, report.regions), (3, 12));
    assert_eq!(report.items, dataset.cases.iter().map(|case| case.chain.len()).sum::<usize>());
    let a = &dataset.cases[0];
    assert_eq!(
        (a.case_id.as_str(), a.group_id.as_str(), a.source.licence.as_str()),
        ("cxr-a-png", "cxr:patient-1", "CC BY")
    );
    assert_eq!(a.images[0].orientation.as_deref(), Some("radiological"));
    let original = fs::read(set.path("images/a.png")).expect("there");
    assert_eq!(fs::read(dataset.path(&a.images[0].path)).expect("copied"), original);

    assert_eq!(gold(a, "In which half"), "right half");
    assert_eq!(gold(a, "Does this image show ground-glass opacity"), "true");
    assert_eq!(gold(a, "which lung does the ground-glass opacity affect"), "left lung");
    assert_eq!(flipped(a, "which lung does the ground-glass opacity affect").as_deref(), Some("right lung"));
    assert_eq!(gold(a, "How many separate regions"), "2");
    assert!(matches!(item(a, "How many separate regions").answer, Answer::Number { abs_tol: Some(1.0), .. }));
    assert_eq!(gold(a, "area of both lungs"), "10% to 25%"); // 40 of 200 pixels
    assert_eq!(gold(a, "distributed"), "several regions in one lung");
    assert_eq!(gold(a, "Which of these devices"), "monitoring probes");
    assert_eq!(flipped(a, "Draw one box").as_deref(), Some("[13, 50, 38, 75]"));
}

#[test]
fn masks_are_pasted_at_left_and_top() {
    let set = cxr();
    let (_, dataset) = set.import("cxr");
    let region = dataset.cases[0].regions.iter().find(|region| region.label == "ground-glass opacity").expect("marked");
    let Shape::Mask { path, bounds } = &region.shape else { panic!("a mask") };
    assert_eq!(*bounds, [25.0, 10.0, 35.0, 15.0]);
    let mask = load_mask(&dataset.path(path)).expect("reads");
    assert_eq!((mask.width, mask.height, mask.area()), (40, 20, 40));
    let inside = |x: usize, y: usize| mask.inside[y * 40 + x];
    assert!(inside(25, 10) && inside(34, 14) && !inside(29, 12) && !inside(24, 10) && !inside(0, 0));
}

#[test]
fn uncertain_facts_are_not_asked_about_and_omissions_are_reported() {
    let set = cxr();
    let (report, dataset) = set.import("cxr");
    let b = &dataset.cases[1];
    assert!(!asks(b, "Which view"), "the notes contradict the table");
    assert!(!asks(b, "pleural effusion"), "the notes mention it, so a missing mark proves nothing");
    let Answer::Choice { options, gold, .. } = &item(b, "diagnoses").answer else { panic!("a choice") };
    assert_eq!(options[gold[0]], "COVID-19 with ARDS");
    assert!(!options.iter().any(|option| option == "COVID-19" || option == "ARDS"), "they would also be right");
    let said = [
        // Rows are lines of the file; the notes of the first record take two lines.
        "metadata.csv:5: c.png: left out: its modality is \"CT\"",
        "metadata.csv:6: gone.png: left out: images/ has no such file",
        "structure.csv:10: monitoring probes: no mask",
        "structure.csv:11: left out: \"Antenna\" is not a known structure",
        "cxr-a-png: view not asked",
        "cxr-b-png: view not asked",
    ];
    for words in said {
        assert!(report.skipped.iter().any(|line| line.starts_with(words)), "{words}: {:#?}", report.skipped);
    }
    assert_eq!(report.skipped.len(), said.len(), "{:#?}", report.skipped);
}

#[test]
fn an_image_without_both_lungs_is_measured_against_the_image() {
    let set = cxr();
    let table = fs::read_to_string(set.path("structure.csv")).expect("there");
    set.text("structure.csv", &table.replace("1,Right Lung,a.png", "1,Antenna,a.png"));
    let (_, dataset) = set.import("cxr");
    let a = &dataset.cases[0];
    assert_eq!(gold(a, "How much of the image"), "less than 10%"); // 40 of 800 pixels
    assert!(!a.chain.iter().any(|item| item.question.contains("which lung")));
}

#[test]
fn faults_name_file_row_and_field() {
    let set = cxr();
    for file in ["structure.csv", "metadata.csv"] {
        let table = fs::read_to_string(set.path(file)).expect("there");
        let refused = |from: &str, to: &str, expected: &str| {
            assert!(table.contains(from), "{from}");
            set.assert_refused("cxr", (file, &table.replacen(from, to, 1)), expected);
        };
        if file == "structure.csv" {
            refused("40x20,5,5,10,10", "41x20,5,5,10,10", "structure.csv:2: Resolution: 41x20, but the image is 40x20");
            refused(
                "40x20,5,5,10,10",
                "40x20,5,5,9,10",
                "structure.csv:2: Mask: the mask is 10x10, but its box is 9x10",
            );
            refused("40x20,5,5,10,10", "40x20,5,35,10,10", "structure.csv:2: Left: the mask extends beyond the image");
            refused("40x20,5,5,10,10", "40x20,5,-5,10,10", "structure.csv:2: Left: \"-5\" is not a whole number");
            refused(
                "masks/lung.png",
                "../lung.png",
                "structure.csv:2: Mask: \"../lung.png\" leads out of the data set's folder",
            );
            refused("Template Name", "Name", "structure.csv:1: Template Name: this column is missing");
            refused("masks/lung.png", "masks/none.png", "none.png: cannot be read");
            refused("40x20,5,25,10,10", "40x20,5,2,10,10", "the right lung lies to the right of the left lung");
            refused(
                "5,Monitoring Probes,a.png,,40x20,0,0,40,20",
                "5,Monitoring Probes,a.png,,40x20,0,9,40,20",
                "structure.csv:10: Width",
            );
        } else {
            refused("a.png", "../a.png", "metadata.csv:2: filename: \"../a.png\" is not a file name");
            refused("1,,COVID-19,", ",,COVID-19,", "metadata.csv:2: patientid: is empty");
            refused("CC BY-SA,", "", "metadata.csv:4: ");
        }
        set.text(file, &table);
    }
    set.import("cxr");
}

#[test]
fn equal_seeds_give_equal_files_and_a_used_folder_is_refused() {
    let set = cxr();
    let written = |out: &str, seed| {
        set.import_to("cxr", out, seed).expect("imports");
        files(&set.folder.path().join(out))
    };
    let first = written("one", 7);
    assert_eq!(first, written("two", 7));
    assert_ne!(first, written("three", 8));
    let error = set.import_to("cxr", "one", 7).expect_err("in use").to_string();
    assert!(error.contains("cases.jsonl: already exists -> "), "{error}");
}

/// Returns the first image of the small data set under the file name `name`, with these notes and table fields, and with
/// further rows of `structure.csv`; and the notes of the import.
fn one(name: &str, notes: &str, intubated: &str, more: &[&str]) -> (Option<Case>, Vec<String>) {
    let set = cxr();
    let header = METADATA.trim_end().replace("offset,", "intubated,intubation_present,");
    set.text(
        "metadata.csv",
        &format!(
            "{header}\n1,{intubated},,COVID-19,PA,X-ray,{name},CC BY,\"{notes}\",\n\
             2,,,Klebsiella,PA,X-ray,b.png,CC BY,,\n"
        ),
    );
    set.picture(&format!("images/{name}"), 40, 20, 1);
    let table = std::fs::read_to_string(set.path("structure.csv")).expect("there");
    let without_device: Vec<&str> =
        table.lines().filter(|line| !line.contains("Probes")).chain(more.iter().copied()).collect();
    set.text("structure.csv", &format!("{}\n", without_device.join("\n").replace("a.png", name)));
    let (report, dataset) = set.import("cxr");
    (dataset.cases.into_iter().find(|case| case.group_id == "cxr:patient-1"), report.skipped)
}

fn asks(case: &Case, words: &str) -> bool {
    case.chain.iter().any(|item| item.question.contains(words))
}

#[test]
fn a_view_needs_its_name_in_the_file_or_the_notes_and_no_device() {
    let probes = "5,Monitoring Probes,a.png,,40x20,0,0,40,20";
    let view = |name: &str, notes: &str, intubated: &str, more: &[&str]| {
        let (case, _) = one(name, notes, intubated, more);
        case.is_some_and(|case| asks(&case, "Which view"))
    };
    assert!(view("x-PA.png", "Cough.", "", &[]) && view("x-pa.png", "Cough.", "", &[]));
    assert!(view("a.png", "Posteroanterior radiograph.", "", &[]));
    assert!(!view("a.png", "Cough.", "", &[]), "only the table says PA");
    assert!(!view("x-PA.png", "Cough.", "", &[probes]), "patients with a device often lie in bed");
    assert!(!view("x-PA.png", "Cough.", "Y", &[]));
}

#[test]
fn a_device_that_may_be_there_is_no_wrong_option() {
    let options = |intubated: &str, more: &[&str]| -> Vec<String> {
        let case = one("a.png", "Cough.", intubated, more).0.expect("imported");
        let Some(item) = case.chain.iter().find(|item| item.category == "15") else { return Vec::new() };
        let Answer::Choice { options, .. } = &item.answer else { panic!("a choice") };
        options.clone()
    };
    assert!(options("", &[]).contains(&"no device".to_owned()));
    assert!(options("Y", &[]).is_empty(), "an intubated patient has a tube");
    let probes = "5,Monitoring Probes,a.png,,40x20,0,0,40,20";
    let with_probes = options("", &[probes]);
    assert!(with_probes.len() == 4 && !with_probes.contains(&"external tubing".to_owned()), "{with_probes:?}");
    assert!(!options("Y", &[probes]).contains(&"endotracheal tube".to_owned()));
    let tube = "5,Nosogastric Tube,a.png,masks/heart.png,40x20,0,0,8,4";
    let with_tube = options("", &[tube]);
    let lines = ["central venous line", "endotracheal tube", "external tubing"];
    assert!(with_tube.len() == 3 && lines.iter().all(|line| !with_tube.contains(&(*line).to_owned())), "{with_tube:?}");
}

#[test]
fn marks_that_the_notes_put_in_doubt_decide_nothing() {
    for notes in ["Lungs clear.", "No significant findings.", "Single nodular consolidation."] {
        let (case, skipped) = one("a.png", notes, "", &[]);
        let case = case.expect("imported");
        assert!(!case.chain.iter().any(|item| item.question.contains("ground-glass")), "{notes}");
        assert!(case.regions.iter().all(|region| region.label != "ground-glass opacity"), "{notes}");
        let said = "cxr-a-png: ground-glass opacity not asked about: ";
        assert!(skipped.iter().any(|line| line.starts_with(said)), "{notes}: {skipped:?}");
    }
    let air = "5,Pneumothorax,a.png,masks/heart.png,40x20,5,25,8,4";
    assert!(!asks(&one("a.png", "Cavitating mass.", "", &[air]).0.expect("imported"), "pneumothorax"));
    assert!(asks(&one("a.png", "Pneumothorax.", "", &[air]).0.expect("imported"), "show a pneumothorax"));
    assert!(one("a.png", "Large cyst (arrow).", "", &[]).0.is_none(), "the image has an arrow");
    let unspecific = one("a.png", "There are no specific features.", "", &[]).0.expect("imported");
    assert!(!asks(&unspecific, "diagnos"));
}

#[test]
fn an_effusion_beside_a_consolidation_is_neither_asked_about_nor_offered() {
    let consolidation = "5,Consolidation,a.png,masks/heart.png,40x20,8,25,8,4";
    let names_effusion = |more: &[&str]| {
        let case = one("a.png", "Cough.", "", more).0.expect("imported");
        format!("{:?}", case.chain).contains("pleural effusion")
    };
    assert!(names_effusion(&[]), "without a mark it is absent");
    assert!(!names_effusion(&[consolidation]), "the consolidation may hide it");
}

#[test]
fn a_finding_that_the_notes_put_into_the_other_lung_has_no_place_and_no_features() {
    // The mask covers the patient's left lung.
    let about = [
        "Draw one box around",
        "which lung does the",
        "How many separate regions",
        "of both lungs does the",
        "distributed",
    ];
    for (side, is_known) in [("left", true), ("right", false)] {
        let notes = format!("Ground-glass opacity of the {side} lung.");
        let (case, skipped) = one("a.png", &notes, "", &[]);
        let case = case.expect("imported");
        assert!(asks(&case, "show ground-glass opacity"), "its presence is certain");
        for words in about {
            assert_eq!(asks(&case, words), is_known, "{side}: {words}");
        }
        let said = "place and features of the ground-glass opacity not asked: the notes name other lungs";
        assert_eq!(skipped.iter().any(|line| line.ends_with(said)), !is_known, "{side}: {skipped:?}");
    }
}

#[test]
fn a_heart_with_its_middle_near_the_middle_of_the_image_has_no_half() {
    // Of the eight columns of the mask, 2 or 4 lie in the left half of the image.
    for (left, is_clear) in [(18, true), (16, false)] {
        let set = cxr();
        let table = fs::read_to_string(set.path("structure.csv")).expect("there");
        set.text("structure.csv", &table.replace("40x20,8,18,8,4", &format!("40x20,8,{left},8,4")));
        assert_eq!(asks(&set.import("cxr").1.cases[0], "In which half of the image"), is_clear, "{left}");
    }
}

#[test]
fn a_stray_mask_leaves_its_structure_open() {
    let set = cxr();
    set.picture("images/a.png", 400, 200, 1);
    set.crop("masks/dot.png", &["##", "##"]);
    let rows = "1,Monitoring Probes,a.png,masks/dot.png,400x200,0,0,2,2\n1,Consolidation,a.png,masks/opacity.png,400x200,50,50,10,5\n";
    set.text("structure.csv", &format!("{STRUCTURE}{rows}"));
    let (report, dataset) = set.import("cxr");
    let a = &dataset.cases[0];
    assert!(!asks(a, "Which of these devices") && asks(a, "show consolidation"));
    assert!(a.regions.iter().all(|region| region.label != "monitoring probes"));
    assert!(report.skipped.iter().any(|line| line.starts_with("structure.csv:2: monitoring probes: not used")));
}
