//! Opening the folder of a run: a new state, or the state of the newest complete checkpoint.

use std::path::Path;
use std::sync::Arc;

use stepwise_curriculum::run_plan::RunPlan;
use stepwise_data::prompt::PROMPT_VERSION;
use stepwise_recipe::{Recipe, Tuning};
use stepwise_vlm::pipeline::VlmPipeline;

use super::begun::Begun;
use super::stopwatch::Stopwatch;
use super::{Run, TrainError, TrainOptions};
use crate::cases::Cases;
use crate::checkpoint::{Incompatible, TrainerState};
use crate::device::Adapter;
use crate::environment::Environment;
use crate::evaluation::earlier::EarlierResults;
use crate::evaluation::epochs::EpochEvaluator;
use crate::evaluation::suite::recipe_suite;
use crate::frozen::FrozenDigests;
use crate::inputs::{INPUTS_FILE, Inputs};
use crate::learner::Learner;
use crate::log::{Pace, Resumed, RunLog};
use crate::objective::ReferenceScores;
use crate::progress::Progress;
use crate::trained::{TRAINED_FILE, Trained};

/// Returns the digest of everything that turns a case into tokens and pixels: prompt version, tokenizer, template,
/// pixel pipeline. Checkpoints record it.
#[must_use]
pub fn prompt_digest(pipeline: &VlmPipeline) -> String {
    format!("{PROMPT_VERSION}:{}", pipeline.processor.digest())
}

/// Cases of a run, and what was found out about them.
pub(super) struct Inspected {
    pub cases: Cases,
    /// Digests of everything that the recipe names.
    pub inputs: Inputs,
    /// Record of the training cases.
    pub trained: Trained,
}

impl<'a> Run<'a> {
    /// Opens the run, and restores its checkpoint if it has one. Files of the run are changed only after all inputs have
    /// been checked.
    pub(super) fn open(
        options: &TrainOptions<'a>,
        Inspected { cases, inputs, trained }: Inspected,
        mut run_plan: RunPlan,
        mut learner: Learner,
        Begun { folder, checkpoint }: Begun,
        progress: &mut dyn Progress,
    ) -> Result<Self, TrainError> {
        let recipe = options.recipe;
        let fresh = TrainerState::new(recipe.seed, recipe.digest(), prompt_digest(&learner.pipeline));
        let state = match checkpoint {
            Some((path, found)) => {
                restore(&found, &path, &fresh.prompt_digest, &mut run_plan, &mut learner)?;
                progress.note(&format!("resumed after step {} of {}", found.global_step, run_plan.total));
                found
            }
            None => fresh,
        };
        let done = state.global_step;
        if recipe_suite(recipe)?.is_some() {
            earlier_results(recipe, &run_plan, &state).check(folder.root())?;
        }
        let mut evaluator = EpochEvaluator::open(
            recipe,
            folder.root(),
            &state.prompt_digest,
            &Adapter::label(options.device_name, options.adapter),
            evaluated_epochs(&run_plan, &state),
            options.base_answers,
            options.render,
        )?;
        evaluator.set_leaks(trained.leaks.clone());
        folder.write_recipe(options.recipe_text, recipe)?;
        let resumed = options.resume.then_some(Resumed { step: done, untested: state.untested });
        let tensorboard = !recipe.train.report_to.is_empty();
        inputs.write(folder.root()).map_err(|error| {
            let path = folder.root().join(INPUTS_FILE).display().to_string();
            TrainError::File { path, error }
        })?;
        let file = |path: &Path| {
            let path = path.display().to_string();
            move |error| TrainError::File { path, error }
        };
        trained.write(folder.root()).map_err(file(&folder.root().join(TRAINED_FILE)))?;
        let log = RunLog::open(folder.root(), tensorboard, resumed).map_err(file(&folder.log()))?;
        let seeds = [("seed".to_owned(), recipe.seed)].into_iter().collect();
        let mut digests = inputs.by_key();
        digests.insert("prompt".to_owned(), state.prompt_digest.clone());
        digests.insert("recipe".to_owned(), state.recipe_digest.clone());
        Environment::here("burn 0.22.1", (options.device_name, options.adapter), seeds, digests)
            .write(&folder.environment())
            .map_err(file(&folder.environment()))?;
        Ok(Self {
            recipe,
            frozen: FrozenDigests::of(&mut learner.pipeline.model),
            cases: Arc::new(cases),
            run_plan,
            learner,
            folder,
            log,
            pace: Pace::start(),
            evaluator,
            references: ReferenceScores::default(),
            saved: done,
            state,
            stopwatch: Stopwatch::start(),
        })
    }
}

/// Restores weights and plan from the checkpoint at `path`, whose state is `found`.
fn restore(
    found: &TrainerState,
    path: &Path,
    prompt_digest: &str,
    run_plan: &mut RunPlan,
    learner: &mut Learner,
) -> Result<(), TrainError> {
    let incompatible = |error| TrainError::Incompatible { path: path.display().to_string(), error };
    found.continues(prompt_digest).map_err(incompatible)?;
    found.advanced_early.iter().for_each(|(phase, steps)| run_plan.cut(*phase, *steps));
    if found.stopped_early {
        run_plan.end_after(found.global_step);
    }
    // Inputs are compared before, but a run of an earlier version has recorded none.
    let is_whole = found.advanced_early.is_empty() && !found.stopped_early;
    if found.global_step > run_plan.total || (is_whole && found.max_steps != run_plan.total) {
        return Err(incompatible(Incompatible::Steps { then: found.max_steps, now: run_plan.total }));
    }
    learner.restore(path, found.steps()).map_err(TrainError::from)
}

/// Results that the run has written up to the checkpoint with this state.
fn earlier_results(recipe: &Recipe, run_plan: &RunPlan, state: &TrainerState) -> EarlierResults {
    let done = state.global_step;
    let needs_base = done > 0 && matches!(recipe.tuning, Tuning::Full { .. });
    let mut found = EarlierResults { needs_base, ..EarlierResults::default() };
    for step in 1..=done {
        let position = run_plan.at(step - 1);
        if !position.ends_epoch || (step == done && state.untested) {
            continue;
        }
        let epoch = position.epochs_before + 1;
        let ends_phase = position.phase_step + 1 == position.phase_total || step == run_plan.total;
        if ends_phase || epoch.is_multiple_of(recipe.benchmark.every) {
            found.epochs.push((epoch, step));
        }
        if ends_phase {
            found.phase_ends.push(step);
        }
    }
    found
}

/// Number of epochs whose benchmark is complete. The benchmarks of later epochs are repeated.
fn evaluated_epochs(run_plan: &RunPlan, state: &TrainerState) -> u32 {
    state.global_step.checked_sub(1).map_or(0, |last| {
        let position = run_plan.at(last);
        position.epochs_before + u32::from(position.ends_epoch && !state.untested)
    })
}
