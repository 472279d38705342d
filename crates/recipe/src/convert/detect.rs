//! Finds the purpose of a file by its keys, where they are not those of supervised fine-tuning.

use super::purpose::Purpose::*;
use super::purpose::{Found, Purpose};
use super::tool::Tool;
use super::yaml::{Entry, Yaml};

/// Finds what the file is for by its keys. Returns None for supervised fine-tuning, also when nothing shows a purpose.
///
/// The file name in `path`, the output folder and the names of the data are used only for TRL and LLaMA-Factory v1,
/// whose files do not name the trainer, and only when the entries do not come from a `command`, which does.
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

/// Finds what a file is for that no training tool reads as a recipe: settings of a launcher (Accelerate or DeepSpeed),
/// shown by the first of its keys among `entries`, or a merge of models (mergekit). None for other files.
pub(super) fn of_no_training_tool(entries: &[Entry]) -> Option<Found> {
    let file = File { entries };
    if file.has(&["models", "slices", "modules"])
        && !file.has(&["datasets"])
        && let Some(entry) = file.entry("merge_method")
    {
        return Some(found(entry, Merge));
    }
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

    /// The entry at `key` with its value in lower case. None when the value is a variable that is not known: the default
    /// of the tool is used then.
    fn choice(&self, key: &str) -> Option<(&'a Entry, String)> {
        self.word(key).filter(|(entry, _)| entry.value.unresolved().is_none())
    }

    /// A kind of tuning that is none of `known`.
    fn other_tuning(&self, keys: &[&str], known: &[&str]) -> Option<Found> {
        let (entry, word) = keys.iter().find_map(|key| self.choice(key))?;
        (!known.contains(&word.as_str())).then(|| found(entry, OtherTuning))
    }

    fn llama_factory(&self) -> Option<Found> {
        let quantised = self.on(&["export_quantization_bit"], Quantisation);
        if let Some(found) = quantised.or_else(|| self.on(&["export_dir"], Merge)) {
            return Some(found);
        }
        if let Some((entry, stage)) = self.choice("stage")
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
        if let Some((entry, task)) = self.choice("task_type")
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
        if let Some((entry, kind)) = self.choice("loss_type")
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
            return self.on(&["quantization"], Quantisation).or_else(|| self.on(&["merge_method"], Merge));
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
