//! Linear readers on planted features.

use rand::Rng;
use serde_json::json;
use stepwise_benchmark::ceiling::{CaseVectors, Ceiling, ceiling};
use stepwise_data::case::Case;
use stepwise_data::random::stream;

const PATIENTS: usize = 30;
const CASES: usize = 120;

/// Case with a question of three answers, a question whose answer is always the same, and a number.
fn case(number: usize, gold: usize) -> Case {
    let record = json!({
        "schema": "case/1", "case_id": format!("case-{number}"), "group_id": format!("patient-{}", number % PATIENTS),
        "split": "train", "source": {"dataset": "constructed", "licence": "CC0-1.0"}, "modality": "ct",
        "images": [{"id": "i", "path": "i.png", "sha256": "", "width": 8, "height": 8}],
        "chain": [
            {"id": "a", "stage": 1, "category": "07", "question": "Which side?",
             "answer": {"type": "choice", "options": ["left", "right", "both"], "gold": [gold]}},
            {"id": "b", "stage": 1, "category": "01", "question": "Which modality?",
             "answer": {"type": "choice", "options": ["CT", "MRI"], "gold": [0]}},
            {"id": "c", "stage": 2, "category": "14", "question": "How many?", "answer": {"type": "number", "gold": 3.0}}
        ]
    });
    serde_json::from_value(record).expect("a valid case")
}

/// Readers of cases whose features hold the answer added to noise with the size `signal`, and whose thumbnails are noise.
fn found(signal: f32) -> Ceiling {
    let mut rng = stream(11, &["planted"]);
    let golds: Vec<usize> = (0..CASES).map(|_| [0, 0, 1, 2][rng.random_range(0..4)]).collect();
    let cases: Vec<Case> = golds.iter().enumerate().map(|(number, gold)| case(number, *gold)).collect();
    let mut noise = |count: usize| -> Vec<f32> { (0..count).map(|_| rng.random_range(-1.0..1.0)).collect() };
    let vectors = golds.iter().map(|&gold| {
        let (mut features, thumbnail) = (noise(40), noise(20));
        features[gold] += signal;
        CaseVectors { features, thumbnail }
    });
    let vectors = vectors.collect();
    ceiling(&cases, vectors, 0)
}

#[test]
fn features_with_the_answer_are_read_and_noise_is_not() {
    let planted = found(6.0);
    assert_eq!((planted.cases, planted.patients, planted.one_answer, planted.few_patients), (CASES, PATIENTS, 1, 0));
    let [row] = &planted.questions[..] else { panic!("one question: {planted:?}") };
    assert_eq!((row.stage, row.category.as_str(), row.answers), (1, "07", 3));
    let read = &row.accuracies;
    assert!(read.features.value > Some(0.97), "{read:?}");
    assert!(read.features_less_majority.is_clear() || read.features_less_majority.ci.is_some_and(|ci| ci[0] > 0.2));
    assert!(read.thumbnail.value < Some(0.65), "{read:?}");

    let blind = found(0.0);
    let read = &blind.questions[0].accuracies;
    assert!(read.features_less_majority.ci.is_some_and(|[low, _]| low < 0.0), "{read:?}");
    assert_eq!(read.majority, planted.questions[0].accuracies.majority);
    assert!((read.majority.value.expect("a value") - 0.5).abs() < 0.1, "{read:?}");
}

#[test]
fn readers_predict_only_what_an_item_offers() {
    // The commonest answer is left, but a third of the items do not offer it.
    let cases: Vec<Case> = (0..60)
        .map(|number| {
            let mut case = case(number, if number % 3 == 0 { 1 } else { 0 });
            if number % 3 == 0 {
                let answer = json!({"type": "choice", "options": ["right", "both"], "gold": [0]});
                case.chain[0].answer = serde_json::from_value(answer).expect("an answer");
            }
            case
        })
        .collect();
    let vectors = cases.iter().map(|_| CaseVectors { features: vec![1.0], thumbnail: vec![1.0] }).collect();
    let found = ceiling(&cases, vectors, 0);
    let read = &found.questions[0].accuracies;
    assert_eq!((read.majority.value, read.thumbnail.value, read.features.value), (Some(1.0), Some(1.0), Some(1.0)));
}

#[test]
fn patients_are_never_split() {
    // Features name the patient, and the answer is drawn per patient: a reader that saw the patient would be right.
    let golds: Vec<usize> = (0..PATIENTS).map(|patient| (patient * 7 + patient / 3) % 2).collect();
    let cases: Vec<Case> = (0..CASES).map(|number| case(number, golds[number % PATIENTS])).collect();
    let vectors = (0..CASES).map(|number| {
        let mut features = vec![0.0; PATIENTS];
        features[number % PATIENTS] = 1.0;
        CaseVectors { features, thumbnail: vec![0.0] }
    });
    let found = ceiling(&cases, vectors.collect(), 3);
    let read = &found.questions[0].accuracies;
    assert!(read.features.value < Some(0.7), "{read:?}");
    assert_eq!(read.features.n, CASES);
}

#[test]
fn few_patients_are_left_out_and_nothing_is_left_undefined() {
    let cases: Vec<Case> = (0..4).map(|number| case(number, number % 2)).collect();
    let vectors = cases.iter().map(|_| CaseVectors { features: vec![0.5], thumbnail: vec![0.5] }).collect();
    let found = ceiling(&cases, vectors, 0);
    assert_eq!((found.one_answer, found.few_patients, found.questions.len()), (1, 1, 0));
    assert_eq!((found.all.features.value, found.all.features.n), (None, 0));
    let empty = ceiling(&[], Vec::new(), 0);
    assert_eq!((empty.cases, empty.patients), (0, 0));
}
