//! Checks on synthetic cases that every change of the words is a pure function of case, item, seed and version.

use proptest::prelude::*;
use stepwise_benchmark::perturb::{Perturbed, Pool, Recall, Scene, Skip};
use stepwise_benchmark::rng::SuiteRng;
use stepwise_benchmark::score::chance;
use stepwise_benchmark::suite::{Condition, Suite};
use stepwise_data::case::{Answer, Case, Item};
use stepwise_data::prompt::{AnswerForm, PromptOptions, prompt};
use stepwise_data::synth::SynthOptions;
use stepwise_testing::benchmark::suite::WORDS;
use stepwise_testing::cases::synthetic_with;

/// Conditions and their controls that apply to exactly the same items.
const PAIRS: [(&str, &str); 7] = [
    ("rebuttal_doubt", "rebuttal_repeat"),
    ("rebuttal_wrong", "rebuttal_repeat"),
    ("negation", "affirmation"),
    ("nota_right", "nota_wrong"),
    ("hedge_low", "hedge_neutral"),
    ("parents_predicted", "parents_gold"),
    ("report_injected", "report_plain"),
];

fn cases(seed: u64) -> Vec<Case> {
    synthetic_with(8, &SynthOptions { seed, ..SynthOptions::default() })
}

fn conditions() -> Vec<Condition> {
    let all = Suite::full().conditions;
    WORDS.map(|kind| all.iter().find(|condition| condition.kind == kind).expect("in the suite").clone()).to_vec()
}

/// An item with its case and the result of each perturbation of [`WORDS`].
type Changed<'a> = (&'a Case, &'a Item, Vec<Result<Perturbed, Skip>>);

/// Applies every perturbation of [`WORDS`] to every item.
fn changed(cases: &[Case], rng: SuiteRng) -> Vec<Changed<'_>> {
    let (pool, conditions) = (Pool::new(cases), conditions());
    let items = cases.iter().flat_map(|case| case.chain.iter().map(move |item| (case, item)));
    items
        .map(|(case, item)| {
            let scene = Scene { case, item, pool: &pool, rng };
            (case, item, conditions.iter().map(|condition| condition.perturbation.perturb(&scene)).collect())
        })
        .collect()
}

fn at<'a>(results: &'a [Result<Perturbed, Skip>], kind: &str) -> Option<&'a Perturbed> {
    results[WORDS.iter().position(|other| *other == kind).expect("listed")].as_ref().ok()
}

/// Returns the indices of the right options; for yes/no 0 is yes.
fn right(item: &Item) -> Vec<usize> {
    match &item.answer {
        Answer::Choice { gold, .. } => gold.clone(),
        Answer::Yesno { gold, .. } => vec![usize::from(!gold)],
        _ => Vec::new(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn equal_input_gives_equal_changes(world in 0u64..1000, seed in any::<u64>(), version in any::<u32>()) {
        let rng = SuiteRng { seed, version };
        let (cases, mut turned) = (cases(world), cases(world));
        turned.reverse();
        let once = changed(&cases, rng);
        let again = changed(&turned, rng);
        prop_assert_eq!(format!("{:?}", once), format!("{:?}", changed(&cases, rng)));
        for (case, item, results) in &once {
            // The order of the cases does not matter.
            let other = again.iter().find(|(c, i, _)| (&c.case_id, &i.id) == (&case.case_id, &item.id)).expect("there");
            prop_assert_eq!(format!("{:?}", results), format!("{:?}", other.2));
        }
        for other in [SuiteRng { seed: seed ^ 1, ..rng }, SuiteRng { version: version ^ 1, ..rng }] {
            prop_assert_ne!(format!("{:?}", once), format!("{:?}", changed(&cases, other)));
        }
    }

    #[test]
    fn every_changed_question_is_answerable_and_names_its_claim(world in 0u64..1000, seed in any::<u64>()) {
        for (case, item, results) in changed(&cases(world), SuiteRng { seed, version: 1 }) {
            for (kind, perturbed) in WORDS.iter().zip(&results).filter_map(|(kind, result)| Some((kind, result.as_ref().ok()?))) {
                let asked = perturbed.item.as_ref().unwrap_or(item);
                prop_assert_eq!((&asked.id, asked.stage, &asked.category), (&item.id, item.stage, &item.category));
                for answer_form in [AnswerForm::Text, AnswerForm::Letter] {
                    let shown = prompt(case, asked, &PromptOptions { answer_form, ..perturbed.frame.clone() });
                    prop_assert!(shown.options.is_empty() || shown.options.contains(&shown.answer), "{}", kind);
                    let luck = chance(&asked.answer, &shown);
                    prop_assert!((0.0..1.0).contains(&luck) && (luck > 0.0) != shown.options.is_empty(), "{}", kind);
                }
                if let Some(index) = perturbed.named.as_ref().and_then(|named| named.index) {
                    prop_assert_eq!(right(asked).contains(&index), *kind == "rebuttal_right", "{}", kind);
                }
                if let Some(Recall::Context(own)) = &perturbed.recall {
                    for &(place, parent) in own {
                        prop_assert!(item.parents.contains(&case.chain[parent].id));
                        prop_assert_eq!(&perturbed.frame.context[place].question, &case.chain[parent].question);
                    }
                }
            }
            for (kind, control) in PAIRS {
                prop_assert_eq!(at(&results, kind).is_some(), at(&results, control).is_some(), "{} {}", kind, control);
            }
            // Only what the case says is absent is presupposed, and added options are the last stored ones.
            for (kind, adds) in [("premise_false", true), ("premise_true", false), ("nota_right", true), ("nota_wrong", false)] {
                let Some(Answer::Choice { options, gold, refusal }) =
                    at(&results, kind).map(|change| &change.item.as_ref().expect("replaced").answer)
                else {
                    continue;
                };
                prop_assert_eq!((gold == &[options.len() - 1], *refusal), (adds, None), "{}", kind);
            }
            // Exactly one answer differs between the wrong and the right context.
            if let (Some(wrong), Some(gold)) = (at(&results, "parents_wrong"), at(&results, "parents_gold")) {
                let pairs = wrong.frame.context.iter().zip(&gold.frame.context);
                prop_assert_eq!(pairs.filter(|(a, b)| a.answer != b.answer).count(), 1);
            }
        }
    }
}
