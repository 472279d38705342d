//! Simulated answers of known truth through `compare`: how often a gain that is not there is called significant, how often
//! the interval holds the true gain, and how often a true gain is found. The worlds vary patients, questions, sentences, and how
//! far a model's accuracy differs between them. `tests/bench/statistics` runs more worlds and draws.

use rand::Rng;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use stepwise_benchmark::compare::{Side, compare};
use stepwise_benchmark::outcome::Outcome;
use stepwise_benchmark::score::Verdict;
use stepwise_benchmark::suite::Suite;
use stepwise_testing::benchmark::suite::suite_of;

/// A population of patients and questions, and two models.
#[derive(Clone, Copy)]
struct World {
    patients: usize,
    /// Number of questions, all asked about every patient. None where every item is its own question.
    questions: Option<usize>,
    /// Number of items of a patient where every item is its own question; patients have half to all of them.
    items: usize,
    /// Standard deviation, in log-odds, of a model's accuracy between questions.
    question_sd: f64,
    /// Standard deviation, in log-odds, of a model's accuracy between patients.
    patient_sd: f64,
    /// Number of sentences, of which one is drawn for each item; 0 without sentences.
    sentences: usize,
    /// Standard deviation, in log-odds, of a model's accuracy between sentences.
    sentence_sd: f64,
    /// Whether a model gives one answer to a question for all patients, right or wrong.
    is_blind: bool,
    /// Log-odds of the tuned model above the base.
    gain: f64,
}

const CROSSED: World = World {
    patients: 20,
    questions: Some(30),
    items: 0,
    question_sd: 0.0,
    patient_sd: 0.0,
    sentences: 0,
    sentence_sd: 0.0,
    is_blind: false,
    gain: 0.0,
};

const NESTED: World = World { questions: None, items: 16, patient_sd: 0.7, ..CROSSED };

/// Log-odds of the base.
const BASE: f64 = 0.3;

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Standard normal draw by Box and Muller.
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let (u, v): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

impl World {
    /// Expected accuracy at these log-odds over the population of patients, questions and sentences, by a sum over the normal density.
    fn expected(&self, log_odds: f64) -> f64 {
        let sd = self.question_sd.hypot(self.patient_sd).hypot(self.sentence_sd);
        let steps = (-400..=400).map(|step| f64::from(step) / 50.0);
        let weighted = steps.map(|z| ((-z * z / 2.0).exp(), sigmoid(log_odds + sd * z)));
        let (weights, sum) = weighted.fold((0.0, 0.0), |(weights, sum), (w, value)| (weights + w, sum + w * value));
        sum / weights
    }

    fn true_gain(&self) -> f64 {
        self.expected(BASE + self.gain) - self.expected(BASE)
    }

    /// Answers of the base and of the tuned model.
    fn answers(&self, suite: &Suite, rng: &mut ChaCha8Rng) -> [Vec<Outcome>; 2] {
        let sizes: Vec<usize> = (0..self.patients)
            .map(|_| self.questions.unwrap_or_else(|| rng.random_range(self.items / 2..=self.items)))
            .collect();
        // Both models are asked with the same sentences. Worlds without sentences draw nothing here.
        let sentence = |rng: &mut ChaCha8Rng| (self.sentences > 0).then(|| rng.random_range(0..self.sentences));
        let drawn: Vec<Vec<Option<usize>>> =
            sizes.iter().map(|size| (0..*size).map(|_| sentence(rng)).collect()).collect();
        [BASE, BASE + self.gain].map(|log_odds| {
            let patients: Vec<f64> = (0..self.patients).map(|_| self.patient_sd * normal(rng)).collect();
            let sentences: Vec<f64> = (0..self.sentences).map(|_| self.sentence_sd * normal(rng)).collect();
            let questions: Vec<(f64, f64)> = (0..self.questions.unwrap_or_default())
                .map(|_| (self.question_sd * normal(rng), rng.random()))
                .collect();
            let mut outcomes = Vec::new();
            for (patient, drawn) in drawn.iter().enumerate() {
                for (item, &sentence) in drawn.iter().enumerate() {
                    let (question, guess) = questions.get(item).copied().unwrap_or_default();
                    let draw = if self.is_blind { guess } else { rng.random::<f64>() };
                    let effect = sentence.map_or(0.0, |sentence| sentences[sentence]);
                    let is_right = draw < sigmoid(log_odds + patients[patient] + question + effect);
                    let text = if self.questions.is_some() { format!("q{item}") } else { format!("{patient}/{item}") };
                    let sentence = sentence.map(|sentence| format!("s/{sentence}"));
                    outcomes.push(Outcome { sentence, ..outcome(suite, patient, &text, is_right) });
                }
            }
            outcomes
        })
    }

    /// Runs `draws` simulations and counts what `compare` says.
    fn run(&self, draws: u64) -> Rates {
        let suite = suite_of("seed = 1", &["clean"]);
        let truth = self.true_gain();
        let mut rates = Rates::default();
        for draw in 0..draws {
            let [base, tuned] = self.answers(&suite, &mut ChaCha8Rng::seed_from_u64(draw));
            let side = |outcomes| Side { name: "m", checkpoint: None, outcomes, history: None };
            let found = compare(&suite, side(&base), side(&tuned), &[]).expect("comparable");
            let clean = &found.conditions[0];
            let [low, high] = clean.difference.ci.expect("a known range bounds every interval");
            assert!(low < high, "no interval has width zero");
            rates.rejected += f64::from(u8::from(clean.p.is_some_and(|p| p < 0.05))) / draws as f64;
            rates.covered += f64::from(u8::from(low <= truth && truth <= high)) / draws as f64;
            rates.claimed += f64::from(u8::from(clean.difference.is_clear())) / draws as f64;
        }
        rates
    }
}

fn outcome(suite: &Suite, patient: usize, question: &str, is_right: bool) -> Outcome {
    let json = serde_json::json!({
        "case_id": format!("{patient:03}"), "group_id": format!("{patient:03}"), "item_id": question, "stage": 1,
        "category": "01", "question": question, "condition": suite.conditions[0].id, "gold": "yes", "chance": 0.5,
        "verdict": if is_right { Verdict::Right } else { Verdict::Wrong },
    });
    serde_json::from_value(json).expect("a valid outcome")
}

/// Shares of the simulations.
#[derive(Clone, Copy, Debug, Default)]
struct Rates {
    /// p below 0.05.
    rejected: f64,
    /// The interval holds the true gain.
    covered: f64,
    /// A claim may rest on the gain.
    claimed: f64,
}

#[track_caller]
fn holds_its_level(world: World) {
    let found = world.run(300);
    assert!(found.rejected <= 0.07 && found.claimed <= 0.07, "{found:?}");
    assert!(found.covered >= 0.93, "{found:?}");
}

#[test]
fn equal_models_differ_rarely_without_effects_of_questions() {
    holds_its_level(CROSSED);
}

#[test]
fn equal_models_differ_rarely_where_accuracy_depends_on_the_question() {
    holds_its_level(World { question_sd: 0.7, ..CROSSED });
    holds_its_level(World { question_sd: 1.5, ..CROSSED });
}

#[test]
fn equal_models_differ_rarely_where_accuracy_depends_on_both() {
    holds_its_level(World { question_sd: 1.0, patient_sd: 1.0, ..CROSSED });
}

#[test]
fn equal_models_differ_rarely_where_accuracy_depends_on_the_sentence() {
    for sentence_sd in [0.0, 0.4, 1.0] {
        holds_its_level(World { sentences: 8, sentence_sd, ..CROSSED });
    }
    holds_its_level(World { sentences: 8, sentence_sd: 0.7, ..NESTED });
    holds_its_level(World { sentences: 8, sentence_sd: 0.7, question_sd: 0.7, patient_sd: 0.7, ..CROSSED });
}

#[test]
fn a_true_gain_is_found_over_eight_sentences() {
    let found = World { patients: 60, questions: Some(40), sentences: 8, sentence_sd: 0.2, gain: 0.5, ..CROSSED };
    let found = found.run(60);
    assert!(found.claimed > 0.8, "{found:?}");
}

#[test]
fn equal_blind_models_differ_rarely() {
    holds_its_level(World { is_blind: true, ..CROSSED });
}

#[test]
fn few_patients_are_no_claim_whatever_the_answers_are() {
    let found = World { patients: 7, questions: Some(12), question_sd: 0.7, gain: 3.0, ..CROSSED }.run(100);
    assert_eq!(found.claimed, 0.0);
}

#[test]
fn intervals_over_few_patients_hold_the_true_gain() {
    for patients in [6, 10, 30] {
        let found = World { patients, gain: 0.6, ..NESTED }.run(400);
        assert!((0.93..=0.98).contains(&found.covered), "{patients} patients: {found:?}");
    }
}

#[test]
fn a_true_gain_is_found() {
    let found = World { patients: 60, questions: Some(40), gain: 0.3, ..CROSSED }.run(60);
    assert!(found.claimed > 0.9, "{found:?}");
}

/// Prints the table of all worlds; `tests/bench/statistics` runs it. The tests above check the same worlds with fewer draws.
#[test]
#[ignore = "takes a quarter of an hour; tests/bench/statistics runs it"]
#[expect(clippy::print_stdout, reason = "the table is what the test is run for")]
fn table_of_all_worlds() {
    let draws = 1000;
    println!(
        "| patients | questions | sentences | sd question / patient / sentence | gain | p < .05 | interval holds | claimed |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    for world in all_worlds() {
        let found = world.run(draws);
        let questions = world.questions.map_or_else(|| "own".to_owned(), |questions| questions.to_string());
        let blind = if world.is_blind { ", blind" } else { "" };
        println!(
            "| {} | {questions}{blind} | {} | {} / {} / {} | {:+.3} | {:.3} | {:.3} | {:.3} |",
            world.patients,
            world.sentences,
            world.question_sd,
            world.patient_sd,
            world.sentence_sd,
            world.true_gain(),
            found.rejected,
            found.covered,
            found.claimed
        );
    }
}

fn all_worlds() -> Vec<World> {
    let mut worlds = Vec::new();
    for (patients, questions) in [(7, 12), (20, 30), (60, 40)] {
        let plain = World { patients, questions: Some(questions), ..CROSSED };
        worlds.extend([0.0, 0.3, 0.7, 1.5].map(|question_sd| World { question_sd, ..plain }));
        worlds.push(World { patient_sd: 0.7, ..plain });
        worlds.push(World { question_sd: 0.4, patient_sd: 0.4, ..plain });
        worlds.push(World { question_sd: 1.0, patient_sd: 1.0, ..plain });
        worlds.push(World { is_blind: true, ..plain });
        worlds.push(World { sentences: 8, sentence_sd: 0.7, ..plain });
        worlds.push(World { sentences: 8, sentence_sd: 0.7, question_sd: 0.7, patient_sd: 0.7, ..plain });
        worlds.extend([0.3, 0.6].map(|gain| World { gain, question_sd: 0.3, ..plain }));
    }
    for patients in [3, 6, 10, 30, 100] {
        worlds.extend([0.0, 0.6].map(|gain| World { patients, gain, ..NESTED }));
    }
    worlds
}
