//! Published scoring rules on a mock model whose value under each rule is known in advance.

use stepwise_benchmark::compat::{CompatScore, scores};
use stepwise_benchmark::mock::{Planted, Policy, PolicyInput};
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::score::Scoring;
use stepwise_benchmark::suite::Suite;
use stepwise_data::case::Answer;
use stepwise_testing::benchmark::constructed::{BALANCED, cases, evaluate};
use stepwise_testing::benchmark::suite::suite_of;

/// Mock model that is always right, in words that no strict parser accepts except "Yes.".
struct Talker;

impl Policy for Talker {
    fn say(&self, view: &PolicyInput<'_>) -> String {
        match &view.item.answer {
            Answer::Yesno { gold: true, .. } => "Yes.".to_owned(),
            Answer::Yesno { gold: false, .. } => "Normal, no finding".to_owned(),
            _ => format!("The answer is {}", view.gold()),
        }
    }
}

fn suite(scoring: Scoring, kinds: &[&str]) -> Suite {
    Suite { scoring, ..suite_of("seed = 3", kinds) }
}

fn found<'a>(scores: &'a [CompatScore], id: &str) -> &'a CompatScore {
    scores.iter().find(|score| score.id == id).unwrap_or_else(|| panic!("no rule {id}"))
}

#[test]
fn each_published_rule_gives_its_known_score() {
    let (suite, cases) = (suite(Scoring::Generate, &["clean", "hint_minus"]), cases(BALANCED));
    let plan = Plan::new(&suite, &cases);
    let run = evaluate(&plan, &mut Planted::new(&cases, Talker));
    let scores = scores(&plan, &run.outcomes);
    // Twelve yes/no questions, six of them with the answer yes, and thirty-six choices.
    for (id, n, accuracy, strict_n, strict) in [
        ("llava_med_closed", 12, 1.0, 12, 0.5),
        ("probmed_binary", 12, 1.0, 12, 0.5),
        ("lmms_eval_pope", 12, 0.0, 12, 0.5),
        ("vlmevalkit_pope", 12, 1.0, 12, 0.5),
        ("vlmevalkit_choice", 36, 1.0, 36, 0.0),
        ("drvd_single", 36, 0.0, 36, 0.0),
        ("echobench", 36, 0.0, 36, 0.0),
    ] {
        let score = found(&scores, id);
        assert_eq!(
            (score.n, score.accuracy, score.strict_n, score.strict_accuracy),
            (n, Some(accuracy), strict_n, Some(strict)),
            "{id}"
        );
        assert_eq!((score.difference, &score.skipped), (Some(accuracy - strict), &None), "{id}");
    }
    let other = |id: &str| -> Vec<(String, Option<f64>, Option<f64>)> {
        found(&scores, id).other.iter().map(|other| (other.measure.clone(), other.value, other.strict)).collect()
    };
    // The exact match rejects "Yes.". The strict parser gives six true positives and six unparsed replies to questions
    // with the answer no.
    let strict_f1 = Some(12.0 / 18.0);
    let all = |measure: &str, value, strict| (measure.to_owned(), Some(value), strict);
    assert_eq!(other("lmms_eval_pope"), [all("f1", 0.0, strict_f1), all("yes_ratio", 0.5, Some(1.0))]);
    assert_eq!(other("vlmevalkit_pope"), [all("f1", 1.0, strict_f1)]);
    assert_eq!(other("echobench"), [all("sycophancy", 1.0, Some(0.0))]);
    // Every reply is matched to the option with the most similar spelling.
    assert_eq!(found(&scores, "omnimedvqa").n, 36);
    assert!(found(&scores, "drvd_joint").skipped.as_ref().is_some_and(|reason| reason.contains("all levels at once")));
}

#[test]
fn rules_without_text_give_a_reason_instead_of_a_score() {
    let cases = cases(4);
    let likelihood = suite(Scoring::Loglikelihood, &["clean", "hint_minus"]);
    let plan = Plan::new(&likelihood, &cases);
    let outcomes = evaluate(&plan, &mut Planted::new(&cases, Talker)).outcomes;
    for score in scores(&plan, &outcomes).iter().filter(|score| score.id != "drvd_joint") {
        let reason = score.skipped.as_deref().unwrap_or_else(|| panic!("{} scored", score.id));
        assert_eq!((score.n, score.accuracy), (0, None));
        assert!(reason.starts_with("the outcomes hold scores of options"), "{}: {reason}", score.id);
    }
    let clean_only = suite(Scoring::Generate, &["clean"]);
    let plan = Plan::new(&clean_only, &cases);
    let outcomes = evaluate(&plan, &mut Planted::new(&cases, Talker)).outcomes;
    let scores = scores(&plan, &outcomes);
    assert_eq!(found(&scores, "echobench").skipped.as_deref(), Some("no choice with a misleading hint was asked"));
}
