//! Keys of Megatron-SWIFT's `MegatronSftArguments`; older names of Megatron-LM included.

use super::reasons::*;
use super::swift_arguments;
use crate::convert::draft::Draft;
use crate::convert::fate::Fate;
use crate::convert::rules::*;
use crate::convert::table::{Group, Table};
use crate::convert::yaml::Yaml;

/// Keys of ms-swift's `megatron` command.
pub(in crate::convert) static TABLE: Table = Table {
    base: Some(&swift_arguments::TABLE),
    same: &[
        ("lr", "train", "learning_rate"),
        ("weight_decay", "train", "weight_decay"),
        ("adam_beta1", "train", "adam_beta1"),
        ("adam_beta2", "train", "adam_beta2"),
        ("adam_eps", "train", "adam_epsilon"),
        ("clip_grad", "train", "max_grad_norm"),
        ("logging_steps", "train", "logging_steps"),
        ("log_interval", "train", "logging_steps"),
        ("save", "", "output_dir"),
        ("save_interval", "train", "save_steps"),
        ("save_total_limit", "train", "save_total_limit"),
    ],
    rules: &[
        ("micro_batch_size", counted),
        ("global_batch_size", counted),
        ("train_iters", train_iters),
        ("num_train_epochs", epochs),
        ("max_epochs", epochs),
        ("save_steps", save_steps),
        ("lr_decay_style", |value, draft| draft.put("train", "lr_scheduler_type", value)),
        ("lr_warmup_iters", warmup_steps),
        ("lr_warmup_fraction", warmup_ratio),
        ("min_lr", |value, _| Fate::ignored_if(value.number() == Some(0.0), "the schedule ends at 0")),
        ("lr_warmup_init", |value, _| Fate::ignored_if(value.number() == Some(0.0), "the warm-up begins at 0")),
        ("optimizer", optimiser),
        ("recompute_granularity", recompute),
    ],
    groups: &[
        Group {
            why: METHOD,
            changes: true,
            keys: &[
                "lr_decay_iters",
                "weight_decay_incr_style",
                "start_weight_decay",
                "end_weight_decay",
                "moe_aux_loss_coeff",
                "moe_z_loss_coeff",
                "mtp_num_layers",
                "fp8_format",
                "fp4_format",
                "apply_wd_to_qk_layernorm",
                "language_model_only",
                "callbacks",
            ],
        },
        Group {
            why: SWITCHED,
            changes: false,
            keys: &[
                "lr_wsd_decay_style",
                "lr_wsd_decay_iters",
                "sgd_momentum",
                "muon_momentum",
                "muon_split_qkv",
                "muon_use_nesterov",
                "muon_scale_mode",
                "muon_num_ns_steps",
                "mtp_loss_scaling_factor",
                "fp8_recipe",
                "fp8_param_gather",
                "fp8_amax_history_len",
                "fp8_amax_compute_algo",
                "ref_model",
                "ref_adapters",
            ],
        },
        Group {
            why: TESTING,
            changes: false,
            keys: &["eval_iters", "eval_steps", "eval_interval", "metric_for_best_model", "greater_is_better"],
        },
        Group {
            why: LOGGING,
            changes: false,
            keys: &[
                "tensorboard_dir",
                "tensorboard_queue_size",
                "wandb_project",
                "wandb_exp_name",
                "log_throughput",
                "log_memory_to_tensorboard",
            ],
        },
        Group {
            why: CHECKPOINTS,
            changes: false,
            keys: &[
                "no_save_optim",
                "no_save_rng",
                "async_save",
                "use_persistent_ckpt_worker",
                "dist_ckpt_save_pre_mcore_014",
                "save_missing_weights",
            ],
        },
        Group {
            why: RESUME,
            changes: false,
            keys: &[
                "no_load_optim",
                "no_load_rng",
                "finetune",
                "load",
                "mcore_model",
                "mcore_adapter",
                "load_safetensors",
            ],
        },
        Group {
            why: MACHINE,
            changes: false,
            keys: &[
                "recompute_method",
                "recompute_num_layers",
                "recompute_modules",
                "masked_softmax_fusion",
                "bias_dropout_fusion",
                "bias_activation_fusion",
                "bias_swiglu_fusion",
                "apply_rope_fusion",
                "gradient_accumulation_fusion",
                "cross_entropy_loss_fusion",
                "cross_entropy_fusion_impl",
                "calculate_per_token_loss",
                "attention_backend",
                "optimizer_cpu_offload",
                "optimizer_offload_fraction",
                "use_precision_aware_optimizer",
                "main_grads_dtype",
                "main_params_dtype",
                "exp_avg_dtype",
                "exp_avg_sq_dtype",
                "manual_gc",
                "manual_gc_steps",
                "manual_gc_eval",
                "num_workers",
                "data_sharding",
                "te_rng_tracker",
                "mlp_padding_free",
                "attention_softmax_in_fp32",
                "accumulate_allreduce_grads_in_fp32",
                "vit_gradient_checkpointing_kwargs",
                "megatron_extra_kwargs",
                "use_cpu_initialization",
                "skip_megatron_init",
                "bridge_backend",
                "local_rank",
            ],
        },
        Group {
            why: ONE_DEVICE,
            changes: false,
            keys: &[
                "use_distributed_optimizer",
                "use_megatron_fsdp",
                "data_parallel_sharding_strategy",
                "tensor_model_parallel_size",
                "pipeline_model_parallel_size",
                "decoder_first_pipeline_num_layers",
                "decoder_last_pipeline_num_layers",
                "overlap_p2p_comm",
                "align_param_gather",
                "sequence_parallel",
                "context_parallel_size",
                "tp_comm_overlap",
                "overlap_grad_reduce",
                "overlap_param_gather",
                "virtual_pipeline_model_parallel_size",
                "pipeline_model_parallel_layout",
                "expert_model_parallel_size",
                "expert_tensor_parallel_size",
                "moe_router_load_balancing_type",
                "moe_router_dtype",
                "moe_token_dispatcher_type",
                "moe_enable_deepep",
                "moe_grouped_gemm",
                "moe_permute_fusion",
                "moe_shared_expert_overlap",
                "moe_layer_recompute",
                "moe_expert_capacity_factor",
                "moe_pad_expert_input_to_capacity",
                "moe_token_drop_policy",
            ],
        },
    ],
};

fn recompute(value: &Yaml, draft: &mut Draft<'_>) -> Fate {
    match value.text().as_deref() {
        Some("full") => draft.put("train", "gradient_checkpointing", &Yaml::Flag(true)),
        _ => Fate::ignored("activations are stored or, with `gradient_checkpointing = true`, all recomputed"),
    }
}

/// Epochs take precedence over a number of steps.
fn train_iters(value: &Yaml, draft: &mut Draft<'_>) -> Fate {
    if ["num_train_epochs", "max_epochs"].iter().any(|key| draft.value(key).is_some()) {
        return Fate::ignored("the number of epochs ends the run, there and here");
    }
    max_steps(value, draft)
}
