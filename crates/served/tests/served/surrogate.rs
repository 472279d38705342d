//! Attacks for a model elsewhere, made on a surrogate: the server and the pack show images in the surrogate's size.

use std::fs;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::RgbImage;
use image::imageops::{FilterType, resize};
use serde_json::{Value, json};
use stepwise_benchmark::mock::LinearModel;
use stepwise_benchmark::model::{Model, ModelError, Objective, PixelGradient, PixelGrid, Query, QueryImage, Response};
use stepwise_benchmark::outcome::Outcome;
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::runner::{NO_GRADIENTS, NO_SURROGATE, Surrogate};
use stepwise_benchmark::score::Scoring;
use stepwise_benchmark::suite::Suite;
use stepwise_data::case::Case;
use stepwise_data::synth::{SynthOptions, case};
use stepwise_served::pack::{self, Pack, PackOptions, Replies, of_pack};
use stepwise_testing::attacks;
use stepwise_testing::benchmark::flat::LINEAR;

use crate::model::{SURROGATE, evaluated_with};
use crate::stub::said;

const SUITE: &str = concat!(
    r#"name = "attacked"
version = 1
seed = 1
scoring = "generate"
[[condition]]
id = "clean"
kind = "clean"
"#,
    attacks!(fgsm, transfer, random_sign)
);

const EPS: u8 = 4;
/// Conditions whose images are made on the surrogate.
const ATTACKED: [&str; 2] = ["transfer", "random_sign"];

/// Side of the drawn images, and of the images as the surrogate sees them.
const DRAWN: u32 = 64;
const SEEN: u32 = 32;

fn seen(picture: &RgbImage) -> RgbImage {
    resize(picture, SEEN, SEEN, FilterType::Triangle)
}

/// A model with gradients that resizes images.
struct Small(LinearModel);

impl Model for Small {
    fn reply(&mut self, _: &[Query]) -> Result<Vec<Response>, ModelError> {
        Err(ModelError::new("a surrogate answers no questions"))
    }

    fn pixels(&mut self, query: &Query) -> Result<Option<PixelGrid>, ModelError> {
        Ok(match query.images.first() {
            Some(QueryImage::Image(picture)) => Some(PixelGrid::of_image(&seen(picture))),
            _ => None,
        })
    }

    fn pixel_gradients(&mut self, attacked: &[(Query, Objective)]) -> Result<Vec<PixelGradient>, ModelError> {
        self.0.pixel_gradients(attacked)
    }
}

fn drawn() -> Vec<(Case, RgbImage)> {
    let options = SynthOptions { image_size: DRAWN, ..SynthOptions::default() };
    (0..2).map(|number| case(number, &options)).map(|drawn| (drawn.case, drawn.image)).collect()
}

/// Largest difference of a colour value between two images of one size.
fn apart(one: &RgbImage, other: &RgbImage) -> u8 {
    assert_eq!(one.dimensions(), other.dimensions());
    one.as_raw().iter().zip(other.as_raw()).map(|(one, other)| one.abs_diff(*other)).max().unwrap_or_default()
}

/// Asserts that a PNG shows one of the drawn images in the surrogate's size, changed by at most the size of the attack.
fn assert_attacked(png: &[u8]) {
    let found = image::load_from_memory(png).expect("a PNG").into_rgb8();
    let nearest = drawn().iter().map(|(_, clean)| apart(&found, &seen(clean))).min();
    assert!(nearest.is_some_and(|change| (1..=EPS).contains(&change)), "{nearest:?}");
}

#[test]
fn a_server_is_sent_the_images_that_were_attacked_on_the_surrogate() {
    let suite = Suite { scoring: Scoring::Generate, ..Suite::parse(SUITE, "attacked.toml".as_ref()).expect("valid") };
    let mut local = Small(LINEAR);
    let (run, stub) = evaluated_with(&suite, Some(&mut local), |_, _| said("no"));
    let of = |condition: &'static str| run.outcomes.iter().filter(move |outcome| outcome.condition == condition);
    for condition in ATTACKED {
        assert!(of(condition).count() > 5, "{condition}: {:?}", run.unanswerable);
        for outcome in of(condition) {
            let trace = outcome.attack.as_ref().expect("a trace");
            assert_eq!(trace.made_on.as_deref(), Some(SURROGATE), "{condition}");
            assert_eq!(trace.losses.is_empty(), condition == "random_sign");
        }
    }
    assert!(of("clean").all(|outcome| outcome.attack.is_none()));
    assert!(run.unanswerable[1].keys().eq([&NO_GRADIENTS]), "{:?}", run.unanswerable);
    let requests = stub.requests.lock().expect("alive").clone();
    let images = requests.iter().map(|body| {
        let url = body["messages"][0]["content"][0]["image_url"]["url"].as_str().expect("an image");
        STANDARD.decode(url.trim_start_matches("data:image/png;base64,")).expect("base64")
    });
    let is_drawn = |png: &Vec<u8>| image::load_from_memory(png).expect("a PNG").width() == DRAWN;
    let (clean, attacked): (Vec<_>, Vec<_>) = images.partition(is_drawn);
    let answered: usize = ATTACKED.into_iter().map(|condition| of(condition).count()).sum();
    assert_eq!((clean.len(), attacked.len()), (of("clean").count(), answered));
    attacked.iter().for_each(|png| assert_attacked(png));
}

#[test]
fn without_a_surrogate_noise_has_the_size_of_the_image_and_transfer_is_not_asked() {
    let suite = Suite { scoring: Scoring::Generate, ..Suite::parse(SUITE, "attacked.toml".as_ref()).expect("valid") };
    let (run, _) = evaluated_with(&suite, None, |_, _| said("no"));
    assert!(run.unanswerable[2].keys().eq([&NO_SURROGATE]), "{:?}", run.unanswerable);
    let noise: Vec<&Outcome> = run.outcomes.iter().filter(|outcome| outcome.condition == "random_sign").collect();
    assert!(!noise.is_empty());
    let made_on = |outcome: &&Outcome| outcome.attack.as_ref().is_some_and(|trace| trace.made_on.is_some());
    assert!(!noise.iter().any(made_on));
}

/// Writes a pack, and returns the ids of its requests and the conditions that are not asked.
fn written(out: &std::path::Path, surrogate: Option<Surrogate<'_>>) -> (Vec<Value>, Vec<String>) {
    let drawn = drawn();
    let with_digest = |(case, _): &(Case, RgbImage)| {
        let mut case = case.clone();
        case.images.iter_mut().for_each(|image| {
            image.sha256 = stepwise_served::picture::digest(case.case_id.as_bytes());
        });
        case
    };
    let cases: Vec<Case> = drawn.iter().map(with_digest).collect();
    let images = |case: &Case, _: usize| {
        let found = drawn.iter().find(|(drawn, _)| drawn.case_id == case.case_id).ok_or("no such case")?;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(Arc::new(found.1.clone()))
    };
    let suite = of_pack(Suite::parse(SUITE, "attacked.toml".as_ref()).expect("valid"), None);
    let options = PackOptions { out, suite: SUITE, model: "any", data_urls: false };
    let manifest = pack::write(&Plan::new(&suite, &cases), &images, options, surrogate).expect("written");
    (rows(out, pack::REQUESTS), manifest.not_asked.into_keys().collect())
}

fn rows(out: &std::path::Path, name: &str) -> Vec<Value> {
    let text = fs::read_to_string(out.join(name)).expect(name);
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn a_pack_holds_the_images_that_were_attacked_on_the_surrogate() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("pack");
    let mut local = Small(LINEAR);
    let (requests, not_asked) = written(&out, Some(Surrogate { key: SURROGATE, model: &mut local }));
    assert_eq!(not_asked, ["fgsm"]);
    let answers = rows(&out.join(pack::GOLD), pack::ANSWERS);
    assert_eq!(requests.len(), answers.len());
    let is_attacked = |answer: &Value| ATTACKED.iter().any(|condition| answer["condition"] == **condition);
    assert!(answers.iter().filter(|answer| answer["condition"] == "transfer").count() > 5);
    for (request, _) in requests.iter().zip(&answers).filter(|(_, answer)| is_attacked(answer)) {
        let path = request["body"]["messages"][0]["content"][0]["image_url"]["url"].as_str().expect("an image");
        assert_attacked(&fs::read(out.join(path)).expect("an image"));
    }
    let lines = requests.iter().map(|row| json!({"custom_id": row["custom_id"], "reply": "no"}).to_string());
    let replies = folder.path().join("replies.jsonl");
    fs::write(&replies, lines.collect::<Vec<_>>().join("\n")).expect("written");
    let opened = Pack::open(&out).expect("a pack");
    assert_eq!(opened.manifest.surrogate.as_deref(), Some(SURROGATE));
    let plan = Plan::new(&opened.suite, &opened.cases);
    let scored = opened.score(&plan, &Replies::read(&[replies]).expect("read")).expect("scored");
    assert_eq!((scored.answered, scored.missing), (requests.len(), 0));
    for outcome in &scored.run.outcomes {
        let made_on = outcome.attack.as_ref().and_then(|trace| trace.made_on.as_deref());
        let expected = ATTACKED.contains(&outcome.condition.as_str()).then_some(SURROGATE);
        assert_eq!(made_on, expected, "{}", outcome.condition);
    }
}

#[test]
fn packs_with_and_without_a_surrogate_share_no_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut local = Small(LINEAR);
    let (with, _) = written(&folder.path().join("with"), Some(Surrogate { key: SURROGATE, model: &mut local }));
    let (without, not_asked) = written(&folder.path().join("without"), None);
    assert_eq!(not_asked, ["fgsm", "transfer"]);
    let keys: Vec<&Value> = with.iter().map(|row| &row["custom_id"]).collect();
    assert!(without.iter().all(|row| !keys.contains(&&row["custom_id"])));
}
