//! Published splits that names of files, folders and sets say.

use serde_json::{Value, json};
use stepwise_data::case::Split;

use super::*;

/// Stems of files and seeds of their images, a row each.
const FILES: [(&str, u32); 5] = [("train", 1), ("train", 2), ("train", 3), ("val", 4), ("test", 5)];

/// Returns the rows of each of the files, made by `row` from the path of the image.
fn rows(place: &Place, row: impl Fn(&str) -> Value) -> Vec<(&'static str, Vec<Value>)> {
    let mut files: Vec<(&str, Vec<Value>)> = Vec::new();
    for (stem, seed) in FILES {
        let image = format!("i/{seed}.png");
        place.picture(&image, seed);
        match files.last_mut().filter(|(last, _)| *last == stem) {
            Some((_, rows)) => rows.push(row(&image)),
            None => files.push((stem, vec![row(&image)])),
        }
    }
    files
}

/// Asserts that the names decide, and that `--split new` makes another split.
#[track_caller]
fn assert_published(place: &Place, name: &str, options: &FormatOptions) {
    let (report, _) = place.import(name, options);
    let split = &report.split;
    assert_eq!((split.kind, split.train, split.validation, split.test), ("published", 3, 1, 1), "{name}");
    let new = FormatOptions { split: SplitChoice::New, ..options.clone() };
    assert_eq!(place.import_to(name, "new", &new).expect("imports").split.kind, "new");
}

fn lines(rows: &[Value]) -> String {
    rows.iter().map(|row| format!("{row}\n")).collect()
}

#[test]
fn files_of_ms_swift_trl_and_tables_name_their_side() {
    let message = |role: &str, content: Value| json!({"role": role, "content": content});
    let place = Place::new();
    let messages = || [message("user", json!("<image>Side?")), message("assistant", json!("left"))];
    for (stem, rows) in rows(&place, |image| json!({"messages": messages(), "images": [image]})) {
        place.write(&format!("{stem}.jsonl"), lines(&rows));
    }
    assert_published(&place, "ms-swift", &rest("25"));

    let place = Place::new();
    let typed = || {
        let parts = json!([{"type": "image"}, {"type": "text", "text": "Side?"}]);
        [message("user", parts), message("assistant", json!([{"type": "text", "text": "left"}]))]
    };
    for (stem, rows) in rows(&place, |image| json!({"messages": typed(), "images": [image]})) {
        place.write(&format!("{stem}.jsonl"), lines(&rows));
    }
    assert_published(&place, "trl", &rest("25"));

    let place = Place::new();
    for (stem, rows) in rows(&place, |image| json!({"file": image, "q": "Side?", "a": "left"})) {
        place.write(&format!("mine-{stem}.jsonl"), lines(&rows));
    }
    assert_published(&place, "table", &short_table());
}

#[test]
fn files_of_llava_and_sets_of_llama_factory_name_their_side() {
    let place = Place::new();
    let turns = || json!([{"from": "human", "value": "<image>Side?"}, {"from": "gpt", "value": "left"}]);
    let files = rows(&place, |image| json!({"image": image, "conversations": turns()}));
    for (stem, rows) in &files {
        place.write(&format!("{stem}.json"), json!(rows).to_string());
    }
    assert_published(&place, "llava", &rest("25"));
    // The name of a set decides before the name of its file.
    let place = Place::new();
    let files = rows(&place, |image| json!({"image": image, "conversations": turns()}));
    let mut sets = serde_json::Map::new();
    for (number, (stem, rows)) in files.iter().enumerate() {
        place.write(&format!("train{number}.json"), json!(rows).to_string());
        let set = json!({"file_name": format!("train{number}.json"), "formatting": "sharegpt", "columns": {"images": "image"}});
        sets.insert(format!("med_{stem}"), set);
    }
    place.write("dataset_info.json", json!(sets).to_string());
    assert_published(&place, "llama-factory", &rest("25"));
}

#[test]
fn parquet_files_of_kvasir_vqa_x1_name_their_side() {
    let place = hugging_face::place("kvasir-vqa-x1");
    for (name, seed) in [("cl1", 1), ("cl2", 2), ("cl3", 3)] {
        place.picture(&format!("images/{name}.jpg"), seed);
    }
    let published = place.source().join("data/train-00000-of-00001.parquet");
    place.write("data/test-00000-of-00001.parquet", fs::read(published).expect("there"));
    let (report, _) = place.import("kvasir-vqa", &rest("25"));
    let split = (report.split.kind, report.split.train, report.split.test);
    assert_eq!(split, ("published", 0, 2), "{:?}", report.rows);
    assert_eq!(counted(&report.rows.left_out, "the same image is on a later side"), 3);
}

/// A YOLO data set of four images in one folder.
fn yolo(place: &Place, sheet: &str) {
    place.write("data.yaml", format!("{sheet}names: [cyst]\n"));
    for seed in 0..4 {
        place.picture(&format!("images/x{seed}.png"), seed);
        place.write(&format!("labels/x{seed}.txt"), "0 0.5 0.5 0.5 0.5\n");
    }
}

fn sides(dataset: &Dataset) -> Vec<(Split, String)> {
    let one = |case: &Case| (case.split, case.images[0].path.split('-').take(2).collect::<Vec<_>>().join("-"));
    let mut all: Vec<(Split, String)> = dataset.cases.iter().map(one).collect();
    all.sort_by_key(|(_, name)| name.clone());
    all
}

#[test]
fn lists_of_yolo_name_the_side_of_each_image() {
    let place = Place::new();
    yolo(&place, "path: ../data/set\ntrain: train.txt\nval: lists/val.txt\n");
    place.write("train.txt", "./images/x0.png\n./images/x1.png\n");
    place.write("lists/val.txt", "/data/set/images/x1.png\r\n/data/set/images/x2.png\n./images/gone.png\n");
    let (report, dataset) = place.import("yolo", &FormatOptions::default());
    assert_eq!((report.split.kind, report.rows.read, report.rows.kept), ("published", 5, 3));
    let found: Vec<Split> = sides(&dataset).into_iter().map(|(side, _)| side).collect();
    assert_eq!(found, [Split::Train, Split::Validation, Split::Validation], "{:?}", sides(&dataset));
    assert_eq!(counted(&report.rows.left_out, "no side of the split is named"), 1);
    assert_eq!(counted(&report.rows.left_out, "a listed image that is not there"), 1);
    assert_eq!(counted(&report.parts_left_out, "image of two sides"), 1);
    fs::remove_file(place.source().join("train.txt")).expect("there");
    place.assert_refused("yolo", &FormatOptions::default(), "data.yaml: train: there is no list train.txt");
}

#[test]
fn folders_of_a_yolo_sheet_are_sides_whatever_their_names() {
    let place = Place::new();
    place.write("data.yaml", "train: [images/a, images/b]\nval: images/c\ntest: images/b\nnames: [cyst]\n");
    for (folder, seed) in [("a", 1), ("b", 2), ("c", 3)] {
        place.picture(&format!("images/{folder}/1.png"), seed);
        place.write(&format!("labels/{folder}/1.txt"), "");
    }
    let (report, _) = place.import("yolo", &FormatOptions::default());
    // The folder b is one of training images, so naming it for testing makes no test side.
    assert_eq!([report.split.train, report.split.validation, report.split.test], [2, 1, 0]);
}

#[test]
fn a_yolo_sheet_may_have_any_name() {
    let place = Place::new();
    yolo(&place, "");
    fs::rename(place.source().join("data.yaml"), place.source().join("frac.yaml")).expect("there");
    let found = detect(&place.source()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(found.name, "yolo");
    assert!(found.evidence.contains(&"frac.yaml with names".to_owned()), "{:?}", found.evidence);
    assert_eq!(place.import("yolo", &FormatOptions::default()).0.rows.kept, 4);
    place.write("other.yml", "names: [x]\n");
    place.assert_refused("yolo", &FormatOptions::default(), "several YAML files with names: frac.yaml, other.yml");
}
