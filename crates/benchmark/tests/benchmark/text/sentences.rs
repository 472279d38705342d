//! Sentences are recorded with the outcomes, and results are also about other sentences.

use super::*;

const HINTS: [&str; 3] = ["hint_plus", "hint_minus", "hint_zero"];

fn fast_hints() -> Suite {
    let mut suite = Suite::fast();
    suite.conditions.retain(|condition| condition.kind == "clean" || HINTS.contains(&condition.kind));
    suite
}

fn grey(case: &Case, index: usize) -> Result<Arc<RgbImage>, Box<dyn std::error::Error + Send + Sync>> {
    let image = &case.images[index];
    Ok(Arc::new(RgbImage::new(image.width, image.height)))
}

#[test]
fn hints_of_the_fast_suite_use_eight_sentences_and_the_three_hints_of_an_item_the_same() {
    let (suite, cases) = (fast_hints(), synthetic(40));
    let plan = Plan::new(&suite, &cases);
    let run = MockEvaluation::on(&grey).run(&plan, &mut Planted::knowing(&plan, HintFollower(Oracle)));
    let mut drawn: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for outcome in &run.outcomes {
        assert_eq!(outcome.sentence.is_some(), outcome.condition != "clean");
        let sentences = drawn.entry((&outcome.case_id, &outcome.item_id)).or_default();
        sentences.extend(outcome.sentence.as_deref());
    }
    assert!(drawn.values().all(|sentences| sentences.len() <= 1), "{drawn:?}");
    assert_eq!(drawn.values().flatten().collect::<BTreeSet<_>>().len(), 8);

    let summary = summary(&plan, &run, None);
    let minus = summary.conditions.iter().find(|condition| condition.id == "hint_minus").expect("asked");
    let spread = minus.sentences.as_ref().expect("eight sentences");
    let biases: BTreeSet<&str> = spread.by_sentence.iter().filter_map(|effect| effect.bias.as_deref()).collect();
    assert_eq!((spread.by_sentence.len(), biases.len()), (8, 8));
    assert_eq!(spread.by_sentence.iter().map(|effect| effect.n).sum::<usize>(), minus.n);
    // The follower believes every wrong hint, whatever its sentence, but does not recognise names and numbers in hints.
    assert!(spread.least < -0.9 && spread.most < -0.8 && spread.sd < 0.1, "{spread:?}");
    assert_eq!(summary.estimate("misleading_susceptibility").map(|estimate| estimate.clusters), Some(8));
}

/// Outcomes of 20 patients and 20 questions, right under the control, and wrong under the hint with half of the eight
/// sentences. `is_recorded` states whether the outcomes name their sentence.
fn planted(is_recorded: bool) -> Vec<Outcome> {
    let outcome = |patient: usize, question: usize, condition: &str| {
        let sentence = (3 * patient + 5 * question) % 8;
        let is_right = condition != "hint_minus" || sentence < 4;
        let mut json = serde_json::json!({
            "case_id": patient.to_string(), "group_id": patient.to_string(), "item_id": question.to_string(),
            "stage": 1, "category": "01", "question": question.to_string(), "condition": condition, "gold": "yes",
            "chance": 0.5, "verdict": if is_right { "right" } else { "wrong" },
        });
        if is_recorded && condition != "clean" {
            json["sentence"] = format!("authority_says/{sentence}").into();
        }
        serde_json::from_value(json).expect("an outcome, with or without a sentence")
    };
    let conditions = ["clean", "hint_minus", "hint_zero"];
    let items = (0..20).flat_map(|patient| (0..20).map(move |question| (patient, question)));
    items.flat_map(|(patient, question)| conditions.map(|condition| outcome(patient, question, condition))).collect()
}

#[test]
fn an_effect_of_half_of_the_sentences_is_uncertain_although_patients_and_questions_agree() {
    let conditions = [
        ("clean", "kind = \"clean\""),
        ("hint_minus", "kind = \"hint_minus\"\ncontrol = \"hint_zero\""),
        ("hint_zero", "kind = \"hint_zero\""),
    ];
    let suite = suite::suite("seed = 5", &conditions);
    let of = |is_recorded| Summary::new(&suite, &[], &planted(is_recorded), None);
    let width = |summary: &Summary| {
        let [low, high] = summary.estimate("effect:hint_minus").and_then(|effect| effect.ci).expect("an interval");
        high - low
    };
    let (recorded, unrecorded) = (of(true), of(false));
    // Half of the eight sentences reverse every answer: the standard error over sentences is 0.5 / sqrt(7).
    assert!(width(&unrecorded) < 0.2, "{}", width(&unrecorded));
    assert!(width(&recorded) > 0.8, "{}", width(&recorded));
    let spread = |summary: &Summary| summary.conditions[1].sentences.clone();
    let found = spread(&recorded).expect("eight sentences");
    assert_eq!((found.least, found.median, found.most), (-1.0, -0.5, 0.0));
    assert_eq!(spread(&unrecorded), None);
}
