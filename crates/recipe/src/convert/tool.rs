//! Tools whose recipes can be translated: their characteristic keys and their defaults.

use super::yaml::Entry;

/// Tool whose recipes can be translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// LLaMA-Factory: the YAML files of `llamafactory-cli train`.
    LlamaFactory,
    /// ms-swift: the YAML files of `swift sft`.
    MsSwift,
    /// TRL: the YAML files of `trl sft`.
    Trl,
}

/// Default of another tool that differs from the default here: section, key, and value as TOML.
pub(super) type Default = (&'static str, &'static str, &'static str);

impl Tool {
    /// All tools, in the order in which messages name them.
    pub const ALL: [Self; 3] = [Self::LlamaFactory, Self::MsSwift, Self::Trl];

    /// Returns the id for the command line: `llama-factory`, `ms-swift` or `trl`.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::LlamaFactory => "llama-factory",
            Self::MsSwift => "ms-swift",
            Self::Trl => "trl",
        }
    }

    /// Returns the name as its authors write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::LlamaFactory => "LLaMA-Factory",
            Self::MsSwift => "ms-swift",
            Self::Trl => "TRL",
        }
    }

    /// Keys that only this tool has.
    fn own_keys(self) -> &'static [&'static str] {
        match self {
            Self::LlamaFactory => &[
                "stage",
                "finetuning_type",
                "lora_target",
                "template",
                "dataset_dir",
                "cutoff_len",
                "additional_target",
                "pissa_init",
                "loraplus_lr_ratio",
                "flash_attn",
                "image_max_pixels",
                "freeze_vision_tower",
                "freeze_multi_modal_projector",
                "overwrite_cache",
                "preprocessing_num_workers",
                "plot_loss",
                "val_size",
                "quantization_bit",
            ],
            Self::MsSwift => &[
                "tuner_type",
                "train_type",
                "sft_type",
                "tuner_backend",
                "model",
                "model_type",
                "freeze_vit",
                "freeze_aligner",
                "freeze_llm",
                "vit_lr",
                "aligner_lr",
                "attn_impl",
                "target_regex",
                "split_dataset_ratio",
                "quant_method",
                "lora_dtype",
                "lora_lr_ratio",
                "max_pixels",
                "system",
            ],
            Self::Trl => &[
                "use_peft",
                "lora_r",
                "lora_target_modules",
                "lora_modules_to_save",
                "lora_task_type",
                "dataset_name",
                "dataset_config",
                "dataset_train_split",
                "dataset_test_split",
                "dataset_text_field",
                "attn_implementation",
                "assistant_only_loss",
                "completion_only_loss",
                "load_in_4bit",
                "model_revision",
                "use_bnb_nested_quant",
                "dtype",
            ],
        }
    }

    /// Returns the tool with the most own keys among `entries`. None when two tools are tied, which includes no key
    /// at all.
    pub(super) fn recognise(entries: &[Entry]) -> Option<Self> {
        let count = |tool: Self| entries.iter().filter(|entry| tool.own_keys().contains(&entry.key.as_str())).count();
        let best = Self::ALL.into_iter().max_by_key(|tool| count(*tool))?;
        let rivals = Self::ALL.into_iter().filter(|tool| count(*tool) == count(best)).count();
        (rivals == 1).then_some(best)
    }

    /// Returns the defaults of the tool that differ from the defaults here. `full` says whether the recipe is
    /// full fine-tuning.
    pub(super) fn defaults(self, full: bool) -> Vec<Default> {
        let mut defaults = match self {
            Self::LlamaFactory => vec![
                ("train", "per_device_train_batch_size", "8"),
                ("train", "gradient_accumulation_steps", "1"),
                ("train", "learning_rate", "5e-5"),
                ("train", "lr_scheduler_type", "\"linear\""),
                ("train", "warmup_steps", "0"),
            ],
            Self::MsSwift => vec![
                ("train", "learning_rate", if full { "1e-5" } else { "1e-4" }),
                ("train", "weight_decay", "0.1"),
                ("train", "adam_beta2", "0.95"),
                ("train", "warmup_ratio", "0.05"),
            ],
            Self::Trl => vec![
                ("", "cutoff_len", "1024"),
                ("train", "per_device_train_batch_size", "8"),
                ("train", "gradient_accumulation_steps", "1"),
                ("train", "learning_rate", "2e-5"),
                ("train", "lr_scheduler_type", "\"linear\""),
                ("train", "warmup_steps", "0"),
            ],
        };
        match (self, full) {
            (Self::MsSwift, false) => defaults.extend([("lora", "lora_alpha", "32"), ("lora", "lora_dropout", "0.05")]),
            (Self::Trl, false) => defaults.extend([
                ("lora", "r", "16"),
                ("lora", "lora_alpha", "32"),
                ("lora", "lora_dropout", "0.05"),
                ("lora", "freeze_vision_tower", "false"),
                ("lora", "freeze_multi_modal_projector", "false"),
            ]),
            (Self::Trl, true) => defaults
                .extend([("full", "freeze_vision_tower", "false"), ("full", "freeze_multi_modal_projector", "false")]),
            _ => {}
        }
        defaults
    }
}
