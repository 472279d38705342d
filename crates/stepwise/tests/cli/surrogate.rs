//! `--surrogate` of `stepwise eval --endpoint` and of `stepwise questions`.

use std::collections::BTreeSet;
use std::path::Path;

use image::RgbImage;
use serde_json::Value;
use stepwise_served::picture::data_url;
use stepwise_testing::attacks;

use crate::common::{Workplace, copy};
use crate::stub::{Stub, said};

/// Suite with all kinds of attacks.
const SUITE: &str = concat!(
    r#"name = "attacked"
version = 1
seed = 1
scoring = "generate"
max_new_tokens = 4

[[condition]]
id = "clean"
kind = "clean"
"#,
    attacks!(fgsm, transfer, random_sign)
);

const ASKED: &str = "--suite attacked.toml --split train --max-cases 1";

/// Workplace with a model and cases whose images have the size in which the model sees them.
fn place() -> Workplace {
    let place = Workplace::new();
    place.write("attacked.toml", SUITE);
    place.done("data synth cases --cases 24 --seed 4 --image-size 64");
    place
}

fn rows(place: &Workplace, name: &str) -> Vec<Value> {
    place.read(name).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn json(place: &Workplace, name: &str) -> Value {
    serde_json::from_str(&place.read(name)).expect("JSON")
}

fn files(folder: &Path) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.map(|path| std::fs::read(path).expect("a file")).collect()
}

fn decoded(png: &[u8]) -> RgbImage {
    image::load_from_memory(png).expect("a PNG").into_rgb8()
}

/// Smallest of the largest differences of a colour value from the images of the data set.
fn change(place: &Workplace, found: &RgbImage) -> u8 {
    let apart = |clean: &RgbImage| {
        assert_eq!(clean.dimensions(), found.dimensions());
        clean.as_raw().iter().zip(found.as_raw()).map(|(one, other)| one.abs_diff(*other)).max()
    };
    let clean = files(&place.path("cases/images"));
    clean.iter().filter_map(|png| apart(&decoded(png))).min().expect("images")
}

#[test]
fn attacks_on_a_local_model_are_sent_and_written_as_images() {
    let place = place();
    let stub = Stub::start(|_, _| said("yes"));
    let surrogate = "--surrogate model --device cpu";
    let served = format!("eval --endpoint {} --model stub --data cases {ASKED} {surrogate} --out served", stub.url);
    let ran = place.done(&served);
    assert!(ran.stderr.contains("not asked: fgsm: "), "{}", ran.stderr);
    assert!(!ran.stderr.contains("not asked: transfer"), "{}", ran.stderr);
    let key = json(&place, "served/answered.json")["surrogate"].clone();
    assert_eq!(key.as_str().map(str::len), Some(64), "{key}");
    let outcomes = rows(&place, "served/outcomes.jsonl");
    for condition in ["transfer", "random_sign"] {
        let of: Vec<&Value> = outcomes.iter().filter(|outcome| outcome["condition"] == condition).collect();
        assert!(!of.is_empty() && of.iter().all(|outcome| outcome["attack"]["made_on"] == key), "{condition}: {of:?}");
    }

    let ran = place.done(&format!("questions cases pack {ASKED} {surrogate}"));
    assert!(ran.stdout.contains("not asked: fgsm: ") && !ran.stdout.contains("not asked: transfer"), "{}", ran.stdout);
    assert_eq!(json(&place, "pack/pack.json")["surrogate"], key);
    let images = files(&place.path("pack/images"));
    let changes: Vec<u8> = images.iter().map(|png| change(&place, &decoded(png))).collect();
    assert!(changes.iter().all(|change| *change <= 4), "{changes:?}");
    assert_eq!(changes.iter().filter(|change| **change == 0).count(), 1, "one image is clean: {changes:?}");
    assert!(images.len() > 3, "{}", images.len());

    // The server is sent what the pack holds.
    let sent: BTreeSet<String> = stub
        .requests
        .lock()
        .expect("alive")
        .iter()
        .filter_map(|body| body["messages"][0]["content"][0]["image_url"]["url"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(sent, images.iter().map(|png| data_url(png)).collect());
}

#[test]
fn without_a_local_model_the_attack_is_named_with_its_reason() {
    let place = place();
    let stub = Stub::start(|_, _| said("yes"));
    let endpoint = format!("eval --endpoint {} --model stub --data cases {ASKED}", stub.url);
    let advice =
        " questions: there is no other model to make the attack on -> name a local model with `--surrogate DIR`";
    let said_of =
        |text: &str| text.lines().any(|line| line.contains("not asked: transfer: ") && line.ends_with(advice));
    let ran = place.done(&format!("{endpoint} --out served"));
    assert!(said_of(&ran.stderr), "{}", ran.stderr);
    let ran = place.done(&format!("questions cases pack {ASKED}"));
    assert!(said_of(&ran.stdout), "{}", ran.stdout);

    let questions = |more: &str| {
        let table = place.done(&format!("{endpoint} --dry-run {more}")).stdout;
        let number = |line: &str| line.strip_prefix("questions ")?.trim().parse::<usize>().ok();
        table.lines().find_map(number).expect("the number of questions")
    };
    assert!(questions("--surrogate model") > questions(""));
}

#[test]
fn a_local_model_that_cannot_make_attacks_is_refused() {
    let place = place();
    let stub = Stub::start(|_, _| said("yes"));
    let endpoint = format!("eval --endpoint {} --model stub --data cases {ASKED} --out served", stub.url);
    assert!(place.refused(&format!("{endpoint} --device cpu")).contains("--surrogate DIR"));
    place.refused(&format!("questions cases pack {ASKED} --device cpu"));
    place.refused("eval model --surrogate model");
    assert!(place.refused(&format!("{endpoint} --surrogate nowhere")).contains("nowhere"));
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/parity/families/fixtures");
    copy(&fixtures.join("llava_next/model"), &place.path("tiled"));
    for line in [format!("{endpoint} --surrogate tiled"), format!("questions cases pack {ASKED} --surrogate tiled")] {
        let refused = place.refused(&line);
        assert!(refused.contains("--surrogate tiled: LLaVA-NeXT divides images into tiles"), "{refused}");
    }
    assert_eq!(stub.count(), 0, "nothing is sent");
}
