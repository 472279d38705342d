//! Keys of LLaMA-Factory's `v1` trainers. Keys of nested tables are joined by dots.

use super::reasons::*;
use crate::convert::draft::Draft;
use crate::convert::fate::Fate;
use crate::convert::rules::*;
use crate::convert::table::{Group, Table};
use crate::convert::yaml::Yaml;

/// Keys of LLaMA-Factory's trainers in `v1`.
pub(in crate::convert) static TABLE: Table = Table {
    base: None,
    same: &[
        ("model", "", "model_name_or_path"),
        ("output_dir", "", "output_dir"),
        ("seed", "", "seed"),
        ("cutoff_len", "", "cutoff_len"),
        ("learning_rate", "train", "learning_rate"),
        ("max_grad_norm", "train", "max_grad_norm"),
        ("enable_activation_checkpointing", "train", "gradient_checkpointing"),
        ("logging_steps", "train", "logging_steps"),
        ("save_steps", "train", "save_steps"),
        ("save_total_limit", "train", "save_total_limit"),
        ("peft_config.r", "lora", "r"),
        ("peft_config.lora_alpha", "lora", "lora_alpha"),
        ("peft_config.lora_dropout", "lora", "lora_dropout"),
        ("peft_config.use_rslora", "lora", "use_rslora"),
        ("peft_config.use_dora", "lora", "use_dora"),
        ("peft_config.modules_to_save", "lora", "modules_to_save"),
        ("quant_config.double_quantization", "train", "bnb_4bit_use_double_quant"),
    ],
    rules: &[
        ("micro_batch_size", counted),
        ("global_batch_size", counted),
        ("num_train_epochs", epochs),
        ("max_steps", max_steps),
        ("bf16", bf16),
        ("peft_config.name", used),
        ("peft_config.target_modules", targets),
        ("peft_config.adapter_name_or_path", adapter),
        ("quant_config.name", quantiser),
        ("quant_config.quantization_bit", bits),
        ("quant_config.quantization_type", quant_type),
        ("quant_config.compute_dtype", compute_dtype),
        ("optim_config.name", optimiser),
        ("save_epochs", |value, _| {
            Fate::ignored_if(value.number() == Some(1.0), "a checkpoint is written at the end of every epoch")
        }),
        ("batching_strategy", batching),
        ("lr_scheduler_config.name", |value, draft| draft.put("train", "lr_scheduler_type", value)),
    ],
    groups: &[
        Group { why: DATA, changes: true, keys: &["train_dataset"] },
        Group { why: TESTING, changes: false, keys: &["eval_dataset"] },
        Group { why: TEMPLATE, changes: true, keys: &["custom_chat_template"] },
        Group { why: CODE, changes: false, keys: &["trust_remote_code"] },
        Group { why: GENERATION, changes: false, keys: &["sample_backend", "max_new_tokens"] },
        Group {
            why: SWITCHED,
            changes: false,
            keys: &[
                "pref_loss",
                "pref_beta",
                "pref_ftx",
                "simpo_gamma",
                "dpo_label_smoothing",
                "ld_alpha",
                "optim_config.wd",
                "optim_config.momentum",
                "optim_config.nesterov",
                "optim_config.ns_steps",
                "optim_config.adamw_betas",
                "optim_config.adamw_eps",
            ],
        },
        Group {
            why: EXPORT,
            changes: false,
            keys: &[
                "peft_config.export_dir",
                "peft_config.export_size",
                "peft_config.export_hub_model_id",
                "peft_config.infer_dtype",
                "peft_config.export_legacy_format",
            ],
        },
        Group { why: "`learning_rate` is used, there and here", changes: false, keys: &["optim_config.lr"] },
        Group { why: MODEL, changes: false, keys: &["model_class", "init_config.name"] },
        Group {
            why: MACHINE,
            changes: false,
            keys: &[
                "flash_attn",
                "kernel_config.name",
                "kernel_config.include_kernels",
                "kernel_config.chunk_size",
                "batching_workers",
                "full_determinism",
                "peft_config.cast_trainable_params_to_fp32",
            ],
        },
        Group {
            why: ONE_DEVICE,
            changes: false,
            keys: &[
                "dist_config.name",
                "dist_config.dcp_path",
                "dist_config.config_file",
                "dist_config.ep_size",
                "dist_config.ep_dispatcher",
                "dp_size",
                "cp_size",
                "cp_mode",
                "mp_replicate_size",
                "mp_shard_size",
                "dist_timeout",
            ],
        },
        Group { why: CHECKPOINTS, changes: false, keys: &["save_ckpt_as_hf"] },
        Group { why: RESUME, changes: false, keys: &["resume_from_checkpoint"] },
    ],
};

/// Tables whose keys are joined to the key by a dot.
pub(in crate::convert) const NESTED: &[&str] = &[
    "peft_config",
    "quant_config",
    "kernel_config",
    "dist_config",
    "optim_config",
    "lr_scheduler_config",
    "init_config",
];

fn batching(value: &Yaml, _: &mut Draft<'_>) -> Fate {
    let counts = ["normal", "padding_free"].contains(&value.text().unwrap_or_default().as_str());
    Fate::ignored_if(counts, "a micro-batch holds a number of cases, not of tokens")
}
