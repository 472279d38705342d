//! Licence and version that a source states.

use serde_json::json;

use super::*;

/// Imports, and returns the licence and the version of each case, sorted.
fn recorded(place: &Place, name: &str, out: &str, licence: Option<&str>) -> Vec<(String, Option<String>)> {
    let options = FormatOptions { licence: licence.map(str::to_owned), ..FormatOptions::default() };
    place.import_to(name, out, &options).unwrap_or_else(|error| panic!("{error}"));
    let rules = CheckOptions { files: Files::Skip, ..CheckOptions::default() };
    let dataset = check_file(&place.folder.path().join(out), &rules).0.expect("reads");
    let mut all: Vec<_> = dataset.cases.into_iter().map(|case| (case.source.licence, case.source.revision)).collect();
    all.sort();
    all
}

#[test]
fn licence_and_version_of_roboflow_and_coco_are_kept_unless_the_user_names_a_licence() {
    let place = Place::new();
    place.write("data.yaml", "names: [cyst]\nroboflow:\n  license: CC BY 4.0\n  version: 4\n");
    place.picture("images/a.png", 1);
    place.write("labels/a.txt", "0 0.5 0.5 0.5 0.5\n");
    let text = str::to_owned;
    assert_eq!(recorded(&place, "yolo", "yolo", None), [(text("CC BY 4.0"), Some(text("4")))]);
    assert_eq!(recorded(&place, "yolo", "own", Some("CC0-1.0")), [(text("CC0-1.0"), Some(text("4")))]);

    let place = Place::new();
    let image = |id: u32, licence: u32| json!({"id": id, "file_name": format!("{id}.png"), "license": licence});
    let annotation = |id: u32| json!({"image_id": id, "category_id": 1, "bbox": [1, 1, 5, 5]});
    (1..4).for_each(|seed| place.picture(&format!("images/{seed}.png"), seed));
    let sheet = json!({"info": {"version": "1.0"}, "licenses": [{"id": 2, "name": "CC BY-SA 4.0", "url": "u"}, {"id": 5, "url": "u"}],
        "images": [image(1, 2), image(2, 5), image(3, 9)], "annotations": [annotation(1), annotation(2), annotation(3)],
        "categories": [{"id": 1, "name": "mass"}]});
    place.write("x.json", sheet.to_string());
    let version = Some(text("1.0"));
    let expected =
        [(text("CC BY-SA 4.0"), version.clone()), (text("not recorded"), version.clone()), (text("u"), version)];
    assert_eq!(recorded(&place, "coco", "coco", None), expected);
}
