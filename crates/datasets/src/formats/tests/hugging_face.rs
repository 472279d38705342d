//! Parquet files in the layouts of the Hugging Face hub.

use std::path::Path;

use stepwise_data::case::Split;

use super::*;

/// Copies the files of a committed layout to the source.
pub(super) fn place(name: &str) -> Place {
    let place = Place::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/parquet").join(name);
    for below in ["", "data"] {
        for entry in fs::read_dir(folder.join(below)).into_iter().flatten().flatten() {
            if entry.path().is_file() {
                let file = entry.file_name().into_string().expect("UTF-8");
                place.write(format!("{below}/{file}").trim_start_matches('/'), fs::read(entry.path()).expect("there"));
            }
        }
    }
    place
}

#[track_caller]
fn assert_recognised(place: &Place, name: &str) {
    let found = detect(&place.source()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(found.name, name, "{:?}", found.evidence);
}

#[test]
fn vqa_rad_is_read_with_its_images() {
    let place = place("vqa-rad");
    assert_recognised(&place, "vqa-rad");
    let (report, dataset) = place.import("vqa-rad", &rest("25"));
    assert_eq!((report.rows.read, report.rows.kept, report.images), (7, 5, 4));
    assert_eq!(counted(&report.questions.left_out, "repeated"), 1);
    assert_eq!(counted(&report.rows.left_out, "the same image is on a later side"), 1);
    assert_eq!([gold(&dataset, "infarcted"), gold(&dataset, "organ system")], ["true", "text brain"]);
    assert_eq!(gold(&dataset, "right lung"), "text None");
    assert_eq!(dataset.cases.iter().filter(|case| case.split == Split::Test).count(), 2);
}

#[test]
fn path_vqa_has_three_sides_and_shards() {
    let place = place("path-vqa");
    assert_recognised(&place, "path-vqa");
    let (report, dataset) = place.import("path-vqa", &rest("25"));
    assert_eq!((report.rows.read, report.rows.kept), (6, 4));
    assert_eq!(counted(&report.questions.left_out, "another answer"), 2);
    assert_eq!((report.split.train, report.split.validation, report.split.test), (2, 1, 1));
    assert_eq!([gold(&dataset, "how many"), gold(&dataset, "where")], ["number 2", "text in the liver"]);
}

#[test]
fn kvasir_vqa_has_no_split_and_several_questions_an_image() {
    let place = place("kvasir-vqa");
    assert_recognised(&place, "kvasir-vqa");
    let (report, dataset) = place.import("kvasir-vqa", &FormatOptions::default());
    assert_eq!((report.rows.kept, report.cases, report.split.kind), (3, 2, "new"));
    assert_eq!(gold(&dataset, "Where"), "text Center; Lower-left");
    assert_eq!(item(&dataset, "polyps").1.category, "14");
    assert!(dataset.cases[0].case_id.contains("cl1"), "{}", dataset.cases[0].case_id);
}

#[test]
fn kvasir_vqa_x1_names_the_images_of_kvasir_vqa() {
    let place = place("kvasir-vqa-x1");
    for (name, seed) in [("cl1", 1), ("cl2", 2), ("cl3", 3)] {
        place.picture(&format!("images/{name}.jpg"), seed);
    }
    assert_recognised(&place, "kvasir-vqa");
    let (report, dataset) = place.import("kvasir-vqa", &rest("25"));
    assert_eq!((report.rows.read, report.rows.kept, report.images, report.groups), (4, 4, 3, 3));
    // A count in words stays the text of the source.
    assert_eq!(gold(&dataset, "can be identified"), "text one polyp is seen");
    let (case, question) = item(&dataset, "Where is the instrument");
    assert_eq!((question.category.as_str(), case.modality.as_str(), case.chain.len()), ("13", "endoscopy", 1));
    assert_eq!(case.group_id.as_str(), "kvasir-vqa:cl3");
    fs::remove_file(place.source().join("images/cl2.jpg")).expect("removed");
    place.assert_refused("kvasir-vqa", &rest("25"), "train-00000-of-00001.parquet:3: img_id: ");
}

#[test]
fn slake_has_its_fields() {
    let place = place("slake");
    assert_recognised(&place, "slake");
    let (report, dataset) = place.import("slake", &FormatOptions::default());
    assert_eq!((report.rows.kept, report.images, dataset.cases[0].modality.as_str()), (2, 1, "mri"));
    assert_eq!([gold(&dataset, "modality"), gold(&dataset, "肝脏")], ["text MRI", "true"]);
}

#[test]
fn trl_has_typed_parts_and_answers_word_for_word() {
    let place = place("trl");
    assert_recognised(&place, "trl");
    let (report, dataset) = place.import("trl", &rest("25"));
    assert_eq!((report.rows.read, report.rows.kept, report.questions.kept), (3, 2, 3));
    assert_eq!(counted(&report.rows.left_out, "without an image"), 1);
    let (case, second) = item(&dataset, "Sure?");
    assert_eq!((case.images.len(), second.parents.len()), (2, 1));
    assert_eq!(
        [gold(&dataset, "older"), gold(&dataset, "Sure"), gold(&dataset, "ill")],
        ["text The first.", "text Yes", "true"]
    );
}

#[test]
fn a_table_may_be_parquet() {
    let place = place("kvasir-vqa");
    let columns = Columns {
        image: vec!["image".into()],
        question: Some("question".into()),
        answer: Some("answer".into()),
        group: Some("img_id".into()),
        ..Columns::default()
    };
    let file = place.source().join("data/raw-00000-of-00001.parquet");
    let options = FormatOptions { columns, ..rest("25") };
    let out = place.folder.path().join("out");
    let report =
        import_format(format("table").expect("known"), &file, &out, &options).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((report.rows.kept, report.images, report.groups), (3, 2, 2));
}
