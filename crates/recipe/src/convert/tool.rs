//! Tools whose files can be translated: their keys and their defaults.

use super::draft::Draft;
use super::table::{TUNING, Table};
use super::tables::{axolotl, llama_factory, llama_factory_v1, megatron_swift, ms_swift, trl};
use super::yaml::{Entry, Yaml};

/// A tool whose files can be translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// LLaMA-Factory.
    LlamaFactory,
    /// LLaMA-Factory's trainers in `v1`, whose files have nested tables.
    LlamaFactoryV1,
    /// ms-swift.
    MsSwift,
    /// ms-swift's `megatron` command.
    MegatronSwift,
    /// TRL's `sft` command and scripts.
    Trl,
    /// Axolotl.
    Axolotl,
}

/// Default of another tool that differs from the default here: section, key, and value as TOML.
pub(super) type Default = (&'static str, &'static str, &'static str);

impl Tool {
    /// All tools.
    pub const ALL: [Self; 6] =
        [Self::LlamaFactory, Self::LlamaFactoryV1, Self::MsSwift, Self::MegatronSwift, Self::Trl, Self::Axolotl];

    /// Returns the id for the command line, such as `llama-factory`.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::LlamaFactory => "llama-factory",
            Self::LlamaFactoryV1 => "llama-factory-v1",
            Self::MsSwift => "ms-swift",
            Self::MegatronSwift => "megatron-swift",
            Self::Trl => "trl",
            Self::Axolotl => "axolotl",
        }
    }

    /// Returns the name as the tool's authors write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::LlamaFactory => "LLaMA-Factory",
            Self::LlamaFactoryV1 => "LLaMA-Factory v1",
            Self::MsSwift => "ms-swift",
            Self::MegatronSwift => "Megatron-SWIFT",
            Self::Trl => "TRL",
            Self::Axolotl => "Axolotl",
        }
    }

    /// Returns the table of the tool's keys.
    pub(super) fn table(self) -> &'static Table {
        match self {
            Self::LlamaFactory => &llama_factory::TABLE,
            Self::LlamaFactoryV1 => &llama_factory_v1::TABLE,
            Self::MsSwift => &ms_swift::TABLE,
            Self::MegatronSwift => &megatron_swift::TABLE,
            Self::Trl => &trl::TABLE,
            Self::Axolotl => &axolotl::TABLE,
        }
    }

    /// Returns the names of tables in the tool's files whose keys are joined to the name by a dot, as in
    /// `peft_config.name`. Empty for tools whose files are flat.
    pub(super) fn nested(self) -> &'static [&'static str] {
        match self {
            Self::LlamaFactoryV1 => llama_factory_v1::NESTED,
            _ => &[],
        }
    }

    /// Returns the tool, of those in `among`, that has the most of `entries` as keys. None when two tools have equally
    /// many, when no tool has any, or `among` is empty.
    pub(super) fn recognise(entries: &[Entry], among: &[Self]) -> Option<Self> {
        let count = |tool: Self| tool.count(entries);
        let best = among.iter().copied().max_by_key(|tool| count(*tool))?;
        let rivals = among.iter().filter(|tool| count(**tool) == count(best)).count();
        (rivals == 1 && count(best) > 0).then_some(best)
    }

    /// Number of `entries` that are keys of the tool.
    fn count(self, entries: &[Entry]) -> usize {
        let has = |key: &str| self.table().meaning(key).is_some() || self.nested().contains(&key);
        entries.iter().filter(|entry| has(&entry.key)).count()
    }

    /// Returns whether the tool has at least one of `entries` as a key and no other tool has more of them.
    pub(super) fn knows(self, entries: &[Entry]) -> bool {
        let most = Self::ALL.into_iter().map(|tool| tool.count(entries)).max();
        Some(self.count(entries)) == most && most > Some(0)
    }

    /// Returns whether the file trains the model's own weights instead of adapters; where no key says so, the tool's
    /// default decides.
    pub(super) fn is_full(self, entries: &[Entry]) -> bool {
        let value = |key: &str| entries.iter().rev().find(|entry| entry.key == key).map(|entry| &entry.value);
        let word = |keys: &[&str]| keys.iter().find_map(|key| value(key).and_then(Yaml::text));
        match self {
            Self::Trl => value("use_peft").and_then(Yaml::flag) != Some(true),
            Self::LlamaFactory => word(&["finetuning_type"]).as_deref() == Some("full"),
            Self::LlamaFactoryV1 => word(&["peft_config.name"]).is_none(),
            Self::MsSwift => word(&["tuner_type", "train_type", "sft_type"]).as_deref() == Some("full"),
            Self::MegatronSwift => {
                !matches!(word(&["tuner_type", "train_type"]).as_deref(), Some(kind) if kind != "full")
            }
            Self::Axolotl => value("adapter").is_none_or(Yaml::off),
        }
    }

    /// Returns the tool's defaults that differ from those of Stepwise and change the training, whether or not the file
    /// sets the keys. Some depend on keys of the file in `draft`. Batch sizes are in [`super::batch`].
    pub(super) fn defaults(self, draft: &Draft<'_>) -> Vec<Default> {
        let rate = if draft.full { "1e-5" } else { "1e-4" };
        let mut defaults: Vec<Default> = match self {
            Self::LlamaFactory => vec![
                ("train", "learning_rate", "5e-5"),
                ("train", "lr_scheduler_type", "\"linear\""),
                ("train", "warmup_steps", "0"),
                ("train", "gradient_checkpointing", "true"),
            ],
            Self::LlamaFactoryV1 => vec![
                ("train", "learning_rate", "1e-4"),
                ("train", "lr_scheduler_type", "\"constant\""),
                ("train", "weight_decay", "0.01"),
                ("train", "bf16", "true"),
                ("train", "gradient_checkpointing", "true"),
                ("train", "save_steps", "0"),
            ],
            Self::MsSwift => vec![
                ("train", "learning_rate", rate),
                ("train", "weight_decay", "0.1"),
                ("train", "adam_beta2", "0.95"),
                ("train", "warmup_ratio", "0.0"),
                ("train", "gradient_checkpointing", "true"),
            ],
            Self::MegatronSwift => vec![
                ("train", "learning_rate", rate),
                ("train", "weight_decay", "0.1"),
                ("train", "adam_beta2", "0.95"),
                ("train", "warmup_steps", "0"),
            ],
            Self::Trl => vec![
                ("", "cutoff_len", "1024"),
                ("train", "learning_rate", "2e-5"),
                ("train", "lr_scheduler_type", "\"linear\""),
                ("train", "warmup_steps", "0"),
                ("train", "gradient_checkpointing", "true"),
            ],
            Self::Axolotl => {
                vec![("", "output_dir", "\"model-out\""), ("", "cutoff_len", "512"), ("train", "num_train_epochs", "1")]
            }
        };
        if self == Self::Trl && !draft.is("fp16", true) {
            defaults.push(("train", "bf16", "true"));
        }
        let formats = ["fp16", "float16", "float32", "bfloat16"];
        let other_format = formats.iter().any(|key| draft.is(key, true));
        // `bf16:` without a value switches bf16 off there; without the key it is on where the device has it.
        if self == Self::Axolotl && !other_format && !draft.mentions("bf16") {
            defaults.push(("train", "bf16", "true"));
        }
        if self == Self::Trl && draft.is("load_in_4bit", true) {
            defaults.push(("train", "bnb_4bit_use_double_quant", "false"));
        }
        if self == Self::Axolotl && draft.says("adapter", "qlora") {
            defaults.push(("train", "load_in_4bit", "true"));
        }
        if matches!(self, Self::Trl | Self::Axolotl | Self::LlamaFactoryV1) {
            // These tools freeze no part: adapters go into vision tower and connector too.
            defaults
                .extend([(TUNING, "freeze_vision_tower", "false"), (TUNING, "freeze_multi_modal_projector", "false")]);
        }
        if !draft.full {
            defaults.extend(match self {
                Self::MsSwift | Self::MegatronSwift => {
                    vec![("lora", "lora_alpha", "32"), ("lora", "lora_dropout", "0.05")]
                }
                Self::Trl => {
                    vec![("lora", "r", "16"), ("lora", "lora_alpha", "32"), ("lora", "lora_dropout", "0.05")]
                }
                Self::LlamaFactoryV1 => vec![("lora", "lora_alpha", "16"), ("lora", "lora_dropout", "0.05")],
                Self::LlamaFactory | Self::Axolotl => Vec::new(),
            });
        }
        defaults
    }
}
