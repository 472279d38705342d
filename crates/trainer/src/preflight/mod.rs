//! Preflight: sizes, trainable parameters and memory of a run, computed before its first step.

pub mod dry_run;
pub mod freeze_groups;
mod image_stats;
pub mod images;
pub mod leaks;
pub mod memory;
pub mod plan_summary;
pub mod schedule_notes;
mod target_note;
pub mod texts;
pub mod token_stats;

use stepwise_benchmark::plan::Plan;
use stepwise_curriculum::run_plan::{RunPlan, cases_per_step};
use stepwise_recipe::{Recipe, Tuning};
use stepwise_vlm::attention_score_bytes;

use crate::batches::examples::ExampleError;
use crate::cases::Cases;
use crate::device::DeviceMemory;
use crate::evaluation::suite::recipe_suite;
use crate::learner::Learner;
use crate::parameters::TrainableParameters;
use crate::preflight::freeze_groups::FreezeGroup;
use crate::preflight::memory::{MemoryEstimate, OnDevice};
use crate::preflight::plan_summary::PlanSummary;
use crate::preflight::texts::TextCheck;
use crate::preflight::token_stats::{LargestBatch, TokenStats};
use crate::progress::Progress;

/// Result of the preflight: settings, sizes and memory of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Preflight {
    /// Fine-tuning method: LoRA or full fine-tuning.
    pub tuning: Tuning,
    /// Trainable parameters by part and rank, and counts of frozen values.
    pub trainable: TrainableParameters,
    /// Note about a list of target modules that matches layers of the image encoder as well; None without such a list.
    pub target_note: Option<String>,
    /// Freeze groups of the phases, each with its peak learning rates and its largest micro-batch.
    pub freeze_groups: Vec<FreezeGroup>,
    /// Token statistics of every phase.
    pub token_stats: TokenStats,
    /// Largest number of tokens of a training example; the preflight fails if one is longer.
    pub cutoff_len: usize,
    /// Number of epochs of the whole run.
    pub epochs: u32,
    /// Case visits in one optimiser step: batch size times gradient accumulation steps.
    pub cases_per_step: usize,
    /// Number of training cases.
    pub training_cases: usize,
    /// Number of cases in the evaluation split. The suite's case limit is not applied to this count.
    pub evaluation_cases: usize,
    /// Memory estimate of this process, for the freeze group that needs most.
    pub memory: MemoryEstimate,
    /// Memory estimate of the device, for the freeze group that needs most; None on the CPU, where `memory` has all.
    pub device_memory: Option<MemoryEstimate>,
}

impl Preflight {
    /// Measures every training example, counts the trainable parameters of `learner`, and estimates the memory. Warns of
    /// conditions of `augment` that apply to no training example, and of epochs whose learning rate is 0. No image is
    /// decoded, and nothing is trained. `free` is the memory in bytes that was free on a device other than the CPU before
    /// the model was loaded; None if unknown.
    ///
    /// # Errors
    /// When a text of a question has a special token, or a training example or a question is longer than `cutoff_len` or
    /// `max_position_embeddings`.
    pub fn new(
        recipe: &Recipe,
        cases: &Cases,
        run_plan: &RunPlan,
        learner: &mut Learner,
        free: Option<u64>,
        progress: &mut dyn Progress,
    ) -> Result<Self, ExampleError> {
        let processor = &learner.pipeline.processor;
        let positions = learner.pipeline.model.config().text.max_position_embeddings;
        // A suite that cannot be read is left out here, because the run reports the error when it opens the suite.
        let suite = recipe_suite(recipe).ok().flatten();
        let plan = suite.as_ref().map(|suite| Plan::new(suite, &cases.eval));
        let (images, answer_form) = (&cases.pictures, recipe.train.answer_form);
        let texts = TextCheck { processor, images, answer_form, cutoff_len: Some(recipe.cutoff_len), positions };
        texts.check(cases.train.iter().chain(&cases.eval), plan.as_ref(), progress)?;
        let token_stats = TokenStats::new(recipe, cases, run_plan, (processor, positions), progress)?;
        let idle = PlanSummary::new(recipe, &cases.train, run_plan).idle(recipe);
        let warnings = [idle, schedule_notes::warnings(recipe, run_plan)].concat();
        warnings.iter().for_each(|line| progress.warning(line));
        schedule_notes::single_steps(recipe, run_plan).iter().for_each(|line| progress.note(line));
        let pictures = image_stats::of(cases, plan.as_ref(), processor, token_stats.pixels as u64);
        let trainable = TrainableParameters::of(&mut learner.pipeline.model);
        let freeze_groups = FreezeGroup::all(recipe, &token_stats);
        let config = learner.pipeline.model.config();
        let hardest =
            |most: MemoryEstimate, other: MemoryEstimate| if other.peak() > most.peak() { other } else { most };
        let needs = |estimate: &dyn Fn(&TrainableParameters, &LargestBatch) -> MemoryEstimate| {
            let needs = freeze_groups.iter().map(|group| estimate(&trainable.but(group.freeze), &group.largest));
            needs.fold(MemoryEstimate::default(), hardest)
        };
        let device = learner.pipeline.model.device();
        let device_memory = DeviceMemory::of(device).map(|memory| {
            let on_device = OnDevice { memory, free, score_bytes: attention_score_bytes(device) as u64 };
            needs(&|trainable, largest| {
                memory::estimate_on_device(recipe, config, trainable, (largest, pictures), on_device)
            })
        });
        let memory = match device_memory {
            Some(_) => memory::estimate_beside_device(recipe, pictures),
            None => needs(&|trainable, largest| memory::estimate(recipe, config, trainable, largest, pictures)),
        };
        let (training_cases, evaluation_cases) = (cases.train.len(), cases.eval.len());
        Ok(Self {
            tuning: recipe.tuning.clone(),
            trainable,
            target_note: target_note::of(recipe, learner),
            freeze_groups,
            token_stats,
            cutoff_len: recipe.cutoff_len,
            epochs: run_plan.epochs,
            cases_per_step: cases_per_step(recipe),
            training_cases,
            evaluation_cases,
            memory,
            device_memory,
        })
    }
}
