//! `stepwise preview`.

use crate::common::Workplace;

#[test]
fn every_question_of_a_case_is_shown_as_tokens_with_its_answer_marked() {
    let place = Workplace::new();
    let ran = place.done("preview recipe.toml");
    insta::assert_snapshot!(ran.shown());
    let other = place.done("preview recipe.toml --case 1 --set train.answer_form=letter");
    assert_ne!(other.stdout.lines().next(), ran.stdout.lines().next());
}

#[test]
fn token_ids_and_labels_are_those_of_the_marked_text_and_need_no_weights() {
    let place = Workplace::new();
    std::fs::remove_file(place.path("model/model.safetensors")).expect("there");
    let shown = place.done("preview recipe.toml").stdout;
    let found = place.done("preview recipe.toml --json").json();
    let examples = found["examples"].as_array().expect("a list");
    let counts: Vec<String> = examples
        .iter()
        .map(|example| {
            let list = |key: &str| example[key].as_array().expect("a list").clone();
            let (ids, labels) = (list("token_ids"), list("labels"));
            let taught: Vec<_> = ids.iter().zip(&labels).filter(|(_, label)| **label != -100).collect();
            assert!(ids.len() == labels.len() && taught.iter().all(|(id, label)| id == label), "{example}");
            format!("{} tokens, 4 of them image, {} supervised", ids.len(), taught.len())
        })
        .collect();
    let headings: Vec<&str> = shown.lines().filter(|line| line.ends_with(" supervised")).collect();
    assert_eq!(headings.len(), counts.len());
    for ((heading, count), example) in headings.iter().zip(&counts).zip(examples) {
        assert!(heading.ends_with(count) && heading.starts_with(example["name"].as_str().expect("text")), "{heading}");
    }
    assert!(place.refused("preview recipe.toml --json --suite fast").contains("cannot be used with"));
}

#[test]
fn a_pair_is_shown_with_both_images_and_its_partner_is_named() {
    let place = Workplace::new();
    let line = "preview recipe.toml --set curriculum.pairs={share=1,partner=\"nearest_thumbnail\"}";
    let shown = place.done(line).stdout;
    assert_eq!(place.done(line).stdout, shown);
    let found = place.done(&format!("{line} --json")).json();
    let own = found["case_id"].as_str().expect("text");
    let pairs: Vec<_> = found["examples"].as_array().expect("a list").chunk_by(|a, b| a["name"] == b["name"]).collect();
    let mut partners = 0;
    for examples in pairs.iter().filter(|examples| examples.len() == 2) {
        let images = [0, 1].map(|index| examples[index]["images_of"].as_str().expect("text"));
        assert!(images[0] == own && images[1] != own && examples[1]["condition"] == "pair", "{images:?}");
        assert!(shown.contains(&format!(", under pair, images of {}): ", images[1])), "{shown}");
        partners += 1;
    }
    assert!(partners > 0, "{shown}");
}

#[test]
fn what_cannot_be_shown_is_refused() {
    let place = Workplace::new();
    let mut said = String::new();
    for line in [
        "absent.toml",
        "recipe.toml --case 99",
        "recipe.toml --set model_name_or_path=nowhere",
        "recipe.toml --set lora.rr=2",
    ] {
        said.push_str(&format!("$ stepwise preview {line}\n{}\n", place.refused(&format!("preview {line}"))));
    }
    insta::assert_snapshot!(said);
}

#[test]
fn questions_of_a_suite_are_shown_as_the_model_is_asked_them() {
    let place = Workplace::new();
    let ran = place.done("preview recipe.toml --suite suite.toml --condition hint_minus --condition blank --n 2");
    insta::assert_snapshot!(ran.shown());
    let alone = place.done("preview recipe.toml --condition blank --case 1 --n 99").stdout;
    let headings: Vec<&str> = alone.lines().filter(|line| line.starts_with("--- ")).collect();
    assert!(!headings.is_empty() && headings.iter().all(|line| line.contains(&headings[0][..12])), "{alone}");
}

#[test]
fn every_condition_of_a_suite_can_be_shown_with_its_images() {
    let place = Workplace::new();
    let ran = place.done("preview recipe.toml --suite fast --images shown");
    let shown = ran.stdout.lines().filter(|line| line.starts_with("--- ")).count();
    let written: Vec<String> = std::fs::read_dir(place.path("shown"))
        .expect("made")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    // Every synthetic case has one image.
    assert_eq!(written.len(), shown, "{}", ran.stdout);
    let grey = written.iter().find(|name| name.contains("-blank-")).expect("a grey image");
    let grey = image::open(place.path(&format!("shown/{grey}"))).expect("a PNG").to_rgb8();
    assert!(grey.pixels().all(|pixel| pixel == grey.get_pixel(0, 0)));
}

#[test]
fn questions_that_cannot_be_shown_are_refused() {
    let place = Workplace::new();
    place.write("file", "in the way");
    let mut said = String::new();
    for line in [
        "recipe.toml --suite fats",
        "recipe.toml --suite suite.toml --condition hint_minsu",
        "recipe.toml --suite fast --case 99",
        "recipe.toml --condition blank --set benchmark.suite=none",
        "recipe.toml --suite suite.toml --images file",
        "recipe.toml --suite suite.toml --n 0",
        "recipe.toml --suite fast --set model_name_or_path=nowhere",
    ] {
        said.push_str(&format!("$ stepwise preview {line}\n{}\n", place.refused(&format!("preview {line}"))));
    }
    insta::assert_snapshot!(said);
}
