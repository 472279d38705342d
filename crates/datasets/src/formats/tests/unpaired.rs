//! Images without an annotation, and annotations without an image: none disappears uncounted.

use serde_json::json;
use stepwise_data::case::Shape;

use super::*;

fn keep_going() -> FormatOptions {
    FormatOptions { keep_going: true, ..FormatOptions::default() }
}

#[test]
fn a_yolo_label_file_without_an_image_is_faulty() {
    let place = Place::new();
    place.write("data.yaml", "names: [cyst]\n");
    for (name, seed) in [("train/images/a.png", 1), ("valid/images/b.bmp", 2)] {
        place.picture(name, seed);
    }
    place.write("train/labels/a.txt", "0 0.5 0.5 0.5 0.5\n");
    place.write("valid/labels/b.txt", "");
    place.write("train/labels/classes.txt", "cyst\n");
    assert_eq!(place.import("yolo", &FormatOptions::default()).0.rows.kept, 2);
    place.write("train/labels/lost.txt", "0 0.5 0.5 0.5 0.5\n");
    place.assert_refused("yolo", &FormatOptions::default(), "lost.txt: is a label file without an image");
    let report = place.import_to("yolo", "left", &keep_going()).expect("imports");
    assert_eq!((report.rows.read, report.rows.kept, report.rows.faulty.total()), (3, 2, 1));
}

const VOC: &str = "<annotation><object><name>cell</name><bndbox><xmin>3</xmin><ymin>4</ymin><xmax>3</xmax><ymax>4</ymax>\
                   </bndbox></object></annotation>";

#[test]
fn images_and_listed_names_of_voc_without_an_annotation_are_counted() {
    let place = Place::new();
    for seed in 0..3 {
        place.picture(&format!("JPEGImages/cell {seed}.jpg"), seed);
    }
    place.write("Annotations/cell 0.xml", VOC);
    place.write("Annotations/cell 1.xml", VOC);
    place.write("ImageSets/Main/train.txt", "cell 0\n");
    place.write("ImageSets/Main/val.txt", "cell 1\ncell 2\n");
    place.write("ImageSets/Main/test.txt", "cell 9\n");
    let (report, dataset) = place.import("voc", &FormatOptions::default());
    assert_eq!((report.rows.read, report.rows.kept), (4, 2));
    assert_eq!([report.split.train, report.split.validation], [1, 1]);
    assert_eq!(counted(&report.rows.left_out, "an image without an annotation file"), 1);
    assert_eq!(counted(&report.rows.left_out, "a listed image without image file and annotation file"), 1);
    // Both corners are inside, so that equal corners are one pixel.
    assert_eq!(dataset.cases[0].regions[0].shape, Shape::Box { bounds: [2.0, 3.0, 3.0, 4.0] });
    fs::remove_file(place.source().join("JPEGImages/cell 1.jpg")).expect("there");
    place.assert_refused("voc", &FormatOptions::default(), "cell 1.xml:1: filename: ");
}

#[test]
fn image_files_that_no_coco_file_names_are_counted() {
    let place = Place::new();
    for (name, seed) in [("a", 1), ("b", 2), ("c", 3)] {
        place.picture(&format!("train/{name}.png"), seed);
    }
    let sheet = json!({"images": [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "b.png"}],
        "annotations": [{"image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5]},
                        {"image_id": 2, "category_id": 1, "bbox": [10.1, 1, 20.2, 5]}],
        "categories": [{"id": 1, "name": "mass"}]});
    place.write("train/_annotations.coco.json", sheet.to_string());
    let (report, dataset) = place.import("coco", &FormatOptions::default());
    assert_eq!((report.rows.read, report.rows.kept), (3, 2));
    assert_eq!(counted(&report.rows.left_out, "an image without an entry in an annotation file"), 1);
    // 10.1 + 20.2 is 30.299999999999997 as a sum of binary numbers.
    let ends: Vec<f64> = dataset.cases.iter().map(|case| case.regions[0].shape.bounds()[2]).collect();
    assert_eq!(ends, [6.0, 30.3]);
}

#[test]
fn one_label_map_without_an_image_hides_no_other_fault() {
    let place = Place::new();
    for (name, seed) in [("a", 1), ("b", 2)] {
        place.picture(&format!("images/{name}.png"), seed);
        GrayImage::from_pixel(80, 60, Luma([seed as u8])).save(place.source().join("m.png")).expect("writable");
        place.write(&format!("masks/{name}.png"), fs::read(place.source().join("m.png")).expect("there"));
    }
    let lonely = fs::read(place.source().join("masks/a.png")).expect("there");
    place.write("masks/lonely.png", &lonely);
    place.write("masks/twice.png", &lonely);
    place.write("masks/twice.tif", &lonely);
    place.write("classes.txt", "1 liver\n");
    let options = FormatOptions { classes: Some(place.source().join("classes.txt")), ..FormatOptions::default() };
    for expected in ["is a label map without an image", "holds the value 2", "twice.png and twice.tif are label maps"] {
        place.assert_refused("labelmap", &options, expected);
    }
    let options = FormatOptions { keep_going: true, ..options };
    let (report, _) = place.import("labelmap", &options);
    assert_eq!((report.rows.kept, counted(&report.rows.faulty, "without an image of the same name")), (1, 3));
}
