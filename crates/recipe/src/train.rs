//! `[train]`: batches, optimiser, schedule, and how often to log and save. Names and meanings are those of Hugging
//! Face's `TrainingArguments`.

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

/// `[train]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Train {
    /// Cases in a micro-batch.
    pub per_device_train_batch_size: usize,
    /// Micro-batches in an optimiser step.
    pub gradient_accumulation_steps: usize,
    /// Peak learning rate, of phases that name none.
    pub learning_rate: f64,
    /// That of the vision tower in every phase; the phase's when unset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vision_tower_lr: Option<f64>,
    /// That of the connector in every phase; the phase's when unset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multi_modal_projector_lr: Option<f64>,
    /// Shape of the learning rate over the steps.
    pub lr_scheduler_type: LrScheduler,
    /// The rise at the start.
    #[serde(flatten)]
    pub warmup: Warmup,
    /// Decoupled weight decay, a step's share times the learning rate.
    pub weight_decay: f64,
    /// AdamW's decay of the first moment.
    pub adam_beta1: f64,
    /// AdamW's decay of the second moment.
    pub adam_beta2: f64,
    /// Added to the root of the second moment.
    pub adam_epsilon: f64,
    /// Holds frozen weights of linear layers in bf16, half their memory, and multiplies them in bf16 where the processor
    /// does (AVX-512 BF16); sums, what learns and its optimiser stay f32.
    pub bf16: bool,
    /// Holds frozen weights of linear layers in blocks of four bits (NF4), about an eighth of their memory; adapters learn
    /// beside them (QLoRA).
    pub load_in_4bit: bool,
    /// With `load_in_4bit`: holds the scales of blocks in eight bits.
    pub bnb_4bit_use_double_quant: bool,
    /// Computes each block of the model again on the way back instead of keeping what it computed: less memory, about a third
    /// more time, the same gradients.
    pub gradient_checkpointing: bool,
    /// Gradients are scaled so that their global norm is at most this; 0 leaves them as they are.
    pub max_grad_norm: f64,
    /// What becomes of a step whose loss or gradient is not a number.
    pub on_nonfinite: OnNonfinite,
    /// Passes over the cases, of phases that name none.
    pub num_train_epochs: u32,
    /// Stops after this many optimiser steps, whatever the epochs say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_steps: Option<u64>,
    /// A log line each so many steps.
    pub logging_steps: u64,
    /// A checkpoint each so many steps, beside those at the ends of epochs; 0 for those alone.
    pub save_steps: u64,
    /// Keeps at most this many checkpoints, beside the best one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub save_total_limit: Option<usize>,
    /// Where the log goes beside `trainer_log.jsonl`.
    pub report_to: Vec<ReportTo>,
    /// How choices are answered, in training and in testing.
    pub answer_form: AnswerForm,
    /// Computes what the questions of a micro-batch have in common (their picture, above all) once.
    pub share_prefix: bool,
    /// Memory for the features of pictures, in GiB; used where nothing before the decoder learns.
    pub feature_cache_gb: f64,
    /// Folder where features outlive the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feature_cache_dir: Option<PathBuf>,
    /// Room below that folder, in GiB.
    pub feature_cache_disk_gb: f64,
    /// When no better epoch is to be expected.
    #[serde(flatten)]
    pub early_stopping: EarlyStopping,
    /// Which tested epoch is the best one.
    pub select: BestModelRule,
}

/// A reader of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ReportTo {
    /// Event files under `runs/`.
    Tensorboard,
}

/// What becomes of a step whose loss or gradient is not a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OnNonfinite {
    /// The run ends before it, with what was learned saved.
    Stop,
    /// Nothing is learned from it, which is said; too many in a row end the run all the same.
    Skip,
}

const ON_NONFINITE: Words<OnNonfinite> = &[("stop", OnNonfinite::Stop), ("skip", OnNonfinite::Skip)];

const LR_SCHEDULERS: Words<LrScheduler> = &[
    ("cosine", LrScheduler::Cosine),
    ("linear", LrScheduler::Linear),
    ("constant", LrScheduler::Constant),
    ("constant_with_warmup", LrScheduler::ConstantWithWarmup),
];

const ANSWER_FORMS: Words<AnswerForm> = &[("text", AnswerForm::Text), ("letter", AnswerForm::Letter)];

/// Finite numbers above zero.
pub(super) const POSITIVE: (Bound<f64>, Bound<f64>) = (Bound::Excluded(0.0), Bound::Unbounded);

pub(super) fn read(mut section: Section<'_>, tuning: &Tuning) -> Train {
    let usual_rate = match tuning {
        Tuning::LoraRecipe { .. } => 1e-4,
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
            Some("`learning_rate`, or that of the phase"),
            POSITIVE,
            "Peak learning rate of the vision tower.",
        ),
        multi_modal_projector_lr: section.float_or(
            "multi_modal_projector_lr",
            Some("`learning_rate`, or that of the phase"),
            POSITIVE,
            "Peak learning rate of the connector.",
        ),
        lr_scheduler_type,
        warmup,
        weight_decay: section.float("weight_decay", 0.0, 0.0.., "Decoupled weight decay."),
        adam_beta1: section.float("adam_beta1", 0.9, 0.0..1.0, "AdamW's decay of the first moment."),
        adam_beta2: section.float("adam_beta2", 0.999, 0.0..1.0, "AdamW's decay of the second moment."),
        adam_epsilon: section.float("adam_epsilon", 1e-8, POSITIVE, "Added to the root of the second moment."),
        max_grad_norm: section.float("max_grad_norm", 1.0, 0.0.., "Largest global gradient norm; 0 for no limit."),
        on_nonfinite: section.choice(
            "on_nonfinite",
            ON_NONFINITE,
            OnNonfinite::Stop,
            "What becomes of a step whose loss or gradient is not finite: the run ends, or nothing is learned from it.",
        ),
        bf16: section.flag("bf16", false, "Holds and multiplies frozen weights in bf16; what learns stays f32."),
        gradient_checkpointing: section.flag(
            "gradient_checkpointing",
            false,
            "Computes each block again on the way back instead of keeping it: less memory, more time, the same result.",
        ),
        load_in_4bit: section.flag("load_in_4bit", false, "Holds frozen weights in four bits (NF4), as QLoRA does."),
        bnb_4bit_use_double_quant: section.flag(
            "bnb_4bit_use_double_quant",
            true,
            "With `load_in_4bit`: holds the scales of its blocks in eight bits.",
        ),
        num_train_epochs: section.integer("num_train_epochs", 3, 1..=100_000, "Passes over the cases, a phase.") as u32,
        max_steps: section.integer_or("max_steps", None, 1.., "Stops after this many optimiser steps."),
        logging_steps: section.integer("logging_steps", 10, 1.., "A log line each so many optimiser steps."),
        save_steps: section.integer(
            "save_steps",
            500,
            0..,
            "A checkpoint each so many optimiser steps, beside those at the ends of epochs; 0 for those alone.",
        ),
        save_total_limit: section
            .integer_or(
                "save_total_limit",
                None,
                1..,
                "Keeps at most this many checkpoints; the best one always stays.",
            )
            .map(|limit| limit as usize),
        report_to: read_report_to(&mut section),
        answer_form: section.choice(
            "answer_form",
            ANSWER_FORMS,
            AnswerForm::Text,
            "How choices are answered: option's words or letter.",
        ),
        share_prefix: section.flag(
            "share_prefix",
            true,
            "Computes what the questions of a micro-batch have in common once; the result is the same.",
        ),
        feature_cache_gb: section.float("feature_cache_gb", 1.0, 0.0.., "Memory for image features, in GiB."),
        feature_cache_dir: section.path("feature_cache_dir", None, "Folder where image features outlive the run."),
        feature_cache_disk_gb: section.float("feature_cache_disk_gb", 16.0, 0.0.., "Room below that folder, in GiB."),
        early_stopping: best_epoch::read_early_stopping(&mut section),
        select: best_epoch::read_select(&mut section),
    };
    if let (Some(max_steps), Warmup::Steps(steps)) = (train.max_steps, train.warmup)
        && steps >= max_steps
    {
        section.report(
            max_steps_at.as_ref(),
            format!("the run ends after {max_steps} steps, inside the {steps} steps of warm-up"),
            "lower `warmup_steps` or raise `max_steps`",
        );
    }
    if train.load_in_4bit && matches!(tuning, Tuning::Full { .. }) {
        section.report(
            four_bits_at.as_ref(),
            "weights in four bits cannot be trained themselves",
            "remove `load_in_4bit`, or set `finetuning_type = \"lora\"`",
        );
    }
    if let Tuning::LoraRecipe { lora } = tuning
        && train.load_in_4bit
        && lora.init_lora_weights == InitLoraWeights::Pissa
    {
        section.report(
            four_bits_at.as_ref(),
            "`load_in_4bit` and `init_lora_weights = \"pissa\"` are both given",
            "keep one of them: singular vectors are those of whole weights, not of rounded ones",
        );
    }
    let frozen = match tuning {
        Tuning::LoraRecipe { lora } => [lora.freeze_vision_tower, lora.freeze_multi_modal_projector],
        Tuning::Full { full } => [full.freeze_vision_tower, full.freeze_multi_modal_projector],
    };
    let parts = ["vision_tower", "multi_modal_projector"];
    for ((part, frozen), at) in parts.iter().zip(frozen).zip(rates_at) {
        if frozen && at.is_some() {
            let message = format!("`{part}_lr` has no effect: that part is frozen");
            section.report(at.as_ref(), message, format!("set `freeze_{part} = false`, or remove `{part}_lr`"));
        }
    }
    section.finish();
    train
}

fn read_schedule(section: &mut Section<'_>) -> (LrScheduler, Warmup) {
    let shape = section.choice(
        "lr_scheduler_type",
        LR_SCHEDULERS,
        LrScheduler::Cosine,
        "Shape of the learning rate over the steps.",
    );
    let usual = if shape == LrScheduler::Constant { 0.0 } else { 0.03 };
    let Some((warmup, at)) = warmup::read(section, ["by `warmup_ratio`", "0.03, and 0 for `constant`"]) else {
        return (shape, Warmup::Ratio(usual));
    };
    warmup::check(section, shape, warmup, &at);
    (shape, warmup)
}

fn read_report_to(section: &mut Section<'_>) -> Vec<ReportTo> {
    const ACCEPTS: &str = "[\"tensorboard\"] or \"none\"";
    let default = vec![ReportTo::Tensorboard];
    let help = "Where the log goes beside `trainer_log.jsonl`.";
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
