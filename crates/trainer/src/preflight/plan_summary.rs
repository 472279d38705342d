//! Preview of a run: the training examples of every step with their context and condition, and counts for each phase.

use std::collections::BTreeMap;

use stepwise_curriculum::SampleIndex;
use stepwise_curriculum::planned::{PlannedExample, PlannedStep};
use stepwise_curriculum::run_plan::RunPlan;
use stepwise_data::case::Case;
use stepwise_data::prompt::ContextKind;
use stepwise_recipe::{Freeze, PhaseRecipe, Recipe};

use stepwise_benchmark::perturb::trainable::teaches_to_decline;

use crate::batches::augment::{AugmentedQuestion, Augmenter, PAIR};
use crate::optim::part_rates::Rates;

/// Counts of the training examples of a run, by phase.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanSummary {
    /// Phases in order. A phase that gets no step because of `max_steps` is missing.
    pub phases: Vec<PhaseSummary>,
}

/// Counts of the training examples of one phase.
#[derive(Clone, Debug, PartialEq)]
pub struct PhaseSummary {
    /// Name of the phase.
    pub name: String,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Model parts that are trained by the recipe but frozen in this phase.
    pub freeze: Freeze,
    /// Number of optimiser steps.
    pub steps: u64,
    /// Passes over the phase's training data; the last one may be a fraction.
    pub epochs: f64,
    /// Training examples of clinical stages 1 to 4, including replayed examples. An example is one supervised question.
    pub stages: [usize; 4],
    /// Training examples by the answers to earlier questions that are given as context.
    pub context: BTreeMap<ContextKind, usize>,
    /// Training examples by condition. Examples without a condition are not counted here.
    pub conditions: BTreeMap<&'static str, usize>,
    /// Training examples whose images are blanked because of the phase's `blank_images`.
    pub blank: usize,
}

impl PhaseSummary {
    /// Returns the number of all training examples of the phase, with repetitions.
    #[must_use]
    pub fn examples(&self) -> usize {
        self.stages.iter().sum()
    }
}

impl PlanSummary {
    /// Counts the training examples of all steps of `run_plan`. `cases` are the training cases.
    #[must_use]
    pub fn new(recipe: &Recipe, cases: &[Case], run_plan: &RunPlan) -> Self {
        let mut phases: Vec<PhaseSummary> = Vec::new();
        for (done, step) in (1..).zip(steps(recipe, cases, run_plan)) {
            let place = run_plan.at(done - 1);
            if place.phase_step == 0 {
                let phase = &recipe.curriculum.phase[place.phase];
                phases.push(PhaseSummary {
                    name: phase.name.clone(),
                    learning_rate: phase.learning_rate,
                    freeze: phase.freeze,
                    steps: 0,
                    epochs: 0.0,
                    stages: [0; 4],
                    context: BTreeMap::new(),
                    conditions: BTreeMap::new(),
                    blank: 0,
                });
            }
            let Some(phase) = phases.last_mut() else { continue };
            phase.steps += 1;
            phase.epochs = run_plan.epoch_at(done) - f64::from(place.epochs_before - place.epoch);
            for example in step.examples {
                phase.stages[usize::from(example.stage) - 1] += 1;
                *phase.context.entry(example.context).or_default() += 1;
                phase.blank += usize::from(example.is_blank);
                if let Some(condition) = example.condition {
                    *phase.conditions.entry(condition).or_default() += 1;
                }
            }
        }
        Self { phases }
    }
}

/// If at least this many training examples are expected under a condition, their absence is not due to chance.
const EXPECTED: f64 = 5.0;

impl PlanSummary {
    /// Returns warnings about pairs, and conditions of `augment`, that apply to no training example although at least five
    /// are expected: at most a line for pairs and one for conditions in each phase.
    #[must_use]
    pub fn idle(&self, recipe: &Recipe) -> Vec<String> {
        let without_pairs = |(plan_summary, phase): (&PhaseSummary, &PhaseRecipe)| {
            let pairs = phase.examples.pairs?;
            let is_idle =
                pairs.share * plan_summary.examples() as f64 >= EXPECTED && !plan_summary.conditions.contains_key(PAIR);
            is_idle.then(|| {
                let name = &plan_summary.name;
                format!("{name}: no question makes a pair -> no other patient is asked the same with another answer: remove `pairs`")
            })
        };
        let of_phase = |(plan_summary, phase): (&PhaseSummary, &PhaseRecipe)| {
            let idle = phase.examples.augment.conditions.iter().filter(|one| {
                one.share * plan_summary.examples() as f64 >= EXPECTED
                    && !plan_summary.conditions.contains_key(one.kind)
            });
            let kinds: Vec<&str> = idle.map(|one| one.kind).collect();
            let help = if phase.examples.blank_images {
                "the images of the phase are blank"
            } else if kinds.iter().any(|kind| teaches_to_decline(kind)) {
                "without the image only a question with an abstain option can be answered: set `abstain_option` in `[data]` to add one"
            } else {
                "they do not apply to the questions of the phase's stages"
            };
            (!kinds.is_empty())
                .then(|| format!("{}: no training example gets {} -> {help}", plan_summary.name, kinds.join(", ")))
        };
        let phases = || self.phases.iter().zip(&recipe.curriculum.phase);
        phases().filter_map(without_pairs).chain(phases().filter_map(of_phase)).collect()
    }
}

/// Iterates over all steps of `run_plan` with their training examples. `cases` are the training cases.
pub fn steps<'a>(
    recipe: &'a Recipe,
    cases: &'a [Case],
    run_plan: &'a RunPlan,
) -> impl Iterator<Item = PlannedStep<'a>> + use<'a> {
    let augmenter = Augmenter::without_images(recipe, cases);
    (0..run_plan.total).map(move |done| {
        let place = run_plan.at(done);
        let phase = &recipe.curriculum.phase[place.phase];
        let planned = |sample: SampleIndex| {
            let (case, item) = (&cases[sample.case], &cases[sample.case].chain[sample.item]);
            let example =
                move |AugmentedQuestion { context, condition, is_blank, .. }: AugmentedQuestion| PlannedExample {
                    case: sample.case,
                    case_id: &case.case_id,
                    question: &item.id,
                    stage: item.stage,
                    replayed: !phase.stages.contains(&item.stage),
                    condition,
                    context,
                    is_blank,
                };
            augmenter.all(place, sample).into_iter().map(example).collect::<Vec<_>>()
        };
        let learning_rate = Rates::at(recipe, place, (done, run_plan.planned)).named(recipe, phase);
        let examples = run_plan.samples(place).into_iter().flat_map(planned).collect();
        PlannedStep { epoch: place.epochs_before as usize + 1, learning_rate, examples }
    })
}

#[cfg(test)]
mod tests {
    use stepwise_data::abstain_option::offer_to_all;
    use stepwise_data::case::Answer;
    use stepwise_testing::cases::synthetic;
    use stepwise_testing::recipe::recipe_on;

    use super::*;

    fn idle(cases: &[Case], augment: &str) -> Vec<String> {
        let phases = "[[curriculum.phase]]\nstages = [1]\n[[curriculum.phase]]\nstages = [2, 3, 4]\n";
        let recipe = recipe_on(8, &format!("[curriculum]\naugment = {augment}\n{phases}"));
        let run_plan = RunPlan::new(&recipe, cases).expect("a course");
        PlanSummary::new(&recipe, cases, &run_plan).idle(&recipe)
    }

    #[test]
    fn a_condition_without_training_examples_is_named() {
        let mut cases = synthetic(40);
        for item in cases.iter_mut().flat_map(|case| &mut case.chain) {
            if let Answer::Choice { refusal, .. } = &mut item.answer {
                *refusal = None;
            }
        }
        let augment = "{ blank = 0.2, swap_far = 0.2, hint_minus = 0.2 }";
        let said = idle(&cases, augment);
        assert_eq!(said.len(), 2, "{said:?}");
        for (line, phase) in said.iter().zip(["s1", "s234"]) {
            let start = format!("{phase}: no training example gets blank, swap_far -> ");
            assert!(
                line.starts_with(&start) && line.ends_with("set `abstain_option` in `[data]` to add one"),
                "{line}"
            );
        }
        assert_eq!(offer_to_all(&mut cases, "cannot be told"), None);
        // Questions of stage 1 can be answered on any image.
        let said = idle(&cases, augment);
        assert!(said.len() == 1 && said[0].starts_with("s1: no training example gets swap_far -> "), "{said:?}");
        assert_eq!(
            idle(&cases, "{ premise_false = 0.3 }")[0],
            "s1: no training example gets premise_false -> they do not apply to the questions of the phase's stages"
        );
        assert!(idle(&cases, "{ blank = 0.0001 }").is_empty(), "by chance");
    }

    #[test]
    fn pairs_are_counted_and_their_absence_is_named() {
        let recipe = recipe_on(8, "[curriculum]\npairs = { share = 1.0 }\n");
        let summary = |cases: &[Case]| {
            let run_plan = RunPlan::new(&recipe, cases).expect("a course");
            PlanSummary::new(&recipe, cases, &run_plan)
        };
        let cases = synthetic(40);
        let questions: usize = cases.iter().map(|case| case.chain.len()).sum();
        let of_cases = summary(&cases);
        let pairs = of_cases.phases[0].conditions[PAIR];
        assert!(pairs.is_multiple_of(2) && pairs > questions, "{pairs} examples of {questions} questions");
        assert!(of_cases.phases[0].examples() > questions && of_cases.idle(&recipe).is_empty());
        // One patient has no other patient's images.
        let mut alone = cases;
        alone.iter_mut().for_each(|case| case.group_id = "patient".to_owned());
        let said = summary(&alone).idle(&recipe);
        assert!(said[0].contains("no question makes a pair -> "), "{said:?}");
    }
}
