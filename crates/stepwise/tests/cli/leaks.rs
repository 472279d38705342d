//! Patients and images on both sides of the split: every command that uses cases refuses them, in one folder and across
//! folders, unless `--allow-leaks` is given, and reports then say so.

mod base;

use std::fs;
use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::imageops::{FilterType, resize};
use image::{ImageFormat, RgbImage};
use serde_json::{Value, json};
use stepwise_data::dhash::{phash, phash_hex};
use stepwise_data::image::{load_image, sha256_hex};

use crate::common::Workplace;

/// A recipe on the folders `a` and `b`, in which no image is on two sides.
fn furnished() -> Workplace {
    let place = Workplace::new();
    for (folder, seed) in [("a", 2), ("b", 3)] {
        place.done(&format!("data synth {folder} --cases 24 --seed {seed} --image-size 64"));
    }
    place.edit(
        "recipe.toml",
        "both.toml",
        "synth = { cases = 24, seed = 2, image_size = 64 }",
        "dataset = [\"a\", \"b\"]",
    );
    place.write(
        "study.toml",
        "base = \"both.toml\"\noutput_dir = \"study\"\nseeds = [1]\nreference = \"joint\"\nprimary = [\"chain_accuracy\"]\n\
         unequal_budget = { steps = \"a test\" }\n\
         [axes.order]\njoint = { curriculum.order = \"shuffled\" }\nstepwise = { curriculum.order = \"stepwise\" }\n",
    );
    place
}

fn cases(place: &Workplace, folder: &str) -> Vec<Value> {
    let text = place.read(&format!("{folder}/cases.jsonl"));
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Index of the first case of a side.
fn of(cases: &[Value], split: &str) -> usize {
    cases.iter().position(|case| case["split"] == split).expect("a case")
}

/// Changes the first validation case of `folder`.
fn change(place: &Workplace, folder: &str, change: impl Fn(&mut Value)) {
    change_of(place, folder, "validation", change);
}

/// Changes the first case of the side `split` of `folder`.
fn change_of(place: &Workplace, folder: &str, split: &str, change: impl Fn(&mut Value)) {
    let mut cases = cases(place, folder);
    let index = of(&cases, split);
    change(&mut cases[index]);
    place.write(&format!("{folder}/cases.jsonl"), cases.iter().map(|case| format!("{case}\n")).collect::<String>());
}

/// Puts an image into the first validation case of `folder`. `hashed`: with its difference hash.
fn put(place: &Workplace, folder: &str, name: &str, bytes: &[u8], hashed: bool) {
    put_of(place, (folder, "validation"), name, bytes, hashed);
}

/// Puts an image into the first case of a side of a folder, as [`put`] does.
fn put_of(place: &Workplace, (folder, split): (&str, &str), name: &str, bytes: &[u8], hashed: bool) {
    place.write(&format!("{folder}/images/{name}"), bytes);
    let picture = load_image(&place.path(folder).join("images").join(name)).expect("decodes");
    change_of(place, folder, split, |case| {
        let image = case["images"][0].as_object_mut().expect("an image");
        image.insert("path".into(), format!("images/{name}").into());
        image.insert("sha256".into(), sha256_hex(bytes).into());
        image.insert("width".into(), picture.width().into());
        image.insert("height".into(), picture.height().into());
        image.remove("phash");
        if hashed {
            image.insert("phash".into(), phash_hex(phash(&picture)).into());
        }
        // Regions of the old image do not matter here.
        case["regions"] = json!([]);
        let items = case["chain"].as_array_mut().expect("items");
        items.retain(|item| item["evidence"].as_array().is_none_or(Vec::is_empty) && item["answer"]["type"] != "box");
        let ids: Vec<Value> = items.iter().map(|item| item["id"].clone()).collect();
        for item in items {
            item["parents"].as_array_mut().expect("parents").retain(|parent| ids.contains(parent));
        }
    });
}

/// File of the first training case of `a`, and its pixels.
fn trained(place: &Workplace) -> (Vec<u8>, RgbImage) {
    trained_of(place, "a")
}

/// File of the first training case of `folder`, and its pixels.
fn trained_of(place: &Workplace, folder: &str) -> (Vec<u8>, RgbImage) {
    let cases = cases(place, folder);
    let path = cases[of(&cases, "train")]["images"][0]["path"].as_str().expect("a path").to_owned();
    let path = place.path(folder).join(path);
    (fs::read(&path).expect("there"), load_image(&path).expect("decodes"))
}

fn jpeg(picture: &RgbImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    picture.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, 85)).expect("encodes");
    bytes
}

fn png(picture: &RgbImage) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).expect("encodes");
    bytes.into_inner()
}

/// Every command that uses the cases of a recipe refuses them with `problem`, and trains nothing.
fn is_refused(place: &Workplace, problem: &str) {
    for line in ["check both.toml", "train both.toml", "train both.toml --plan", "study run study.toml"] {
        let said = place.refused(line);
        assert!(said.contains(problem), "{line}: {said}\nexpected: {problem}");
    }
    assert!(!place.path("run").exists() && !place.path("study/joint").exists());
}

#[test]
fn clean_folders_are_accepted() {
    let place = furnished();
    for line in ["check both.toml", "train both.toml --plan", "study run study.toml --dry-run"] {
        place.done(line);
    }
}

#[test]
fn a_file_or_a_patient_in_two_folders_is_refused() {
    let place = furnished();
    let row = |split| of(&cases(&place, "a"), split) + 1;
    let group = cases(&place, "a")[of(&cases(&place, "a"), "train")]["group_id"].clone();
    let (bytes, _) = trained(&place);
    let validation = of(&cases(&place, "b"), "validation") + 1;
    put(&place, "b", "copy.png", &bytes, true);
    is_refused(
        &place,
        &format!(
            "b/cases.jsonl:{validation}: images[0].sha256: the same image is in train (a/cases.jsonl:{}) and validation \
             (row {validation}) -> keep an image on one side of the split",
            row("train")
        ),
    );
    let place = furnished();
    change(&place, "b", |case| case["group_id"] = group.clone());
    let name = group.as_str().expect("text");
    is_refused(&place, &format!("group \"{name}\" is in train (a/cases.jsonl:"));
}

#[test]
fn a_training_image_that_was_saved_again_is_refused_in_every_folder() {
    for folder in ["a", "b"] {
        let place = furnished();
        let (_, picture) = trained(&place);
        let smaller = resize(&picture, 56, 56, FilterType::Triangle);
        let mut brighter = picture.clone();
        brighter.pixels_mut().for_each(|pixel| pixel.0 = pixel.0.map(|value| value.saturating_add(2)));
        let validation = of(&cases(&place, folder), "validation") + 1;
        let copies = [jpeg(&picture), png(&smaller), png(&brighter)];
        for (number, (bytes, hashed)) in copies.iter().zip([true, false, true]).enumerate() {
            put(&place, folder, &format!("copy-{number}"), bytes, hashed);
            let field =
                format!("{folder}/cases.jsonl:{validation}: images[0].phash: a near-duplicate image is in train (");
            is_refused(&place, &field);
        }
    }
}

#[test]
fn a_mirrored_rotated_or_inverted_training_image_is_refused() {
    use image::imageops::{flip_horizontal, flip_vertical, invert, rotate90};
    let place = furnished();
    let (_, picture) = trained(&place);
    let mut inverted = picture.clone();
    invert(&mut inverted);
    let copies = [
        (flip_horizontal(&picture), "mirrored left to right"),
        (flip_vertical(&picture), "mirrored top to bottom"),
        (rotate90(&picture), "rotated by 90 degrees clockwise"),
        (inverted, "inverted"),
    ];
    for (number, (copy, words)) in copies.into_iter().enumerate() {
        let validation = of(&cases(&place, "b"), "validation") + 1;
        put(&place, "b", &format!("copy-{number}"), &jpeg(&copy), number % 2 == 0);
        let problem = format!(
            "b/cases.jsonl:{validation}: images[0].phash: a near-duplicate image, {words}, is in train (a/cases.jsonl:"
        );
        if number == 0 {
            is_refused(&place, &problem);
        }
        let said = place.refused("check both.toml");
        assert!(said.contains(&problem), "{said}");
    }
}

#[test]
fn a_copy_on_the_test_side_is_refused_although_validation_is_evaluated() {
    use image::imageops::flip_horizontal;
    let place = furnished();
    let (_, picture) = trained(&place);
    put_of(&place, ("b", "test"), "copy.jpg", &jpeg(&flip_horizontal(&picture)), false);
    let test = of(&cases(&place, "b"), "test") + 1;
    let problem = format!(
        "b/cases.jsonl:{test}: images[0].phash: a near-duplicate image, mirrored left to right, is in train (a/cases.jsonl:"
    );
    is_refused(&place, &problem);
    // The runs are evaluated on other cases, so their reports have nothing to say.
    let said = place.done("train both.toml --allow-leaks").stderr;
    assert!(said.contains(&problem) && !said.contains("evaluated cases share"), "{said}");
    assert!(!place.read("run/report.html").contains("evaluated cases share a patient or an image"));
    let said = place.refused("eval run --split test --no-cache --max-cases 1");
    assert!(said.contains("with the training data, such as b/cases.jsonl:"), "{said}");
}

#[test]
fn all_leaks_are_named_at_once() {
    use image::imageops::flip_vertical;
    let place = furnished();
    let (bytes, picture) = trained(&place);
    put(&place, "b", "copy.png", &bytes, true);
    // The copy has a question of the original, so that no answers contradict each other.
    let own = cases(&place, "a");
    let mut question = own[of(&own, "train")]["chain"][0].clone();
    question["evidence"] = json!([]);
    change(&place, "b", |case| case["chain"] = json!([question]));
    put_of(&place, ("b", "test"), "mirrored.jpg", &jpeg(&flip_vertical(&picture)), false);
    is_refused(&place, "a near-duplicate image, mirrored top to bottom, is in train (a/cases.jsonl:");
    let said = place.refused("check both.toml");
    assert!(said.contains("the same image is in train (a/cases.jsonl:"), "{said}");
}

#[test]
fn a_held_out_image_that_is_gone_does_not_stop_a_training() {
    let place = furnished();
    let all = cases(&place, "b");
    let test = of(&all, "test");
    fs::remove_file(place.path("b").join(all[test]["images"][0]["path"].as_str().expect("a path"))).expect("removed");
    let said = place.done("check both.toml").stderr;
    let expected = format!(
        "images of the test side that cannot be read and are not compared with the training images: 1, the first one of \
         b/cases.jsonl:{}",
        test + 1
    );
    assert!(said.contains(&expected), "{said}");
}

#[test]
fn evaluation_of_training_images_needs_a_flag() {
    let place = Workplace::with_run();
    let line = "eval run --data a --no-cache --max-cases 1";
    for (folder, seed) in [("a", 2), ("b", 3)] {
        place.done(&format!("data synth {folder} --cases 24 --seed {seed} --image-size 64"));
    }
    // The run was trained on cases of its generator, which have no files.
    assert!(!place.done(line).stderr.contains("training data"));
    place.edit(
        "run/recipe.resolved.toml",
        "run/recipe.resolved.toml",
        "eval_split = \"validation\"\n\n[data.synth]\ncases = 24\nseed = 2\nimage_size = 64\n",
        "eval_split = \"validation\"\ndataset = \"b\"\n",
    );
    // An earlier version recorded nothing in the folder of the run, so the training data are read.
    fs::remove_file(place.path("run/trained.jsonl")).expect("removed");
    assert!(!place.done(line).stderr.contains("training data"));
    let text = place.read("b/cases.jsonl");
    let cases: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let path = cases[of(&cases, "train")]["images"][0]["path"].as_str().expect("a path");
    let picture = load_image(&place.path("b").join(path)).expect("decodes");
    put(&place, "a", "copy.jpg", &jpeg(&picture), true);
    let said = place.refused(line);
    assert!(
        said.contains("1 of ") && said.contains("such as a/cases.jsonl:") && said.contains("--allow-leaks"),
        "{said}"
    );
    let said = place.done(&format!("{line} --allow-leaks --out out")).stderr;
    assert!(said.contains("warning: 1 of ") && said.contains("such as a/cases.jsonl:"), "{said}");
    assert!(place.read("out/report.html").contains("evaluated cases share a patient or an image"));
    fs::remove_dir_all(place.path("b")).expect("removed");
    let said = place.done(line).stderr;
    assert!(said.contains("warning: evaluated images are not compared with those of the training: "), "{said}");
}

#[test]
fn a_run_with_leaks_says_so_and_records_what_it_was_trained_on() {
    let place = furnished();
    let (_, picture) = trained(&place);
    put(&place, "b", "copy.jpg", &jpeg(&picture), false);
    place.refused("train both.toml");
    place.done("check both.toml --allow-leaks");
    place.done("train both.toml --plan --allow-leaks");
    let said = place.done("train both.toml --allow-leaks").stderr;
    assert!(said.contains(" evaluated cases share a patient or an image"), "{said}");
    assert!(place.read("run/report.html").contains("evaluated cases share a patient or an image"));
    // The record suffices: the training data are gone.
    place.done("data synth c --cases 24 --seed 5 --image-size 64");
    fs::rename(place.path("a"), place.path("a-moved")).expect("moved");
    let line = "eval run --data c --no-cache --max-cases 1";
    assert!(!place.done(line).stderr.contains("training data"));
    put(&place, "c", "copy.jpg", &jpeg(&picture), false);
    let said = place.refused(line);
    assert!(said.contains("such as c/cases.jsonl:") && said.contains("with a/cases.jsonl:"), "{said}");
}

#[test]
fn a_copy_that_was_rotated_cropped_padded_or_written_on_is_refused() {
    use image::imageops::{FilterType, crop_imm, overlay, resize, rotate90};
    let place = furnished();
    let (_, picture) = trained(&place);
    let side = picture.width();
    let cropped = crop_imm(&picture, side / 16, side / 16, side - side / 8, side - side / 8).to_image();
    let mut written = rotate90(&picture);
    (0..12)
        .for_each(|x| (0..5).for_each(|y| written.put_pixel(2 + x, 2 + y, image::Rgb([255 * ((x + y) % 2) as u8; 3]))));
    // Beside a border one line is taken off, which is too much of the small image itself.
    let large = 4 * side;
    let mut padded = RgbImage::from_pixel(large + large / 5, large + large / 5, image::Rgb([255; 3]));
    overlay(
        &mut padded,
        &resize(&picture, large, large, FilterType::Triangle),
        i64::from(large / 10),
        i64::from(large / 10),
    );
    for (number, copy) in [cropped, written, padded].into_iter().enumerate() {
        put(&place, "b", &format!("copy-{number}"), &jpeg(&copy), false);
        let said = place.refused("check both.toml");
        assert!(said.contains("a near-duplicate image") && said.contains("is in train (a/cases.jsonl:"), "{said}");
    }
}

#[test]
fn a_group_on_two_sides_is_one_line_with_its_counts() {
    let place = furnished();
    let mut all = cases(&place, "b");
    for case in &mut all {
        case["group_id"] = json!("patient 1");
    }
    place.write("b/cases.jsonl", all.iter().map(|case| format!("{case}\n")).collect::<String>());
    let ran = place.run("check b");
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    let said = ran.stdout;
    assert_eq!(said.matches("patient 1").count(), 1, "{said}");
    assert!(said.contains("group \"patient 1\" is in train (row ") && said.contains(" more)"), "{said}");
}
