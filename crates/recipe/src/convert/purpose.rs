//! What a file of another tool is for. Only supervised fine-tuning can be translated.

use super::tool::Tool;
use super::yaml::{Entry, Yaml};

/// Purpose of a file or command that is not supervised fine-tuning with LoRA or of the whole model.
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
    /// The purpose in words.
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

    /// The command that fits the purpose, or what to do without one.
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

    /// The purpose that a word of a name shows, such as `dpo`. None for other words.
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

    /// The purpose that the words of a name show. None when one of them is `sft`.
    pub(super) fn of_name(name: &str) -> Option<Self> {
        let name = name.to_lowercase();
        let mut words = name.split(|letter: char| !letter.is_ascii_alphanumeric());
        if words.clone().any(|word| word == "sft") {
            return None;
        }
        words.find_map(Self::of_word)
    }
}

/// Looks at the keys of a file, whose `path` is used only where keys cannot tell. None for supervised fine-tuning.
pub(super) fn of_file(tool: Tool, path: &str, entries: &[Entry], command: bool) -> Option<Found> {
    let file = File { entries };
    let found = match tool {
        Tool::LlamaFactory => file.llama_factory(),
        Tool::LlamaFactoryV1 => file.llama_factory_v1(),
        Tool::MsSwift | Tool::MegatronSwift => file.swift(),
        Tool::Trl => file.trl(),
        Tool::Axolotl => file.axolotl(),
    };
    // Files of these tools do not name the trainer: the command does.
    let unnamed = matches!(tool, Tool::Trl | Tool::LlamaFactoryV1) && !command;
    found.or_else(|| if unnamed { file.named(path) } else { None })
}

/// Looks for settings of a launcher, which no training tool reads as a recipe.
pub(super) fn of_launcher(entries: &[Entry]) -> Option<Found> {
    let keys = [
        "compute_environment",
        "distributed_type",
        "zero_optimization",
        "deepspeed_config",
        "train_micro_batch_size_per_gpu",
    ];
    let entry = entries.iter().find(|entry| keys.contains(&entry.key.as_str()))?;
    Some(found(entry, Launcher))
}

fn found(entry: &Entry, purpose: Purpose) -> Found {
    let value = match &entry.value {
        Yaml::List(_) | Yaml::Table(_) | Yaml::Null => String::new(),
        value => format!(" {}", value.text().unwrap_or_default()),
    };
    Found { line: Some(entry.line), evidence: format!("`{}:{value}`", entry.key), purpose }
}

struct File<'a> {
    entries: &'a [Entry],
}

impl<'a> File<'a> {
    fn entry(&self, key: &str) -> Option<&'a Entry> {
        self.entries.iter().rev().find(|entry| entry.key == key && entry.value != Yaml::Null)
    }

    /// The first of `keys` that is switched on.
    fn on(&self, keys: &[&str], purpose: Purpose) -> Option<Found> {
        let entry = keys.iter().find_map(|key| self.entry(key).filter(|entry| !entry.value.off()))?;
        Some(found(entry, purpose))
    }

    /// The first of `keys` that is present.
    fn has(&self, keys: &[&str]) -> bool {
        keys.iter().any(|key| self.entry(key).is_some())
    }

    fn word(&self, key: &str) -> Option<(&'a Entry, String)> {
        let entry = self.entry(key)?;
        Some((entry, entry.value.text()?.to_lowercase()))
    }

    /// A kind of tuning that is none of `known`.
    fn other_tuning(&self, keys: &[&str], known: &[&str]) -> Option<Found> {
        let (entry, word) = keys.iter().find_map(|key| self.word(key))?;
        (!known.contains(&word.as_str())).then(|| found(entry, OtherTuning))
    }

    fn llama_factory(&self) -> Option<Found> {
        let quantised = self.on(&["export_quantization_bit"], Quantisation);
        if let Some(found) = quantised.or_else(|| self.on(&["export_dir"], Merge)) {
            return Some(found);
        }
        if let Some((entry, stage)) = self.word("stage")
            && stage != "sft"
        {
            return Some(found(entry, Purpose::of_word(&stage).unwrap_or(OtherTuning)));
        }
        let trains = self.entry("do_train").is_some_and(|entry| entry.value.flag() == Some(true));
        if !trains && let Some(found) = self.on(&["do_predict", "do_eval", "predict_with_generate", "task"], Evaluation)
        {
            return Some(found);
        }
        let usual = [
            "learning_rate",
            "num_train_epochs",
            "per_device_train_batch_size",
            "max_steps",
            "gradient_accumulation_steps",
        ];
        if !self.has(&usual)
            && let Some(found) = self.on(&["tokenized_path"], Preprocessing)
        {
            return Some(found);
        }
        if !trains
            && !self.has(&usual)
            && !self.has(&["stage", "dataset", "output_dir", "lora_rank", "lora_target", "tokenized_path"])
        {
            return self.no_training(&["infer_backend", "template", "vllm_config"]);
        }
        self.other_tuning(&["finetuning_type"], &["lora", "full"])
    }

    /// Inference, if one of `keys` is there.
    fn no_training(&self, keys: &[&str]) -> Option<Found> {
        let entry = keys.iter().find_map(|key| self.entry(key))?;
        Some(Found { evidence: format!("`{}` without keys of a training", entry.key), ..found(entry, Inference) })
    }

    fn llama_factory_v1(&self) -> Option<Found> {
        let preference = ["pref_loss", "pref_beta", "pref_ftx", "simpo_gamma", "dpo_label_smoothing", "ld_alpha"];
        if let Some(found) = self.on(&["peft_config.export_dir"], Merge).or_else(|| self.on(&preference, Preference)) {
            return Some(found);
        }
        if !self.has(&[
            "train_dataset",
            "output_dir",
            "learning_rate",
            "micro_batch_size",
            "max_steps",
            "num_train_epochs",
        ]) {
            return self.no_training(&["sample_backend", "max_new_tokens"]);
        }
        self.other_tuning(&["peft_config.name"], &["lora"])
    }

    fn swift(&self) -> Option<Found> {
        if let Some((entry, kind)) = self.word("rlhf_type") {
            return Some(found(entry, Purpose::of_word(&kind).unwrap_or(Preference)));
        }
        if let Some((entry, task)) = self.word("task_type")
            && task != "causal_lm"
        {
            return Some(found(entry, Head));
        }
        if !self.has(&[
            "dataset",
            "cached_dataset",
            "learning_rate",
            "lr",
            "num_train_epochs",
            "train_iters",
            "max_steps",
            "lora_rank",
        ]) {
            let by = |keys: &[&str], purpose| self.on(keys, purpose);
            let found = by(&["quant_bits"], Quantisation)
                .or_else(|| {
                    by(&["merge_lora", "to_hf", "to_mcore", "to_ollama", "to_peft_format", "mcore_adapter"], Merge)
                })
                .or_else(|| by(&["eval_dataset", "eval_backend", "eval_url"], Evaluation));
            return found.or_else(|| {
                self.no_training(&[
                    "infer_backend",
                    "val_dataset",
                    "result_path",
                    "served_model_name",
                    "host",
                    "stream",
                    "max_new_tokens",
                ])
            });
        }
        self.on(&["reward_funcs", "num_generations", "reward_model"], Reinforcement)
            .or_else(|| self.on(&["teacher_model"], Distillation))
            .or_else(|| self.other_tuning(&["tuner_type", "train_type", "sft_type"], &["lora", "full"]))
    }

    fn trl(&self) -> Option<Found> {
        let reinforcement = [
            "num_generations",
            "reward_funcs",
            "reward_weights",
            "max_completion_length",
            "num_iterations",
            "scale_rewards",
            "use_vllm",
            "vllm_mode",
            "steps_per_generation",
            "reward_model_path",
            "sft_model_path",
            "num_ppo_epochs",
            "kl_coef",
            "cliprange",
            "vf_coef",
            "total_episodes",
        ];
        let preference = [
            "precompute_ref_log_probs",
            "f_divergence_type",
            "max_prompt_length",
            "desirable_weight",
            "undesirable_weight",
            "sync_ref_model",
            "rpo_alpha",
            "ld_alpha",
            "discopop_tau",
            "cpo_alpha",
            "simpo_gamma",
            "loss_weights",
            "beta",
        ];
        if let Some((entry, kind)) = self.word("loss_type")
            && !["nll", "chunked_nll", "dft"].contains(&kind.as_str())
            && !self.has(&["num_generations", "reward_funcs"])
        {
            return Some(found(entry, Preference));
        }
        self.on(&["center_rewards_coefficient"], Reward)
            .or_else(|| self.on(&["teacher_model_name_or_path", "lmbda", "seq_kd"], Distillation))
            .or_else(|| self.on(&reinforcement, Reinforcement))
            .or_else(|| self.on(&preference, Preference))
            .or_else(|| {
                self.entry("lora_task_type")
                    .filter(|entry| entry.value.text().as_deref() != Some("CAUSAL_LM"))
                    .map(|entry| found(entry, Head))
            })
    }

    fn axolotl(&self) -> Option<Found> {
        if let Some((entry, kind)) = self.word("rl") {
            return Some(found(entry, Purpose::of_word(&kind).unwrap_or(Preference)));
        }
        if let Some(found) = self
            .on(&["reward_model", "process_reward_model"], Reward)
            .or_else(|| self.on(&["num_labels"], Head))
            .or_else(|| self.on(&["pretraining_dataset"], Pretraining))
            .or_else(|| self.on(&["merge_lora"], Merge))
        {
            return Some(found);
        }
        if let Some(entry) = self.entry("datasets")
            && let Yaml::List(sets) = &entry.value
            && !sets.is_empty()
            && sets.iter().all(plain_text)
        {
            return Some(Found {
                evidence: "`datasets` of `type: completion`".to_owned(),
                ..found(entry, Pretraining)
            });
        }
        if !self.has(&["learning_rate", "datasets", "micro_batch_size", "num_epochs"]) {
            return self.on(&["quantization"], Quantisation);
        }
        self.entry("adapter")
            .filter(|entry| !entry.value.off())
            .and_then(|_| self.other_tuning(&["adapter"], &["lora", "qlora"]))
    }

    /// The purpose that the file's name, its output folder or its data show.
    fn named(&self, path: &str) -> Option<Found> {
        let name = std::path::Path::new(path).file_stem()?.to_string_lossy().into_owned();
        let words = |name: &str| {
            name.to_lowercase().split(|letter: char| !letter.is_ascii_alphanumeric()).any(|word| word == "sft")
        };
        let keys = ["output_dir", "run_name", "dataset_name", "train_dataset"];
        let values = || keys.iter().filter_map(|key| self.word(key));
        if words(&name) || values().any(|(_, value)| words(&value)) {
            return None;
        }
        let by_name = Purpose::of_name(&name).map(|purpose| Found {
            line: None,
            evidence: format!("the name `{name}`"),
            purpose,
        });
        by_name.or_else(|| values().find_map(|(entry, value)| Some(found(entry, Purpose::of_name(&value)?))))
    }
}

/// Whether a data set of Axolotl is plain text.
fn plain_text(set: &Yaml) -> bool {
    let Yaml::Table(keys) = set else { return false };
    keys.iter().any(|(key, value)| key == "type" && value.text().is_some_and(|kind| kind.starts_with("completion")))
}
