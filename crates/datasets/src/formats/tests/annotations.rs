//! COCO and YOLO.

use serde_json::json;
use stepwise_data::case::{Shape, Split};

use super::*;

fn bounds(dataset: &Dataset, question: &str) -> Vec<[f64; 4]> {
    let (case, asked) = item(dataset, question);
    let Answer::Box { gold, .. } = &asked.answer else { panic!("a box") };
    let region = |id: &String| case.regions.iter().find(|region| region.id == *id).expect("there");
    gold.iter()
        .map(|id| match region(id).shape {
            Shape::Box { bounds } => bounds,
            _ => panic!("a box"),
        })
        .collect()
}

#[test]
fn yolo_boxes_are_fractions_and_empty_files_are_negative() {
    let place = Place::new();
    place.write("data.yaml", "train: ../train/images\nnc: 2\nnames: ['bone_cyst', 'fracture']\n");
    for (name, seed) in [("train/images/a", 1), ("train/images/b", 2), ("valid/images/c", 3), ("test/images/d", 4)] {
        place.picture(&format!("{name}.png"), seed);
    }
    place.write("train/labels/a.txt", "1 0.25 0.5 0.5 0.5\r\n1 0.75 0.25 0.25 0.5\r\n");
    place.write("train/labels/b.txt", "");
    place.write("valid/labels/c.txt", "0 0.0 0.0 0.5 0.0 0.5 0.5\n");
    let (report, dataset) = place.import("yolo", &FormatOptions::default());
    assert_eq!((report.rows.read, report.rows.kept, report.regions), (4, 3, 3));
    assert_eq!(counted(&report.rows.left_out, "without a label file"), 1);
    assert_eq!(bounds(&dataset, "Draw a box around each fracture"), [[0.0, 15.0, 40.0, 45.0], [50.0, 0.0, 70.0, 30.0]]);
    assert_eq!(bounds(&dataset, "box around bone cyst"), [[0.0, 0.0, 40.0, 30.0]]);
    assert_eq!(gold(&dataset, "How many boxes of fracture"), "number 2");
    let sides: Vec<Split> = dataset.cases.iter().map(|case| case.split).collect();
    assert_eq!(sides.iter().filter(|side| **side == Split::Validation).count(), 1);
    let negative = dataset.cases.iter().find(|case| case.regions.is_empty()).expect("a negative image");
    assert_eq!(negative.chain.len(), 2);

    for (line, expected) in [
        ("2 0.5 0.5 0.1 0.1", "class: there is no class \"2\""),
        ("1 0.5 0.5 12 0.1", "box: \"12\" is no fraction"),
        ("1 0.5 0.5 0.1", "box: has 3 numbers"),
        ("1 0.5 0.5 0 0.1", "box: has no area"),
    ] {
        place.write("train/labels/a.txt", format!("1 0.25 0.5 0.5 0.5\n{line}\n"));
        place.assert_refused("yolo", &FormatOptions::default(), &format!("a.txt:2: {expected}"));
    }
}

#[test]
fn yolo_names_may_be_a_map_and_must_agree_with_their_count() {
    let place = Place::new();
    place.write("data.yaml", "names:\n  0: cyst\n  1: fracture\n");
    place.picture("images/train/a.png", 1);
    place.write("labels/train/a.txt", "0 0.5 0.5 0.5 0.5\n");
    let (_, dataset) = place.import("yolo", &FormatOptions::default());
    assert_eq!(gold(&dataset, "show fracture"), "false");
    place.write("data.yaml", "names: [cyst, fracture]\nnc: 3\n");
    place.assert_refused("yolo", &FormatOptions::default(), "data.yaml: nc: is 3, but there are 2 names");
}

fn coco(place: &Place, annotations: serde_json::Value) {
    let sheet = json!({
        "images": [
            {"id": 7, "file_name": "a.png", "width": 80, "height": 60},
            {"id": 9, "file_name": "b.png", "width": 80, "height": 60},
            {"id": 30, "file_name": "c.png", "width": 80, "height": 60},
        ],
        "annotations": annotations,
        "categories": [{"id": 3, "name": "mass"}, {"id": 90, "name": "cyst"}],
    });
    place.write("annotations/instances_train2017.json", sheet.to_string());
}

#[test]
fn coco_boxes_are_pixels_and_images_without_annotation_are_unknown() {
    let place = Place::new();
    for (name, seed) in [("a", 1), ("b", 2), ("c", 3)] {
        place.picture(&format!("train2017/{name}.png"), seed);
    }
    let annotations = json!([
        {"id": 1, "image_id": 7, "category_id": 3, "bbox": [10.0, 20.0, 30.0, 15.5], "iscrowd": 0, "area": 1},
        {"id": 2, "image_id": 7, "category_id": 3, "bbox": [70.0, 50.0, 10.4, 10.0], "area": 1},
        {"id": 3, "image_id": 7, "category_id": 90, "bbox": [1, 1, 0, 5]},
        {"id": 4, "image_id": 9, "category_id": 90, "bbox": [1, 1, 5, 5], "iscrowd": 1},
    ]);
    coco(&place, annotations);
    let (report, dataset) = place.import("coco", &FormatOptions::default());
    assert_eq!((report.rows.read, report.rows.kept, report.regions), (3, 1, 2));
    assert_eq!((counted(&report.parts_left_out, "crowd"), counted(&report.parts_left_out, "without area")), (1, 1));
    assert_eq!(bounds(&dataset, "Draw a box around each mass"), [[10.0, 20.0, 40.0, 35.5], [70.0, 50.0, 80.0, 60.0]]);
    assert_eq!(counted(&report.pixels, "cut off at the edge"), 1);
    assert_eq!(dataset.cases[0].split, Split::Train);

    let all = FormatOptions { exhaustive: true, ..FormatOptions::default() };
    let report = place.import_to("coco", "all", &all).expect("imports");
    assert_eq!((report.rows.kept, report.answers["yesno"]), (3, 4), "a crowd is no absence");
}

#[test]
fn coco_ids_that_are_not_there_are_faults() {
    let place = Place::new();
    place.picture("train2017/a.png", 1);
    coco(&place, json!([{"image_id": 7, "category_id": 4, "bbox": [1, 1, 5, 5]}]));
    place.assert_refused("coco", &FormatOptions::default(), "instances_train2017.json:1: annotations.category_id");
    coco(&place, json!([{"image_id": 8, "category_id": 3, "bbox": [1, 1, 5, 5]}]));
    place.assert_refused("coco", &FormatOptions::default(), "annotations.image_id: there is no image 8");
    coco(&place, json!([{"image_id": 7, "category_id": 3, "bbox": [1, 1, 5]}]));
    place.assert_refused("coco", &FormatOptions::default(), "annotations.bbox");
}

/// Writes a JPEG file with an EXIF orientation.
fn turned_jpeg(place: &Place, name: &str, orientation: u8) {
    let path = place.source().join(name);
    place.picture(name, 1);
    let mut bytes = fs::read(&path).expect("there");
    let mut exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    let length = (exif.len() as u16 + 2).to_be_bytes();
    let segment = [&[0xFF, 0xE1][..], &length, &exif].concat();
    bytes.splice(2..2, segment);
    fs::write(path, bytes).expect("writable");
}

#[test]
fn boxes_on_images_with_an_exif_orientation_are_refused_unless_the_size_decides() {
    let place = Place::new();
    place.write("data.yaml", "names: [cyst]\n");
    turned_jpeg(&place, "images/a.jpg", 3);
    place.write("labels/a.txt", "0 0.25 0.5 0.5 0.5\n");
    place.assert_refused("yolo", &FormatOptions::default(), "has an EXIF orientation");

    let annotations = json!([{"image_id": 7, "category_id": 3, "bbox": [1, 2, 3, 4]}]);
    for (orientation, size, refused) in [
        (3, [80, 60], Some("has an EXIF orientation")),
        (6, [80, 60], Some("the annotation is for 80x60 pixels, but the image as shown has 60x80")),
        (6, [60, 80], None),
    ] {
        let place = Place::new();
        turned_jpeg(&place, "images/a.jpg", orientation);
        let sheet = json!({"images": [{"id": 7, "file_name": "a.jpg", "width": size[0], "height": size[1]}],
            "annotations": annotations, "categories": [{"id": 3, "name": "mass"}]});
        place.write("x.json", sheet.to_string());
        match refused {
            Some(expected) => place.assert_refused("coco", &FormatOptions::default(), expected),
            None => {
                let (report, _) = place.import("coco", &FormatOptions::default());
                assert_eq!(counted(&report.pixels, "turned by its EXIF orientation"), 1);
            }
        }
    }
}
