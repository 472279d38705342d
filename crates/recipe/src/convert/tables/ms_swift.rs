//! Keys of ms-swift's `SftArguments`; names of its second version included.

use super::reasons::*;
use super::{swift_arguments, training_arguments};
use crate::convert::rules::*;
use crate::convert::table::{Group, Table};

/// `TrainingArguments` below the arguments that ms-swift has everywhere.
static BASE: Table = Table {
    base: Some(&training_arguments::TABLE),
    same: swift_arguments::TABLE.same,
    rules: swift_arguments::TABLE.rules,
    groups: swift_arguments::TABLE.groups,
};

/// Keys of ms-swift.
pub(in crate::convert) static TABLE: Table = Table {
    base: Some(&BASE),
    same: &[
        ("model_id_or_path", "", "model_name_or_path"),
        ("use_dora", "lora", "use_dora"),
        ("lorap_lr_ratio", "lora", "loraplus_lr_ratio"),
        ("lora_lr_ratio", "lora", "loraplus_lr_ratio"),
        ("init_weights", "lora", "init_lora_weights"),
        ("early_stop_interval", "train", "early_stopping_patience"),
    ],
    rules: &[
        ("batch_size", counted),
        ("max_epochs", epochs),
        ("lora_target_modules", targets),
        ("optimizer", |value, draft| match value.text().as_deref() {
            Some("lorap" | "multimodal") => {
                crate::convert::fate::Fate::ignored("rates of parts and LoRA+ have keys of their own")
            }
            _ => optimiser(value, draft),
        }),
    ],
    groups: &[
        Group {
            why: METHOD,
            changes: true,
            keys: &["use_galore", "lisa_activated_layers", "loss_type", "router_aux_loss_coef", "callbacks"],
        },
        Group {
            why: SWITCHED,
            changes: false,
            keys: &[
                "galore_target_modules",
                "galore_rank",
                "galore_update_proj_gap",
                "galore_scale",
                "galore_proj_type",
                "galore_optim_per_parameter",
                "galore_with_embedding",
                "galore_quantization",
                "galore_proj_quant",
                "galore_proj_bits",
                "galore_proj_group_size",
                "galore_cos_threshold",
                "galore_gamma_proj",
                "galore_queue_size",
                "lisa_step_interval",
                "lora_ga_batch_size",
                "lora_ga_iters",
                "lora_ga_max_length",
                "lora_ga_direction",
                "lora_ga_scale",
                "lora_ga_stable_gamma",
                "fourier_n_frequency",
                "fourier_scaling",
                "boft_block_size",
                "boft_block_num",
                "boft_n_butterfly_factor",
                "boft_dropout",
                "vera_rank",
                "vera_projection_prng_key",
                "vera_dropout",
                "vera_d_initial",
                "adapter_act",
                "adapter_length",
                "adalora_target_r",
                "adalora_init_r",
                "adalora_tinit",
                "adalora_tfinal",
                "adalora_deltaT",
                "adalora_beta1",
                "adalora_beta2",
                "adalora_orth_reg_weight",
                "llamapro_num_new_blocks",
                "llamapro_num_groups",
                "reft_layer_key",
                "reft_layers",
                "reft_rank",
                "reft_intervention_type",
                "reft_args",
                "mrl_dims",
            ],
        },
        Group {
            why: TESTING,
            changes: false,
            keys: &[
                "eval_use_evalscope",
                "eval_dataset",
                "eval_dataset_args",
                "eval_limit",
                "eval_generation_config",
                "extra_eval_args",
                "eval_metric",
                "metric",
                "eval_num_proc",
            ],
        },
        Group {
            why: MACHINE,
            changes: false,
            keys: &["use_logits_to_keep", "ds3_gather_for_generation", "use_flash_attn"],
        },
    ],
};
