//! What a file of another tool is for. Only supervised fine-tuning can be translated.

/// Purpose of a file or command that cannot be translated, because it is not supervised fine-tuning with LoRA or of the
/// whole model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// DPO, KTO, ORPO and other training on preferred and rejected answers.
    Preference,
    /// Training of a reward model.
    Reward,
    /// PPO, GRPO and other reinforcement learning.
    Reinforcement,
    /// Training on the outputs of a larger model.
    Distillation,
    /// Pretraining on plain text.
    Pretraining,
    /// Training of a head that classifies, embeds or ranks.
    Head,
    /// Another kind of tuning than LoRA and full.
    OtherTuning,
    /// Merging an adapter or exporting a model.
    Merge,
    /// Quantising a model.
    Quantisation,
    /// Chat, generation or an API.
    Inference,
    /// Evaluation.
    Evaluation,
    /// Tokenising of data before a training.
    Preprocessing,
    /// Settings of a launcher of processes.
    Launcher,
}

/// A purpose and the place that shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Line, counted from 1; None when the path or the whole file shows the purpose.
    pub line: Option<usize>,
    /// What shows the purpose, such as "`stage: dpo`".
    pub evidence: String,
    /// The purpose.
    pub purpose: Purpose,
}

use Purpose::*;

impl Purpose {
    /// Returns the purpose in words, for messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Preference => "preference training (DPO, KTO, ORPO)",
            Reward => "training of a reward model",
            Reinforcement => "reinforcement learning (PPO, GRPO)",
            Distillation => "distillation",
            Pretraining => "pretraining on plain text",
            Head => "training of a classification, embedding or ranking head",
            OtherTuning => "a kind of tuning other than LoRA and full fine-tuning",
            Merge => "merging or export of a model",
            Quantisation => "quantisation of a model",
            Inference => "inference",
            Evaluation => "evaluation",
            Preprocessing => "preprocessing of data",
            Launcher => "the launcher of processes",
        }
    }

    /// Returns the `stepwise` command that serves the purpose, or what to do where none does.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Preference | Reward | Reinforcement | Distillation | Pretraining | Head => {
                "Stepwise trains by supervised fine-tuning only: `stepwise init` writes a recipe to start from"
            }
            OtherTuning => "choose LoRA or full fine-tuning in the file, or begin with `stepwise init`",
            Merge => "`stepwise export RUN OUT --format merged` merges the adapter of a run into its model",
            Quantisation => {
                "`load_in_4bit = true` in `[train]` trains on four-bit weights; `stepwise export RUN OUT --format merged` \
                 writes a model that other tools quantise"
            }
            Inference => "`stepwise ask --model_name_or_path DIR --question QUESTION` asks a model",
            Evaluation => "`stepwise eval PATH` evaluates a run, an adapter or a model",
            Preprocessing => {
                "`stepwise check RECIPE` checks and counts the data; training needs no other step before it"
            }
            Launcher => "training runs on one device: convert the file or command of the training tool",
        }
    }

    /// Returns the purpose that a word of a name shows, in lower case, such as `dpo`. None for other words.
    pub(super) fn of_word(word: &str) -> Option<Self> {
        Some(match word {
            "dpo" | "kto" | "orpo" | "ipo" | "simpo" | "cpo" | "bco" | "xpo" | "tpo" | "mpo" | "nash" => Preference,
            "rm" | "reward" | "prm" => Reward,
            "ppo" | "grpo" | "rloo" | "gspo" | "gmpo" | "dapo" | "gdpo" | "ebft" | "rlhf" | "a2po" | "reinforce" => {
                Reinforcement
            }
            "gkd" | "gold" | "minillm" | "distillation" | "distill" | "sdft" | "sdpo" | "opd" => Distillation,
            "pt" | "pretrain" | "pretraining" | "cpt" => Pretraining,
            _ => return None,
        })
    }

    /// Returns the purpose that the first telling word of a name shows; characters other than ASCII letters and digits
    /// separate words, and case is ignored. None when no word shows a purpose, or one of them is `sft`.
    pub(super) fn of_name(name: &str) -> Option<Self> {
        let name = name.to_lowercase();
        let mut words = name.split(|letter: char| !letter.is_ascii_alphanumeric());
        if words.clone().any(|word| word == "sft") {
            return None;
        }
        words.find_map(Self::of_word)
    }
}
