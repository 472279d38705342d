//! Imports that were interrupted go on where they were.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::super::entry::ImageRef;
use super::super::pictures::Pictures;
use super::super::pipeline::description;
use super::super::record;
use super::*;
use crate::output::Output;

/// Files of a folder and of the folders in it, with their bytes.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("there").flatten() {
        let name = entry.file_name().into_string().expect("UTF-8");
        if entry.path().is_dir() {
            found.extend(files(&entry.path()).into_iter().map(|(below, bytes)| (format!("{name}/{below}"), bytes)));
        } else {
            found.insert(name, fs::read(entry.path()).expect("there"));
        }
    }
    found
}

/// A table about three images, and its options.
fn table() -> (Place, FormatOptions) {
    let place = Place::new();
    for (name, seed) in [("x", 1), ("y", 2), ("z", 3)] {
        place.picture(&format!("{name}.png"), seed);
    }
    place.write("t.csv", "file,q,a\nx.png,What?,CT\ny.png,What?,MRI\nz.png,What?,PET\n");
    (place, short_table())
}

/// Writes some of the images into the folder `out`, as an import does that is killed then.
fn interrupt(place: &Place, options: &FormatOptions, out: &Path, names: &[&str]) {
    let import = description("table", &place.source(), options);
    let mut pictures = Pictures::new(Output::create(out).expect("writable"), &import).expect("new");
    for name in names {
        let at = record::Place { file: Arc::from(place.source().join("t.csv")), row: 2 };
        pictures
            .add(&at, &ImageRef::file("file", place.source(), *name), &options.pixels)
            .unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn an_interrupted_import_goes_on_and_ends_in_the_same_bytes() {
    let (place, options) = table();
    place.import_to("table", "whole", &options).expect("imports");
    let whole = files(&place.folder.path().join("whole"));
    let out = place.folder.path().join("out");
    interrupt(&place, &options, &out, &["x.png", "y.png"]);
    let journal = out.join("import.partial.jsonl");
    // The line that was being written.
    let torn = fs::read_to_string(&journal).expect("there") + "{\"digest\": \"ab";
    fs::write(&journal, torn).expect("writable");
    // The file that was being written, and one of the user.
    fs::write(out.join("images/z-12.png.tmp-4711"), "half").expect("writable");
    fs::write(out.join("images/notes.tmp-x"), "").expect("writable");
    // A file that is known is not written again: other bytes of the same length stay.
    let first = fs::read_dir(out.join("images")).expect("there").flatten().next().expect("an image").path();
    let right = fs::read(&first).expect("there");
    let other = vec![7; right.len()];
    fs::write(&first, &other).expect("writable");
    interrupt(&place, &options, &out, &["x.png", "y.png", "z.png"]);
    assert_eq!(fs::read(&first).expect("there"), other);
    fs::write(&first, &right).expect("writable");
    place.import("table", &options);
    fs::remove_file(out.join("images/notes.tmp-x")).expect("stays");
    assert!(files(&out) == whole, "{:?}", files(&out).keys());
}

#[test]
fn images_that_are_gone_are_written_again_and_those_of_a_changed_source_are_removed() {
    let (place, options) = table();
    let out = place.folder.path().join("out");
    interrupt(&place, &options, &out, &["x.png", "y.png"]);
    let mut images = fs::read_dir(out.join("images")).expect("there").flatten();
    fs::remove_file(images.next().expect("an image").path()).expect("removed");
    fs::remove_file(images.next().expect("an image").path()).expect("removed");
    place.picture("y.png", 9);
    place.import_to("table", "whole", &options).expect("imports");
    place.import("table", &options);
    assert!(files(&out) == files(&place.folder.path().join("whole")));
}

#[test]
fn another_import_does_not_go_on() {
    let (place, options) = table();
    let out = place.folder.path().join("refused");
    interrupt(&place, &options, &out, &["x.png"]);
    let other = FormatOptions { licence: Some("CC0".into()), ..options.clone() };
    place.assert_refused("table", &other, "holds an interrupted import of other data or options");
    assert!(out.join("import.partial.jsonl").is_file(), "nothing of the interrupted import is removed");
    place.write("t.csv", "file,q,a\nx.png,What?,\nmissing.png,What?,CT\n");
    place.assert_refused("table", &options, "missing.png");
    assert!(!out.exists(), "a refused import leaves nothing");
}
