//! Reads `[train]`: batches, optimiser, learning-rate schedule, logging and checkpoints. Names and meanings follow
//! Hugging Face's `TrainingArguments`.

use std::ops::Bound;
use std::path::PathBuf;

use serde::Serialize;
use stepwise_config::document::{Node, Value};
use stepwise_config::kind::ValueKind;
use stepwise_config::section::{Section, Words};
use stepwise_data::prompt::AnswerForm;

use super::best_epoch::{self, BestModelRule, EarlyStopping};
use super::finetuning::Tuning;
use super::init_lora_weights::InitLoraWeights;
use super::warmup;
use crate::lr_schedule::{LrScheduler, Warmup};

/// Table `[train]` of a recipe: batches, optimiser, learning-rate schedule, logging and checkpoints.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Train {
    /// Number of cases in a micro-batch, 1 to 65,536.
    pub per_device_train_batch_size: usize,
    /// Number of micro-batches in an optimiser step, 1 to 65,536. The loss is averaged over all their
    /// supervised tokens.
    pub gradient_accumulation_steps: usize,
    /// Peak learning rate, above 0, of phases that set none of their own.
    pub learning_rate: f64,
    /// Peak learning rate of the vision tower in every phase, above 0. None uses the phase's learning rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vision_tower_lr: Option<f64>,
    /// Peak learning rate of the connector in every phase, above 0. None uses the phase's learning rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multi_modal_projector_lr: Option<f64>,
    /// Shape of the learning-rate schedule.
    pub lr_scheduler_type: LrScheduler,
    /// Length of the warm-up, of each schedule that sets none of its own.
    #[serde(flatten)]
    pub warmup: Warmup,
    /// Decoupled weight decay (AdamW, Loshchilov and Hutter 2019), at least 0: each step shrinks the weights by this
    /// share times the learning rate.
    pub weight_decay: f64,
    /// Decay of AdamW's first moment, at least 0 and below 1.
    pub adam_beta1: f64,
    /// Decay of AdamW's second moment, at least 0 and below 1.
    pub adam_beta2: f64,
    /// Constant, above 0, that AdamW adds to the square root of the second moment.
    pub adam_epsilon: f64,
    /// Whether frozen weights of linear layers are held in bf16, in half the memory, and multiplied in bf16 where the
    /// processor supports it (AVX-512 BF16). Sums, trained parameters and the optimiser stay f32.
    pub bf16: bool,
    /// Whether frozen weights of linear layers are held in blocks of four bits (NF4), in about an eighth of the memory.
    /// The adapters are trained at full precision (QLoRA, Dettmers et al. 2023).
    pub load_in_4bit: bool,
    /// Whether the scales of the blocks are held in eight bits; only with `load_in_4bit`.
    pub bnb_4bit_use_double_quant: bool,
    /// Whether each block of the model is computed again in the backward pass, and its activations are not stored (Chen
    /// et al. 2016): less memory, about a third more time, the same gradients.
    pub gradient_checkpointing: bool,
    /// Largest global norm of the gradient; a larger gradient is scaled down to it. 0 sets no limit.
    pub max_grad_norm: f64,
    /// Handling of a step whose loss or gradient is not finite.
    pub on_nonfinite: OnNonfinite,
    /// Passes over the cases, at least 1: in each phase that sets no length of its own, or in the whole run
    /// with `order`.
    pub num_train_epochs: u32,
    /// Largest number of optimiser steps of the run, at least 1; None sets no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_steps: Option<u64>,
    /// Number of optimiser steps between two log lines, at least 1.
    pub logging_steps: u64,
    /// Number of optimiser steps between two checkpoints, in addition to the checkpoint at the end of every epoch. 0
    /// writes only the latter.
    pub save_steps: u64,
    /// Largest number of checkpoints to keep, at least 1, not counting the best one; None keeps all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub save_total_limit: Option<usize>,
    /// Log formats in addition to `trainer_log.jsonl`; empty writes only that file.
    pub report_to: Vec<ReportTo>,
    /// Form of the answers to choice questions, in training and evaluation.
    pub answer_form: AnswerForm,
    /// Whether the prefix that questions of a micro-batch share, such as their image, is computed only once.
    pub share_prefix: bool,
    /// Memory in GiB, at least 0, for cached image features while vision tower and connector are frozen, and for cached inputs of
    /// the first trained block of the tower otherwise.
    pub feature_cache_gb: f64,
    /// Folder in which cached image features are kept after the run; None keeps them in memory only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feature_cache_dir: Option<PathBuf>,
    /// Largest size of `feature_cache_dir` in GiB, at least 0.
    pub feature_cache_disk_gb: f64,
    /// Early stopping of the run.
    #[serde(flatten)]
    pub early_stopping: EarlyStopping,
    /// Rule that selects the best evaluated epoch.
    #[serde(flatten)]
    pub best_model: BestModelRule,
}

/// Log format in addition to `trainer_log.jsonl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ReportTo {
    /// TensorBoard event files in the folder `runs/` of the run.
    Tensorboard,
}

/// Handling of a step whose loss or gradient is not finite (infinite or NaN).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OnNonfinite {
    /// The run ends with an error; the steps before it are saved.
    Stop,
    /// The step changes no parameter, and a warning is logged. Ten failed steps in a row end the run with an error.
    Skip,
}

const ON_NONFINITE: Words<OnNonfinite> = &[("stop", OnNonfinite::Stop), ("skip", OnNonfinite::Skip)];

const LR_SCHEDULERS: Words<LrScheduler> = &[
    ("cosine", LrScheduler::Cosine),
    ("linear", LrScheduler::Linear),
    ("constant", LrScheduler::Constant),
    ("constant_with_warmup", LrScheduler::ConstantWithWarmup),
];

/// Names of other tools for a schedule, each with its keys here.
const FOREIGN_SCHEDULERS: Words<&str> = &[
    ("cosine_with_warmup", "`lr_scheduler_type = \"cosine\"`, and `warmup_steps` or `warmup_ratio`"),
    ("linear_with_warmup", "`lr_scheduler_type = \"linear\"`, and `warmup_steps` or `warmup_ratio`"),
];

const ANSWER_FORMS: Words<AnswerForm> = &[("text", AnswerForm::Text), ("letter", AnswerForm::Letter)];

/// Range of finite numbers above zero, for keys such as learning rates.
pub(super) const POSITIVE: (Bound<f64>, Bound<f64>) = (Bound::Excluded(0.0), Bound::Unbounded);

/// Reads `[train]`. `tuning` decides the default learning rate, and which keys have no effect or cannot be combined
/// with it. These, and wrong values, are reported.
pub(super) fn read(mut section: Section<'_>, tuning: &Tuning) -> Train {
    let usual_rate = match tuning {
        Tuning::Lora { .. } => 1e-4,
        Tuning::Full { .. } => 1e-5,
    };
    let (max_steps_at, four_bits_at) = (section.at("max_steps"), section.at("load_in_4bit"));
    let rates_at = ["vision_tower_lr", "multi_modal_projector_lr"].map(|key| section.at(key));
    let (lr_scheduler_type, warmup) = read_schedule(&mut section);
    let train = Train {
        per_device_train_batch_size: section.integer(
            "per_device_train_batch_size",
            1,
            1..=65536,
            "Cases in a micro-batch.",
        ) as usize,
        gradient_accumulation_steps: section.integer(
            "gradient_accumulation_steps",
            8,
            1..=65536,
            "Micro-batches in an optimiser step; the loss is averaged over all their supervised tokens.",
        ) as usize,
        learning_rate: section
            .float_or(
                "learning_rate",
                Some("1e-4 for LoRA, 1e-5 for full fine-tuning"),
                POSITIVE,
                "Peak learning rate.",
            )
            .unwrap_or(usual_rate),
        vision_tower_lr: section.float_or(
            "vision_tower_lr",
            Some("`learning_rate` of the phase"),
            POSITIVE,
            "Peak learning rate of the vision tower.",
        ),
        multi_modal_projector_lr: section.float_or(
            "multi_modal_projector_lr",
            Some("`learning_rate` of the phase"),
            POSITIVE,
            "Peak learning rate of the connector.",
        ),
        lr_scheduler_type,
        warmup,
        weight_decay: section.float("weight_decay", 0.0, 0.0.., "Decoupled weight decay."),
        adam_beta1: section.float("adam_beta1", 0.9, 0.0..1.0, "Decay of AdamW's first moment."),
        adam_beta2: section.float("adam_beta2", 0.999, 0.0..1.0, "Decay of AdamW's second moment."),
        adam_epsilon: section.float("adam_epsilon", 1e-8, POSITIVE, "Constant added to the square root of AdamW's second moment."),
        max_grad_norm: section.float("max_grad_norm", 1.0, 0.0.., "Largest global gradient norm; 0 for no limit."),
        on_nonfinite: section.choice(
            "on_nonfinite",
            ON_NONFINITE,
            OnNonfinite::Stop,
            "Handling of a step whose loss or gradient is not finite: the run ends (stop), or the step is skipped (skip).",
        ),
        bf16: section.flag(
            "bf16",
            false,
            "Holds and multiplies frozen weights in bf16; trained parameters stay f32. A GPU must have products in bf16, and rounds \
             them otherwise than the CPU.",
        ),
        gradient_checkpointing: section.flag(
            "gradient_checkpointing",
            false,
            "Recomputes activations in the backward pass instead of storing them: less memory, more time, the same result (on GPUs up to \
             rounding).",
        ),
        load_in_4bit: section.flag(
            "load_in_4bit",
            false,
            "Holds frozen weights in four bits (NF4), as QLoRA does. GPUs give the results of the CPU up to rounding.",
        ),
        bnb_4bit_use_double_quant: section.flag(
            "bnb_4bit_use_double_quant",
            true,
            "With `load_in_4bit`: holds the scales of the blocks in eight bits.",
        ),
        num_train_epochs: section.integer("num_train_epochs", 3, 1..=100_000, "Passes over the cases: in each phase, or in the whole run with `order`.") as u32,
        max_steps: section.integer_or("max_steps", None, 1.., "Largest number of optimiser steps of the run."),
        logging_steps: section.integer("logging_steps", 10, 1.., "Optimiser steps between two log lines."),
        save_steps: section.integer(
            "save_steps",
            500,
            0..,
            "Optimiser steps between two checkpoints, in addition to the checkpoint after every epoch. 0 writes only the latter.",
        ),
        save_total_limit: section
            .integer_or(
                "save_total_limit",
                None,
                1..,
                "Largest number of checkpoints to keep; the best one is always kept.",
            )
            .map(|limit| limit as usize),
        report_to: read_report_to(&mut section),
        answer_form: section.choice(
            "answer_form",
            ANSWER_FORMS,
            AnswerForm::Text,
            "Form of the answers to choice questions: the option's words (text) or its letter (letter).",
        ),
        share_prefix: section.flag(
            "share_prefix",
            true,
            "Computes the prefix that questions of a micro-batch share, such as their image, only once. The result is the same up to \
             rounding.",
        ),
        feature_cache_gb: section.float(
            "feature_cache_gb",
            1.0,
            0.0..,
            "Memory for cached image features, or for the cached inputs of the first trained block of the vision tower, in GiB.",
        ),
        feature_cache_dir: section.path("feature_cache_dir", None, "Folder in which cached image features are kept after the run."),
        feature_cache_disk_gb: section.float("feature_cache_disk_gb", 16.0, 0.0.., "Largest size of that folder, in GiB."),
        early_stopping: best_epoch::read_early_stopping(&mut section),
        best_model: best_epoch::read_best_model(&mut section),
    };
    if let (Some(max_steps), Warmup::Steps(steps)) = (train.max_steps, train.warmup)
        && steps >= max_steps
    {
        section.report(
            max_steps_at.as_ref(),
            format!("the run ends after {max_steps} steps, within the {steps} steps of warm-up"),
            "lower `warmup_steps` or raise `max_steps`",
        );
    }
    if train.load_in_4bit && matches!(tuning, Tuning::Full { .. }) {
        section.report(
            four_bits_at.as_ref(),
            "weights in four bits cannot be trained",
            "remove `load_in_4bit`, or set `finetuning_type = \"lora\"`",
        );
    }
    if let Tuning::Lora { lora } = tuning
        && train.load_in_4bit
        && lora.init_lora_weights == InitLoraWeights::Pissa
    {
        section.report(
            four_bits_at.as_ref(),
            "`load_in_4bit` and `init_lora_weights = \"pissa\"` are both given",
            "keep one of them: PiSSA needs the singular vectors of unquantised weights",
        );
    }
    let frozen = match tuning {
        Tuning::Lora { lora } => [lora.freeze_vision_tower, lora.freeze_multi_modal_projector],
        Tuning::Full { full } => [full.freeze_vision_tower, full.freeze_multi_modal_projector],
    };
    let parts = ["vision_tower", "multi_modal_projector"];
    for ((part, frozen), at) in parts.iter().zip(frozen).zip(rates_at) {
        if frozen && at.is_some() {
            let message = format!("`{part}_lr` has no effect: the part is frozen");
            section.report(at.as_ref(), message, format!("set `freeze_{part} = false`, or remove `{part}_lr`"));
        }
    }
    section.finish();
    train
}

fn read_schedule(section: &mut Section<'_>) -> (LrScheduler, Warmup) {
    let shape = section.choice_with_advice(
        "lr_scheduler_type",
        LR_SCHEDULERS,
        FOREIGN_SCHEDULERS,
        LrScheduler::Cosine,
        "Shape of the learning-rate schedule.",
    );
    let usual = if shape == LrScheduler::Constant { 0.0 } else { 0.03 };
    let Some((warmup, at)) = warmup::read(section, ["from `warmup_ratio`", "0.03, or 0 for `constant`"]) else {
        return (shape, Warmup::Ratio(usual));
    };
    warmup::check(section, shape, warmup, &at);
    (shape, warmup)
}

fn read_report_to(section: &mut Section<'_>) -> Vec<ReportTo> {
    const ACCEPTS: &str = "[\"tensorboard\"] or \"none\"";
    let default = vec![ReportTo::Tensorboard];
    let help = "Log formats in addition to `trainer_log.jsonl`.";
    let words = ValueKind::Word(vec!["tensorboard", "none"]);
    let accepts = ValueKind::Either(vec![words.clone(), ValueKind::list(words)]).called(ACCEPTS);
    let Some(node) = section.take("report_to", accepts, Some("[\"tensorboard\"]".into()), help) else {
        return default;
    };
    let word = |node: &Node| match &node.value {
        Value::Text(word) if word == "none" => Vec::new(),
        Value::Text(word) if word == "tensorboard" => vec![ReportTo::Tensorboard],
        Value::Text(word) => {
            section.report(Some(&node.at), format!("`report_to` cannot be \"{word}\""), format!("write {ACCEPTS}"));
            Vec::new()
        }
        _ => {
            section.mismatch(node, "report_to", ACCEPTS);
            Vec::new()
        }
    };
    let mut sinks = match &node.value {
        Value::List(elements) => elements.iter().flat_map(word).collect(),
        _ => word(&node),
    };
    sinks.dedup();
    sinks
}
