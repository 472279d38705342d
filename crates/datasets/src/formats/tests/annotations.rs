//! COCO and YOLO.

use serde_json::json;
use stepwise_data::case::{Shape, Split};

use super::*;
use crate::source_image::{DrawnOn, PixelOptions};

fn bounds(dataset: &Dataset, question: &str) -> Vec<[f64; 4]> {
    let (case, asked) = item(dataset, question);
    let Answer::Box { gold, .. } = &asked.answer else { panic!("a box") };
    let region = |id: &String| case.regions.iter().find(|region| region.id == *id).expect("there");
    gold.iter().map(|id| region(id).shape.bounds()).collect()
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
    assert_eq!(shape(&dataset, "bone cyst"), Shape::Polygon { points: vec![[0.0, 0.0], [40.0, 0.0], [40.0, 30.0]] });
    assert_eq!(gold(&dataset, "How many boxes of fracture"), "number 2");
    let sides: Vec<Split> = dataset.cases.iter().map(|case| case.split).collect();
    assert_eq!(sides.iter().filter(|side| **side == Split::Validation).count(), 1);
    let negative = dataset.cases.iter().find(|case| case.regions.is_empty()).expect("a negative image");
    assert_eq!(negative.chain.len(), 2);

    // (0.41 - 0.02 / 2) * 80 is 31.999999999999996 as a product of binary numbers.
    place.write("train/labels/a.txt", "1 0.41 0.5 0.02 0.5\n");
    let report = place.import_to("yolo", "rounded", &FormatOptions::default()).expect("imports");
    let cases = fs::read_to_string(place.folder.path().join("rounded/cases.jsonl")).expect("there");
    assert!(report.regions == 2 && cases.contains("[32.0,15.0,33.6,45.0]"), "{cases}");

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

#[test]
fn yolo_in_the_layout_of_ultralytics_has_its_sides_below_images() {
    let place = Place::new();
    place.write(
        "data.yaml",
        "path: ../datasets/fracture\ntrain: images/train\nval: images/val\ntest:\n\nnames:\n  0: cyst\n  1: fracture\n",
    );
    for (name, seed) in [("train/a", 1), ("train/b", 2), ("val/c", 3)] {
        place.picture(&format!("images/{name}.jpg"), seed);
    }
    place.write("labels/train/a.txt", "1 0.25 0.5 0.5 0.5\n0 0.75 0.25 0.25 0.5\n");
    place.write("labels/train/b.txt", "");
    place.write("labels/val/c.txt", "0 0.5 0.5 1 1");
    assert_eq!(detect(&place.source()).unwrap_or_else(|error| panic!("{error}")).name, "yolo");
    let (report, dataset) = place.import("yolo", &FormatOptions::default());
    assert_eq!((report.rows.kept, report.images, report.regions, report.split.kind), (3, 3, 3, "published"));
    assert_eq!([report.split.train, report.split.validation, report.split.test], [2, 1, 0]);
    assert_eq!(bounds(&dataset, "box around fracture"), [[0.0, 15.0, 40.0, 45.0]]);
    let whole = dataset.cases.iter().find(|case| case.split == Split::Validation).expect("there");
    assert_eq!(whole.regions[0].shape.bounds(), [0.0, 0.0, 80.0, 60.0]);
    assert!(whole.images[0].path.ends_with(".jpg"), "copied as it is");
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
fn coco_in_the_layout_of_roboflow_has_its_sides_as_folders() {
    let place = Place::new();
    for (side, seed) in [("train", 1), ("valid", 2), ("test", 3)] {
        let name = format!("{side}_jpg.rf.{seed}.jpg");
        place.picture(&format!("{side}/{name}"), seed);
        let sheet = json!({
            "info": {"year": "2024"}, "licenses": [{"id": 1, "name": "CC BY 4.0"}],
            // The first category is the name of the project and has no box.
            "categories": [{"id": 0, "name": "polyps", "supercategory": "none"},
                {"id": 1, "name": "polyp", "supercategory": "polyps"}],
            "images": [{"id": 0, "license": 1, "file_name": name, "height": 60, "width": 80, "date_captured": ""}],
            "annotations": [{"id": 0, "image_id": 0, "category_id": 1, "bbox": [8, 6.5, 16, 12], "area": 192,
                "segmentation": [], "iscrowd": 0}],
        });
        place.write(&format!("{side}/_annotations.coco.json"), sheet.to_string());
    }
    assert_eq!(detect(&place.source()).unwrap_or_else(|error| panic!("{error}")).name, "coco");
    let (report, dataset) = place.import("coco", &FormatOptions::default());
    assert_eq!((report.rows.read, report.rows.kept, report.regions, report.split.kind), (3, 3, 3, "published"));
    assert_eq!([report.split.train, report.split.validation, report.split.test], [1, 1, 1]);
    assert!(dataset.cases.iter().all(|case| case.chain.len() == 1), "nothing is asked about the project");
    assert_eq!(bounds(&dataset, "Draw the box around polyp"), [[8.0, 6.5, 24.0, 18.5]]);
}

#[test]
fn runs_state_the_size_of_an_image_that_has_none() {
    let place = Place::new();
    place.picture("x.png", 1);
    let sheet = |height: u32| {
        let runs = json!({"counts": [0, 80 * height], "size": [height, 80]});
        json!({"images": [{"id": 1, "file_name": "x.png"}], "categories": [{"id": 1, "name": "mass"}],
            "annotations": [{"image_id": 1, "category_id": 1, "bbox": [0, 0, 80, 60], "segmentation": runs}]})
    };
    place.write("a.json", sheet(60).to_string());
    let (report, _) = place.import("coco", &FormatOptions::default());
    assert_eq!(report.regions, 1);
    place.write("a.json", sheet(50).to_string());
    place.assert_refused("coco", &FormatOptions::default(), "the annotation is for 80x50 pixels");
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
fn boxes_on_turned_images_follow_the_size_of_the_annotation_or_the_choice_of_the_user() {
    let stored = FormatOptions {
        pixels: PixelOptions { exif: Some(DrawnOn::Stored), ..PixelOptions::default() },
        ..FormatOptions::default()
    };
    let shown = FormatOptions {
        pixels: PixelOptions { exif: Some(DrawnOn::Shown), ..PixelOptions::default() },
        ..FormatOptions::default()
    };
    let place = Place::new();
    place.write("data.yaml", "names: [cyst]\n");
    turned_jpeg(&place, "images/a.jpg", 3);
    place.write("labels/a.txt", "0 0.25 0.5 0.5 0.5\n");
    place.assert_refused("yolo", &FormatOptions::default(), "give --exif stored");
    assert_eq!(bounds(&place.import("yolo", &shown).1, "box around cyst"), [[0.0, 15.0, 40.0, 45.0]]);
    let place = Place::new();
    place.write("data.yaml", "names: [cyst]\n");
    turned_jpeg(&place, "images/a.jpg", 3);
    place.write("labels/a.txt", "0 0.25 0.5 0.5 0.5\n");
    assert_eq!(bounds(&place.import("yolo", &stored).1, "box around cyst"), [[40.0, 15.0, 80.0, 45.0]]);

    let annotations = json!([{"image_id": 7, "category_id": 3, "bbox": [1, 2, 3, 4]}]);
    for (orientation, size, options, expected) in [
        (3, [80, 60], None, Err("has an EXIF orientation (3)")),
        (3, [80, 60], Some(&stored), Ok([76.0, 54.0, 79.0, 58.0])),
        (2, [80, 60], Some(&stored), Ok([76.0, 2.0, 79.0, 6.0])),
        (6, [80, 60], None, Ok([54.0, 1.0, 58.0, 4.0])),
        (6, [60, 80], None, Ok([1.0, 2.0, 4.0, 6.0])),
        (8, [80, 60], None, Ok([2.0, 76.0, 6.0, 79.0])),
        // The size of the annotation decides before the option, which answers for images on which nothing decides.
        (6, [60, 80], Some(&stored), Ok([1.0, 2.0, 4.0, 6.0])),
        (6, [80, 60], Some(&shown), Ok([54.0, 1.0, 58.0, 4.0])),
        (6, [50, 80], None, Err("the annotation is for 50x80 pixels, but the image as shown has 60x80")),
    ] {
        let place = Place::new();
        turned_jpeg(&place, "images/a.jpg", orientation);
        let sheet = json!({"images": [{"id": 7, "file_name": "a.jpg", "width": size[0], "height": size[1]}],
            "annotations": annotations, "categories": [{"id": 3, "name": "mass"}]});
        place.write("x.json", sheet.to_string());
        let default = FormatOptions::default();
        let options = options.unwrap_or(&default);
        match expected {
            Err(expected) => place.assert_refused("coco", options, expected),
            Ok(expected) => {
                let (report, dataset) = place.import("coco", options);
                assert_eq!(bounds(&dataset, "box around mass"), [expected], "orientation {orientation}");
                assert_eq!(counted(&report.pixels, "shown turned by its EXIF orientation"), 1);
            }
        }
    }
}

fn shape(dataset: &Dataset, label: &str) -> Shape {
    let mut regions = dataset.cases.iter().flat_map(|case| &case.regions);
    regions.find(|region| region.label == label).expect("there").shape.clone()
}

#[test]
fn outlines_turn_with_their_image() {
    let annotation =
        json!({"image_id": 7, "category_id": 3, "bbox": [1, 2, 3, 4], "segmentation": [[1, 2, 4, 2, 1, 6]]});
    for (size, expected) in
        [([80, 60], [[58.0, 1.0], [58.0, 4.0], [54.0, 1.0]]), ([60, 80], [[1.0, 2.0], [4.0, 2.0], [1.0, 6.0]])]
    {
        let place = Place::new();
        turned_jpeg(&place, "images/a.jpg", 6);
        let sheet = json!({"images": [{"id": 7, "file_name": "a.jpg", "width": size[0], "height": size[1]}],
            "annotations": [annotation], "categories": [{"id": 3, "name": "mass"}]});
        place.write("x.json", sheet.to_string());
        let (report, dataset) = place.import("coco", &FormatOptions::default());
        assert_eq!(shape(&dataset, "mass"), Shape::Polygon { points: expected.to_vec() });
        assert_eq!(counted(&report.pixels, "its outline is elsewhere"), 0);
    }
}

#[test]
fn coco_outlines_become_polygons_and_masks() {
    let place = Place::new();
    place.picture("train2017/a.png", 1);
    let names = ["polygon", "parts", "list", "text", "elsewhere"];
    let categories: Vec<_> = names.iter().zip(1..).map(|(name, id)| json!({"id": id, "name": name})).collect();
    // 80 x 60 pixels; the runs go down the columns. Pixels of columns 10 and 11, rows 5 to 8.
    let before = 10 * 60 + 5;
    let counts = json!([before, 4, 56, 4, 80 * 60 - before - 64]);
    let compressed = compress(&[before, 4, 56, 4, 80 * 60 - before - 64]);
    let annotations = json!([
        {"image_id": 7, "category_id": 1, "bbox": [10, 10, 20, 10], "segmentation": [[10, 10, 30, 10, 20.5, 20]]},
        {"image_id": 7, "category_id": 2, "bbox": [0, 0, 30, 5],
         "segmentation": [[0, 0, 5, 0, 5, 5, 0, 5], [20, 0, 30, 0, 30, 5, 20, 5]]},
        {"image_id": 7, "category_id": 3, "bbox": [10, 5, 2, 4], "segmentation": {"counts": counts, "size": [60, 80]}},
        {"image_id": 7, "category_id": 4, "bbox": [10, 5, 2, 4], "segmentation": {"counts": compressed, "size": [60, 80]}},
        {"image_id": 7, "category_id": 5, "bbox": [10, 10, 20, 10], "segmentation": [[50, 40, 60, 40, 60, 50]]},
    ]);
    let sheet = |annotations: &serde_json::Value| {
        json!({"images": [{"id": 7, "file_name": "a.png", "width": 80, "height": 60}], "annotations": annotations,
            "categories": categories})
    };
    place.write("annotations/instances_train2017.json", sheet(&annotations).to_string());
    let (report, dataset) = place.import("coco", &FormatOptions::default());
    assert_eq!(report.regions, 5);
    assert_eq!(shape(&dataset, "polygon"), Shape::Polygon { points: vec![[10.0, 10.0], [30.0, 10.0], [20.5, 20.0]] });
    assert_eq!(shape(&dataset, "elsewhere"), Shape::Box { bounds: [10.0, 10.0, 30.0, 20.0] });
    assert_eq!(counted(&report.pixels, "its outline is elsewhere"), 1);
    for (label, expected, inside) in
        [("parts", [0.0, 0.0, 30.0, 5.0], 75), ("list", [10.0, 5.0, 12.0, 9.0], 8), ("text", [10.0, 5.0, 12.0, 9.0], 8)]
    {
        let Shape::Mask { path, bounds } = shape(&dataset, label) else { panic!("{label} is no mask") };
        let mask = image::open(place.folder.path().join("out").join(path)).expect("there").into_luma8();
        assert_eq!((bounds, mask.pixels().filter(|pixel| pixel.0[0] > 0).count()), (expected, inside), "{label}");
    }

    for (segmentation, expected) in [
        (json!({"counts": [1, 2], "size": [60, 80]}), "the runs do not fill the image"),
        (json!({"counts": [4800], "size": [80, 60]}), "not the size of the image"),
        (json!({"counts": "zzzz", "size": [60, 80]}), "are damaged"),
        (json!([[1, 2, 3, 4]]), "at least three points"),
        (json!("x"), "is neither a list of polygons nor runs"),
    ] {
        let annotations =
            json!([{"image_id": 7, "category_id": 1, "bbox": [1, 1, 5, 5], "segmentation": segmentation}]);
        place.write("annotations/instances_train2017.json", sheet(&annotations).to_string());
        place.assert_refused("coco", &FormatOptions::default(), expected);
    }
}

/// Compresses runs as COCO's tools do.
fn compress(counts: &[i64]) -> String {
    let mut text = String::new();
    for (index, count) in counts.iter().enumerate() {
        let mut number = if index > 2 { count - counts[index - 2] } else { *count };
        loop {
            let group = number & 0x1F;
            number >>= 5;
            let more = if group & 0x10 != 0 { number != -1 } else { number != 0 };
            text.push(char::from((group as u8 | if more { 0x20 } else { 0 }) + 48));
            if !more {
                break;
            }
        }
    }
    text
}

fn voc(objects: &[(&str, [f64; 4], &str)], more: &str) -> String {
    let objects: String = objects
        .iter()
        .map(|(name, [x0, y0, x1, y1], more)| {
            format!(
                "<object><name>{name}</name>{more}<bndbox><xmin>{x0}</xmin><ymin>{y0}</ymin><xmax>{x1}</xmax><ymax>{y1}\
                 </ymax></bndbox></object>\n"
            )
        })
        .collect();
    format!("<annotation>\n{more}\n{objects}</annotation>\n")
}

#[test]
fn voc_boxes_count_pixels_from_one_and_lists_give_the_split() {
    let place = Place::new();
    for (name, seed) in [("a.jpg", 1), ("b.png", 2), ("c.jpg", 3), ("d.jpg", 4)] {
        place.picture(&format!("JPEGImages/{name}"), seed);
    }
    let size = "<size><width>80</width><height>60</height></size>";
    let difficult = "<difficult>1</difficult>";
    let first = voc(&[("polyp", [1.0, 1.0, 40.0, 30.0], ""), ("polyp", [41.0, 31.0, 80.0, 60.0], "")], size);
    place.write("Annotations/a.xml", first.replace('\n', "\r\n"));
    let other = "<filename>elsewhere.png</filename><size><width>0</width><height>0</height></size>";
    let second = voc(&[("blood_clot", [0.0, 0.0, 10.0, 10.0], ""), ("polyp", [5.0, 5.0, 9.0, 9.0], difficult)], other);
    place.write("Annotations/b.xml", second);
    place.write("Annotations/c.xml", voc(&[("polyp", [8.0, 7.0, 7.0, 9.0], "")], size));
    place.write("Annotations/d.xml", voc(&[], size));
    place.write("ImageSets/Main/trainval.txt", "a\nb\n");
    place.write("ImageSets/Main/val.txt", "b  1\r\n");
    place.write("ImageSets/Main/test.txt", "c\n");
    assert_eq!(detect(&place.source()).unwrap_or_else(|error| panic!("{error}")).name, "voc");
    let (report, dataset) = place.import("voc", &FormatOptions::default());
    assert_eq!((report.rows.read, report.rows.kept), (4, 3));
    assert_eq!(counted(&report.rows.left_out, "in no list of ImageSets/Main"), 1);
    assert_eq!(counted(&report.parts_left_out, "difficult"), 1);
    assert_eq!(counted(&report.parts_left_out, "without area"), 1);
    assert_eq!(bounds(&dataset, "Draw a box around each polyp"), [[0.0, 0.0, 40.0, 30.0], [40.0, 30.0, 80.0, 60.0]]);
    assert_eq!(bounds(&dataset, "box around blood clot"), [[0.0, 0.0, 10.0, 10.0]]);
    assert_eq!(gold(&dataset, "How many boxes of polyp"), "number 2");
    let sides = [report.split.train, report.split.validation, report.split.test];
    assert_eq!(sides, [1, 1, 1]);
    // Whether the image of the difficult polyp has a polyp is not asked.
    let second = dataset.cases.iter().find(|case| case.split == Split::Validation).expect("there");
    assert!(second.chain.iter().all(|item| !item.question.contains("polyp")), "{:?}", second.chain);

    for (text, expected) in [
        (voc(&[("polyp", [1.0, 1.0, 400.0, 30.0], "")], "<size><width>81</width><height>60</height></size>"), "81x60"),
        ("<annotation><object>".to_owned(), "a.xml:1: is not XML"),
        (first.replace("<xmin>1</xmin>", "<xmin>x</xmin>"), "xmin: \"x\" is not a number of pixels"),
        (first.replacen("<name>polyp</name>", "", 1), "name: is missing"),
    ] {
        place.write("Annotations/a.xml", text);
        place.assert_refused("voc", &FormatOptions::default(), expected);
    }
}

#[test]
fn voc_files_may_lie_beside_their_images() {
    let place = Place::new();
    for (name, seed) in [("train/a_jpg.rf.12", 1), ("valid/b_jpg.rf.34", 2)] {
        place.picture(&format!("{name}.jpg"), seed);
        place.write(&format!("{name}.xml"), voc(&[("polyp", [11.0, 11.0, 20.0, 20.0], "")], ""));
    }
    let (report, dataset) = place.import("voc", &FormatOptions::default());
    assert_eq!((report.split.train, report.split.validation), (1, 1));
    assert_eq!(bounds(&dataset, "Draw the box around polyp"), [[10.0, 10.0, 20.0, 20.0]]);
}

#[test]
fn an_id_of_two_coco_images_is_refused() {
    let place = Place::new();
    for (name, seed) in [("a", 1), ("b", 2), ("c", 3)] {
        place.picture(&format!("images/{name}.png"), seed);
    }
    let image = |id: u32, name: &str| json!({"id": id, "file_name": format!("{name}.png"), "width": 80, "height": 60});
    let sheet = json!({
        "images": [image(1, "a"), image(2, "b"), image(1, "c")],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 0, "bbox": [1, 1, 9, 9]},
            {"id": 2, "image_id": 2, "category_id": 0, "bbox": [1, 1, 9, 9]},
        ],
        "categories": [{"id": 0, "name": "nodule"}],
    });
    place.write("boxes.json", sheet.to_string());
    let options = FormatOptions { exhaustive: true, ..FormatOptions::default() };
    let expected = "boxes.json:1: images.id: 1 is the id of \"a.png\" and of \"c.png\" (and 1 more, row 3)";
    place.assert_refused("coco", &options, expected);
    let (report, dataset) = place.import("coco", &FormatOptions { keep_going: true, ..options });
    assert_eq!((report.rows.read, report.rows.kept, report.rows.faulty.total()), (3, 1, 2));
    assert!(dataset.cases[0].images[0].path.contains("/images-b-"), "{:?}", dataset.cases[0].images);
}

#[test]
fn a_class_with_an_unusable_box_is_not_asked_about() {
    let place = Place::new();
    for (name, seed) in [("a", 1), ("b", 2), ("c", 3)] {
        place.picture(&format!("images/{name}.png"), seed);
    }
    let boxed =
        |image: u32, class: u32, width: u32| json!({"image_id": image, "category_id": class, "bbox": [1, 1, width, 9]});
    let crowd = json!({"image_id": 9, "category_id": 3, "bbox": [20, 20, 9, 9], "iscrowd": 1});
    let annotations = json!([boxed(7, 3, 9), boxed(7, 3, 0), boxed(7, 90, 9), boxed(9, 3, 9), crowd]);
    coco(&place, annotations);
    let (report, dataset) = place.import("coco", &FormatOptions::default());
    assert_eq!((report.rows.kept, report.questions.kept), (1, 1));
    assert_eq!(bounds(&dataset, "Draw the box around cyst"), [[1.0, 1.0, 10.0, 10.0]]);
    assert_eq!(counted(&report.rows.left_out, "without a class of which all boxes are usable"), 1);
    let all = FormatOptions { exhaustive: true, ..FormatOptions::default() };
    place.import_to("coco", "all", &all).expect("imports");
    let text = fs::read_to_string(place.folder.path().join("all/cases.jsonl")).expect("there");
    assert!(!text.contains("around mass"), "{text}");

    for (value, expected) in [
        (
            json!({"image_id": 7, "category_id": 3, "bbox": [1, 1, 10]}),
            "bbox: has 3 numbers, not x, y, width and height",
        ),
        (json!({"image_id": 7, "category_id": 3}), "bbox: is missing"),
    ] {
        coco(&place, json!([value]));
        place.assert_refused("coco", &FormatOptions::default(), expected);
    }
}

#[test]
fn boxes_beside_a_difficult_object_are_not_asked_for() {
    let place = Place::new();
    place.picture("JPEGImages/a.png", 1);
    let size = "<size><width>80</width><height>60</height></size>";
    let difficult = "<difficult>1</difficult>";
    let objects = [
        ("polyp", [1.0, 1.0, 40.0, 30.0], ""),
        ("polyp", [41.0, 31.0, 80.0, 60.0], difficult),
        ("ulcer", [1.0, 1.0, 9.0, 9.0], ""),
    ];
    place.write("Annotations/a.xml", voc(&objects, size));
    let (_, dataset) = place.import("voc", &FormatOptions::default());
    let asked: Vec<&str> = dataset.cases[0].chain.iter().map(|item| item.question.as_str()).collect();
    assert!(asked.iter().all(|question| question.contains("ulcer")), "{asked:?}");
    assert_eq!(bounds(&dataset, "box around ulcer"), [[0.0, 0.0, 9.0, 9.0]]);
}
