//! Keys that ms-swift has with and without Megatron: model, data, template, adapters.

use super::reasons::*;
use crate::convert::draft::Draft;
use crate::convert::fate::Fate;
use crate::convert::rules::*;
use crate::convert::table::{Group, TUNING, Table};
use crate::convert::yaml::Yaml;

/// Keys that both commands of ms-swift have.
pub(super) static TABLE: Table = Table {
    base: None,
    same: &[
        ("model", "", "model_name_or_path"),
        ("output_dir", "", "output_dir"),
        ("seed", "", "seed"),
        ("max_length", "", "cutoff_len"),
        ("lora_rank", "lora", "r"),
        ("lora_alpha", "lora", "lora_alpha"),
        ("lora_dropout", "lora", "lora_dropout"),
        ("modules_to_save", "lora", "modules_to_save"),
        ("use_rslora", "lora", "use_rslora"),
        ("freeze_vit", TUNING, "freeze_vision_tower"),
        ("freeze_aligner", TUNING, "freeze_multi_modal_projector"),
        ("bnb_4bit_use_double_quant", "train", "bnb_4bit_use_double_quant"),
    ],
    rules: &[
        ("tuner_type", tuner),
        ("train_type", tuner),
        ("sft_type", tuner),
        ("adapters", adapter),
        ("target_modules", targets),
        ("target_regex", |value, draft| draft.put("lora", "target_modules", value)),
        ("freeze_llm", freeze_decoder),
        ("vit_lr", vision_rate),
        ("aligner_lr", connector_rate),
        ("torch_dtype", dtype),
        ("bf16", bf16),
        ("report_to", report_to),
        ("save_strategy", save_strategy),
        ("quant_bits", bits),
        ("quant_method", quantiser),
        ("bnb_4bit_quant_type", quant_type),
        ("bnb_4bit_compute_dtype", compute_dtype),
        ("lora_dtype", |value, _| {
            Fate::ignored_if(value.text().as_deref() == Some("float32"), "adapters are held in float32")
        }),
        ("lora_bias", |value, _| Fate::ignored_if(value.text().as_deref() == Some("none"), "LoRA trains no biases")),
        ("loss_scale", loss_scale),
        ("task_type", |value, _| {
            Fate::ignored_if(value.text().as_deref() == Some("causal_lm"), "the model predicts tokens")
        }),
        ("split_dataset_ratio", |value, _| {
            Fate::ignored_if(value.number() == Some(0.0), "the split of each case decides what is evaluated")
        }),
    ],
    groups: &[
        Group { why: FP16, changes: true, keys: &["fp16"] },
        Group {
            why: DATA,
            changes: true,
            keys: &["dataset", "cached_dataset", "custom_dataset_info", "custom_register_path", "external_plugins"],
        },
        Group { why: TESTING, changes: false, keys: &["val_dataset", "cached_val_dataset", "val_dataset_shuffle"] },
        Group {
            why: DATA_READING,
            changes: false,
            keys: &[
                "dataset_num_proc",
                "load_from_cache_file",
                "streaming",
                "interleave_prob",
                "stopping_strategy",
                "shuffle_buffer_size",
                "download_mode",
                "columns",
                "strict",
                "remove_unused_columns",
                "disable_auto_column_mapping",
                "lazy_tokenize",
                "packing_num_proc",
                "preprocess_num_proc",
            ],
        },
        Group {
            why: "the order is always shuffled",
            changes: false,
            keys: &["dataset_shuffle", "train_dataloader_shuffle"],
        },
        Group { why: SEED, changes: false, keys: &["data_seed"] },
        Group { why: SAMPLES, changes: true, keys: &["train_dataset_sample"] },
        Group { why: TEMPLATE, changes: true, keys: &["system", "template", "agent_template", "response_prefix"] },
        Group {
            why: TEMPLATE,
            changes: false,
            keys: &[
                "template_backend",
                "use_chat_template",
                "padding_side",
                "enable_thinking",
                "preserve_thinking",
                "add_non_thinking_prefix",
                "disable_ignore_empty_think",
                "is_binary_loss_scale",
            ],
        },
        Group { why: NOT_CUT, changes: false, keys: &["truncation_strategy", "max_model_len"] },
        Group { why: PIXELS, changes: true, keys: &["max_pixels", "model_kwargs"] },
        Group { why: OTHER_MEDIA, changes: false, keys: &["norm_bbox"] },
        Group { why: PACKING, changes: true, keys: &["packing"] },
        Group { why: UNPACKED, changes: false, keys: &["packing_length", "packing_strategy"] },
        Group { why: PADDING, changes: false, keys: &["padding_free"] },
        Group { why: TOKENIZER, changes: true, keys: &["new_special_tokens"] },
        Group { why: MODEL, changes: true, keys: &["rope_scaling", "num_labels", "problem_type"] },
        Group { why: "the type is read from the model's folder", changes: false, keys: &["model_type"] },
        Group { why: MODEL, changes: false, keys: &["init_strategy", "local_repo_path"] },
        Group {
            why: FREEZING,
            changes: true,
            keys: &[
                "freeze_parameters",
                "freeze_parameters_regex",
                "freeze_parameters_ratio",
                "trainable_parameters",
                "trainable_parameters_regex",
            ],
        },
        Group {
            why: METHOD,
            changes: true,
            keys: &["group_by_length", "target_parameters", "enable_dft_loss", "use_swift_lora"],
        },
        Group {
            why: NETWORK,
            changes: false,
            keys: &["use_hf", "hub_token", "model_revision", "model_name", "model_author"],
        },
        Group { why: RESUME, changes: false, keys: &["resume_from_checkpoint", "resume_only_model"] },
        Group {
            why: CHECKPOINTS,
            changes: false,
            keys: &[
                "add_version",
                "create_checkpoint_symlink",
                "save_only_model",
                "safe_serialization",
                "save_safetensors",
                "max_shard_size",
            ],
        },
        Group {
            why: "`stepwise export --format merged` merges the adapter after the run",
            changes: false,
            keys: &["merge_lora"],
        },
        Group {
            why: GENERATION,
            changes: false,
            keys: &[
                "max_new_tokens",
                "temperature",
                "top_k",
                "top_p",
                "repetition_penalty",
                "num_beams",
                "stream",
                "stop_words",
                "logprobs",
                "top_logprobs",
                "structured_outputs_regex",
                "infer_backend",
            ],
        },
        Group {
            why: LOGGING,
            changes: false,
            keys: &[
                "enable_channel_loss",
                "acc_strategy",
                "swanlab_token",
                "swanlab_project",
                "swanlab_workspace",
                "swanlab_exp_name",
                "swanlab_notification_method",
                "swanlab_webhook_url",
                "swanlab_secret",
                "swanlab_sender_email",
                "swanlab_receiver_email",
                "swanlab_smtp_server",
                "swanlab_smtp_port",
                "swanlab_email_language",
                "swanlab_mode",
            ],
        },
        Group {
            why: MACHINE,
            changes: false,
            keys: &[
                "tuner_backend",
                "attn_impl",
                "experts_impl",
                "device_map",
                "max_memory",
                "ddp_timeout",
                "ddp_backend",
                "ignore_args_error",
                "load_args",
                "load_data_args",
                "enable_npu_model_patch",
                "check_model",
                "bnb_4bit_quant_storage",
                "hqq_axis",
                "vit_gradient_checkpointing",
                "vit_attn_impl",
                "dataloader_num_workers",
                "dataloader_pin_memory",
                "dataloader_persistent_workers",
                "dataloader_prefetch_factor",
                "use_flash_ckpt",
                "ENV",
            ],
        },
        Group {
            why: ONE_DEVICE,
            changes: false,
            keys: &[
                "sequence_parallel_size",
                "zero_hpz_partition_size",
                "deepspeed_autotp_size",
                "use_ray",
                "ray_exp_name",
                "device_groups",
            ],
        },
    ],
};

fn tuner(value: &Yaml, draft: &mut Draft<'_>) -> Fate {
    draft.put("", "finetuning_type", value)
}

fn loss_scale(value: &Yaml, _: &mut Draft<'_>) -> Fate {
    let answers = ["default", "last_round"].contains(&value.text().unwrap_or_default().as_str());
    Fate::ignored_if(answers, ANSWERS)
}
