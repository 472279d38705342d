//! Arithmetic of attacks compared with another implementation (tests/parity/yardstick.py). With recorded gradients of a
//! published classifier, the same steps give the same pixels, equal to the last bit.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use stepwise_benchmark::model::{
    Model, ModelError, Objective, PixelGradient, PixelGrid, Query, QueryImage, Request, Response,
};
use stepwise_benchmark::perturb::adversarial::fgsm::Fgsm;
use stepwise_benchmark::perturb::adversarial::linf;
use stepwise_benchmark::perturb::adversarial::random_sign::RandomSign;
use stepwise_benchmark::perturb::{AdversarialImage, Attack, AttackTarget};
use stepwise_benchmark::rng::SuiteRng;
use stepwise_data::conversation::Conversation;
use stepwise_testing::benchmark::suite::CORRUPTIONS;

#[derive(Deserialize)]
struct Stored {
    shape: Vec<usize>,
    f32: String,
}

/// Tensors of the fixture by name.
struct Fixture(BTreeMap<String, Stored>);

impl Fixture {
    fn open() -> Self {
        Self(serde_json::from_str(include_str!("../../../../tests/parity/yardstick_pixels.json")).expect("the fixture"))
    }

    fn get(&self, name: &str) -> PixelGrid {
        let Stored { shape, f32 } = self.0.get(name).unwrap_or_else(|| panic!("{name} is missing"));
        let bytes = STANDARD.decode(f32).expect("base64");
        let values: Vec<f32> =
            bytes.chunks_exact(4).map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]])).collect();
        assert_eq!(values.len(), shape.iter().product::<usize>());
        PixelGrid { shape: [&[1], shape.as_slice()].concat(), cut: [0, 0], margins: [0, 0], values }
    }
}

/// Mock model that returns a recorded gradient.
struct Recorded(PixelGrid);

impl Model for Recorded {
    fn reply(&mut self, _: &[Query]) -> Result<Vec<Response>, ModelError> {
        Err(ModelError::new("it answers nothing"))
    }

    fn pixels(&mut self, _: &Query) -> Result<Option<PixelGrid>, ModelError> {
        Ok(None)
    }

    fn pixel_gradients(&mut self, attacked: &[(Query, Objective)]) -> Result<Vec<PixelGradient>, ModelError> {
        Ok(attacked.iter().map(|_| PixelGradient { loss: 0.0, gradient: self.0.clone() }).collect())
    }
}

fn equal(what: &str, found: &[f32], expected: &PixelGrid) {
    let wrong = found.iter().zip(&expected.values).filter(|(found, expected)| found.to_bits() != expected.to_bits());
    assert_eq!((found.len(), wrong.count()), (expected.values.len(), 0), "{what}: values, and how many differ");
}

const PICTURES: [&str; 2] = ["drawn_1", "drawn_2"];

/// Returns the pixels after an attack on an image of the fixture.
fn attacked(fixture: &Fixture, picture: &str, attack: &dyn Attack) -> Vec<f32> {
    let pixels = Arc::new(fixture.get(&format!("{picture}.pixels")));
    let query = Query {
        case_id: picture.to_owned(),
        item_id: "q".to_owned(),
        condition: "attack".to_owned(),
        conversation: Conversation::default(),
        images: vec![QueryImage::Pixels(Arc::clone(&pixels))],
        ask: Request::Options(Vec::new()),
    };
    let target = AttackTarget { query, objective: Objective::Nll { target: String::new() }, pixels };
    // Seed and version of the fixture's draws.
    let rng = SuiteRng { seed: 24601, version: 1 };
    let mut gradient_source = Recorded(fixture.get(&format!("{picture}.gradient")));
    let mut all = attack.attack(&[target], rng, &mut gradient_source).expect("an attack");
    let AdversarialImage { pixels, .. } = all.remove(0);
    pixels.values
}

#[test]
fn fgsm_gives_the_same_pixels() {
    let fixture = Fixture::open();
    for picture in PICTURES {
        for eps in [1, 2, 4] {
            let attack = Fgsm { eps: f64::from(eps), targeted: false, random_start: false };
            let name = format!("{picture}.fgsm.{eps}");
            let found = attacked(&fixture, picture, &attack);
            equal(&name, &found, &fixture.get(&name));
            let start = fixture.get(&format!("{picture}.pixels"));
            let moved = found.iter().zip(&start.values).filter(|(found, start)| found != start).count();
            assert!(moved > found.len() / 4, "{name}: only {moved} pixels moved");
        }
    }
}

#[test]
fn random_signs_give_the_same_pixels() {
    let fixture = Fixture::open();
    for picture in PICTURES {
        for eps in [1, 2, 4] {
            let name = format!("{picture}.random_sign.{eps}");
            equal(&name, &attacked(&fixture, picture, &RandomSign { eps: f64::from(eps) }), &fixture.get(&name));
        }
    }
}

#[test]
fn every_pgd_step_gives_the_same_pixels() {
    let fixture = Fixture::open();
    for picture in PICTURES {
        let get = |name: String| fixture.get(&format!("{picture}.{name}"));
        let origin = get("pixels".to_owned()).values;
        let mut pixels = get("pgd.start".to_owned()).values;
        for number in 0..5 {
            let signs = get(format!("pgd.gradient.{number}")).values.into_iter().map(linf::sign);
            linf::projected_step(&mut pixels, &origin, linf::radius(2.5 * 2.0 / 5.0), linf::radius(2.0), signs);
            equal(&format!("{picture}, step {number}"), &pixels, &get(format!("pgd.pixels.{number}")));
        }
        let edge = pixels.iter().zip(&origin).filter(|(new, old)| (*new - *old).abs() > linf::radius(1.99)).count();
        assert!(edge > pixels.len() / 10, "{picture}: the ball's edge was reached by {edge} pixels only");
    }
}

/// Committed answers of the published reference classifier, and the recorded number of right answers.
#[derive(Deserialize)]
struct Yardstick {
    gold: String,
    right: BTreeMap<String, String>,
    answers: BTreeMap<String, String>,
}

#[test]
fn the_reference_classifiers_counts_follow_from_its_answers() {
    let yardstick: Yardstick =
        serde_json::from_str(include_str!("../../../../tests/parity/yardstick.json")).expect("the yardstick");
    let slices = yardstick.gold.len();
    for (condition, answers) in &yardstick.answers {
        assert_eq!(answers.len(), slices, "{condition}");
        let right = answers.bytes().zip(yardstick.gold.bytes()).filter(|(answer, gold)| answer == gold).count();
        assert_eq!(yardstick.right.get(condition), Some(&format!("{right} of {slices}")), "{condition}");
    }
    let corrupted = CORRUPTIONS
        .into_iter()
        .chain(["bias_field", "ghost"])
        .flat_map(|kind| (1..=5).map(move |level| format!("{kind}_{level}")));
    let attacked = [1, 2, 4].into_iter().flat_map(|eps| ["fgsm", "random_sign"].map(|kind| format!("{kind}_{eps}")));
    let expected: BTreeSet<String> = corrupted.chain(attacked).chain(["clean".to_owned()]).collect();
    let asked: BTreeSet<String> = yardstick.answers.keys().cloned().collect();
    assert_eq!(asked, expected);
    // The attack lowers accuracy, and noise of the same size does not.
    let right = |condition: &str| yardstick.right[condition].split(' ').next().and_then(|n| n.parse::<usize>().ok());
    for eps in [1, 2, 4] {
        assert!(right(&format!("fgsm_{eps}")) < Some(2) && right(&format!("random_sign_{eps}")) == right("clean"));
    }
}
