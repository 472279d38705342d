//! Keys of TRL's `SFTConfig`, `ModelConfig` and `ScriptArguments`.

use super::reasons::*;
use super::training_arguments;
use crate::convert::draft::Draft;
use crate::convert::fate::Fate;
use crate::convert::rules::*;
use crate::convert::table::{Group, Table};
use crate::convert::yaml::Yaml;

/// Keys of TRL's `sft` command and scripts.
pub(in crate::convert) static TABLE: Table = Table {
    base: Some(&training_arguments::TABLE),
    same: &[
        ("model_name_or_path", "", "model_name_or_path"),
        ("max_length", "", "cutoff_len"),
        ("max_seq_length", "", "cutoff_len"),
        ("lora_r", "lora", "r"),
        ("lora_alpha", "lora", "lora_alpha"),
        ("lora_dropout", "lora", "lora_dropout"),
        ("lora_modules_to_save", "lora", "modules_to_save"),
        ("use_rslora", "lora", "use_rslora"),
        ("use_dora", "lora", "use_dora"),
        ("load_in_4bit", "train", "load_in_4bit"),
        ("use_bnb_nested_quant", "train", "bnb_4bit_use_double_quant"),
    ],
    rules: &[
        ("use_peft", used),
        ("lora_target_modules", targets),
        ("bnb_4bit_quant_type", quant_type),
        ("dtype", dtype),
        ("torch_dtype", dtype),
        ("assistant_only_loss", answers_only),
        ("completion_only_loss", answers_only),
        ("loss_type", loss_type),
        ("use_liger", |_, _| Fate::ignored(MACHINE)),
    ],
    groups: &[
        Group {
            why: DATA,
            changes: true,
            keys: &["dataset_name", "dataset_config", "dataset_train_split", "dataset_text_field", "datasets"],
        },
        Group {
            why: DATA_READING,
            changes: false,
            keys: &["dataset_num_proc", "dataset_kwargs", "dataset_streaming", "streaming", "dataset_batch_size"],
        },
        Group { why: TESTING, changes: false, keys: &["dataset_test_split", "test_split_size", "eval_packing"] },
        Group { why: PACKING, changes: true, keys: &["packing"] },
        Group { why: UNPACKED, changes: false, keys: &["packing_strategy"] },
        Group { why: PADDING, changes: false, keys: &["padding_free"] },
        Group { why: SWITCHED, changes: false, keys: &["lora_target_parameters"] },
        Group { why: TEMPLATE, changes: true, keys: &["chat_template_path"] },
        Group { why: TOKENIZER, changes: true, keys: &["eos_token", "pad_token"] },
        Group { why: NOT_CUT, changes: false, keys: &["truncation_mode"] },
        Group { why: EIGHT_BITS, changes: true, keys: &["load_in_8bit"] },
        Group { why: MODEL, changes: false, keys: &["model_init_kwargs", "router_aux_loss_coef", "lora_task_type"] },
        Group { why: METHOD, changes: true, keys: &["use_dft_loss"] },
        Group { why: "the order is always shuffled", changes: false, keys: &["shuffle_dataset"] },
        Group { why: CODE, changes: false, keys: &["trust_remote_code"] },
        Group { why: NETWORK, changes: false, keys: &["model_revision"] },
        Group {
            why: MACHINE,
            changes: false,
            keys: &[
                "attn_implementation",
                "pad_to_multiple_of",
                "bnb_4bit_quant_storage",
                "ignore_bias_buffers",
                "env",
                "concurrency",
            ],
        },
        Group {
            why: ONE_DEVICE,
            changes: false,
            keys: &["accelerate_config", "config_file", "num_processes", "num_machines"],
        },
    ],
};

fn loss_type(value: &Yaml, _: &mut Draft<'_>) -> Fate {
    let text = value.text().unwrap_or_default();
    Fate::ignored_if(["nll", "chunked_nll"].contains(&text.as_str()), "the loss is the negative log-likelihood")
}
