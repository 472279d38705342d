//! A run before its first step: inputs are read, measured and checked, and a resumed run is restored.

use stepwise_curriculum::run_plan::RunPlan;
use stepwise_data::problem::Problems;
use stepwise_recipe::{Freeze, Recipe};

use super::begun::Begun;
use super::resume::Inspected;
use super::{Finished, Run, TrainError, TrainOptions};
use crate::cases::{Cases, CasesError};
use crate::checkpoint::RunFolder;
use crate::device::{DeviceFailure, caught, training_remedy};
use crate::evaluation::suite::recipe_suite;
use crate::inputs::Inputs;
use crate::interrupt::Interrupt;
use crate::learner::Learner;
use crate::preflight::Preflight;
use crate::preflight::dry_run::dry_run;
use crate::preflight::freeze_groups::FreezeGroup;
use crate::preflight::images::{self, LookedAt};
use crate::preflight::token_stats::LargestBatch;
use crate::progress::Progress;
use crate::trained::Trained;
use crate::trained::known::known_before_training;

/// A run that is ready to train: inputs are read and checked, and a resumed run is restored.
pub struct PreparedRun<'a> {
    run: Run<'a>,
    preflight: Preflight,
    /// Plan that the preflight measured. Early advances of a resumed run shorten only the plan of the run.
    planned: RunPlan,
}

impl<'a> PreparedRun<'a> {
    /// Loads the cases and looks at all images, loads the model, measures every training example, and opens the run's
    /// folder. With `resume` it restores the newest complete checkpoint.
    ///
    /// # Errors
    /// When the cases or the model cannot be loaded, an image is damaged or refused, a patient or an image is on two
    /// sides of the split (unless [`TrainOptions::leaks`] allows it), a phase has no questions, a training example cannot
    /// be encoded or is longer than `cutoff_len`, the list of images that the base was trained on cannot be read, the
    /// folder is occupied, or the checkpoint belongs to another recipe or other inputs.
    pub fn new(options: &TrainOptions<'a>, progress: &mut dyn Progress) -> Result<Self, TrainError> {
        let recipe = options.recipe;
        // What was trained so far is compared first: other data or another model may not even load.
        let begun = if options.resume { Begun::find(recipe, progress)? } else { None };
        let mut cases = Cases::open_with_leaks(&recipe.data)?;
        cases.warnings.iter().for_each(|line| progress.warning(line));
        let inputs = Inputs::of(recipe, &cases, recipe_suite(recipe)?.as_ref(), progress);
        if let Some(begun) = &begun {
            begun.compare(&inputs, progress)?;
        }
        let run_plan = RunPlan::new(recipe, &cases.train)?;
        let LookedAt { fingerprints, leaks } = images::check(&cases, options.leaks, progress)?;
        let mut trained = Trained::of(&cases, fingerprints);
        let mut sentences = Vec::new();
        if !leaks.problems.is_empty() {
            Problems(leaks.problems).to_string().lines().for_each(|line| progress.warning(line));
            sentences.extend(trained.seen_in_run(&cases, &leaks.near).map(|seen| seen.sentence()));
        }
        let adapter = recipe.adapter_name_or_path.as_deref();
        sentences.extend(known_before_training(&recipe.model_name_or_path, adapter, &cases)?);
        sentences.iter().for_each(|sentence| progress.warning(sentence));
        trained.leaks = (!sentences.is_empty()).then(|| sentences.join(". "));
        let mut learner = Learner::new(recipe, &options.device, progress)?;
        cases.set_box_grids(&learner.pipeline.processor).iter().for_each(|line| progress.warning(line));
        if recipe.compares_thumbnails() {
            let all = cases.train.len() as u64;
            let made = cases.thumbnails(&mut |done| progress.advance("thumbnails", done as u64, all));
            made.map_err(CasesError::from)?;
        }
        let free = options.adapter.and_then(|adapter| adapter.free);
        let preflight = Preflight::new(recipe, &cases, &run_plan, &mut learner, free, progress)?;
        let planned = run_plan.clone();
        let begun = match begun {
            Some(begun) => begun,
            None => Begun { folder: RunFolder::open(&recipe.output_dir, options.resume)?, checkpoint: None },
        };
        let of_run = Inspected { cases, inputs, trained };
        let run = Run::open(options, of_run, run_plan, learner, begun, progress)?;
        Ok(Self { run, preflight, planned })
    }

    /// Returns the settings, sizes and memory of the run, to be shown before it starts; `None` when no step is left to
    /// take.
    #[must_use]
    pub fn preflight(&self) -> Option<&Preflight> {
        self.run.has_steps_left().then_some(&self.preflight)
    }

    /// Trains: dry run, benchmark of the base, all steps that are left, and the benchmarks of the epochs. Writes
    /// checkpoints, log and report into the run's folder. After `interrupt` was requested, it saves and returns with
    /// [`Finished::interrupted`](super::Finished::interrupted).
    ///
    /// # Errors
    /// When anything cannot be read, computed or written. Saved checkpoints stay.
    pub fn train(self, progress: &mut dyn Progress, interrupt: &Interrupt) -> Result<Finished, TrainError> {
        let Self { mut run, preflight, planned } = self;
        if run.state.global_step > 0 {
            // The process may have been killed after it wrote a checkpoint and before it updated the links.
            run.update_links()?;
        }
        let recipe = run.recipe;
        let failed = |failure: DeviceFailure| {
            let (advice, is_whole) = (training_remedy(&failure, recipe), !failure.in_background);
            TrainError::Device { place: String::new(), failure, advice, is_whole }
        };
        if run.has_steps_left() {
            caught(|| run.dry_run(planned, &preflight.freeze_groups, progress)).map_err(failed)??;
        }
        match caught(|| run.train(progress, interrupt)).unwrap_or_else(|failure| Err(failed(failure))) {
            Ok(interrupted) => Ok(run.finished(interrupted)),
            Err(error) => Err(run.stopped(error, progress)),
        }
    }
}

impl Run<'_> {
    /// Takes one step without an update on the largest micro-batch of each freeze group, so that too little memory and
    /// parameters without a gradient show before the run.
    fn dry_run(
        &mut self,
        planned: RunPlan,
        freeze_groups: &[FreezeGroup],
        progress: &mut dyn Progress,
    ) -> Result<(), TrainError> {
        let recipe: &Recipe = self.recipe;
        let source = self.batch_source(planned, None);
        for FreezeGroup { freeze, largest, .. } in freeze_groups.iter().filter(|group| group.largest.examples > 0) {
            let LargestBatch { step, micro_batch, rows, examples, cases, .. } = *largest;
            let Some(largest) = source.one(step, micro_batch)? else { continue };
            let frozen = match freeze.names() {
                names if names.is_empty() => names,
                names => format!(", with {names} frozen"),
            };
            progress.note(&format!(
                "dry run of the largest micro-batch: {examples} examples of {cases} cases, {rows} rows, step {}{frozen}",
                step + 1
            ));
            self.learner.freeze(*freeze);
            dry_run(&mut self.learner.pipeline, &largest, recipe.seed, recipe.train.gradient_checkpointing)?;
        }
        self.learner.freeze(Freeze::default());
        Ok(())
    }
}
