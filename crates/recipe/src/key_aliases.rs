//! Hints for unknown keys: misspelt keys, keys of other tools, and common keys that are not supported yet.

use stepwise_config::unknown_keys::ForeignKeys;

/// Names that other tools or people use, each with the recipe's key.
const ALIASES: &[(&str, &str)] = &[
    ("adam_eps", "adam_epsilon"),
    ("adapter_dropout", "lora_dropout"),
    ("adapters", "adapter_name_or_path"),
    ("additional_target", "modules_to_save"),
    ("aligner_lr", "multi_modal_projector_lr"),
    ("alpha", "lora_alpha"),
    ("base_model", "model_name_or_path"),
    ("batch_size", "per_device_train_batch_size"),
    ("beta1", "adam_beta1"),
    ("beta2", "adam_beta2"),
    ("betas", "adam_beta1"),
    ("clip_grad", "max_grad_norm"),
    ("clip_grad_norm", "max_grad_norm"),
    ("connector_lr", "multi_modal_projector_lr"),
    ("data_path", "dataset"),
    ("dataset_dir", "dataset"),
    ("dataset_path", "dataset"),
    ("do_resize_and_split", "do_image_splitting"),
    ("dora", "use_dora"),
    ("double_quantization", "bnb_4bit_use_double_quant"),
    ("dropout", "lora_dropout"),
    ("early_stopping", "early_stopping_patience"),
    ("early_stopping_steps", "early_stopping_patience"),
    ("epochs", "num_train_epochs"),
    ("eps", "adam_epsilon"),
    ("freeze_aligner", "freeze_multi_modal_projector"),
    ("freeze_backbone", "freeze_language_model"),
    ("freeze_connector", "freeze_multi_modal_projector"),
    ("freeze_language", "freeze_language_model"),
    ("freeze_llm", "freeze_language_model"),
    ("freeze_projector", "freeze_multi_modal_projector"),
    ("freeze_vision", "freeze_vision_tower"),
    ("freeze_vision_model", "freeze_vision_tower"),
    ("freeze_vit", "freeze_vision_tower"),
    ("grad_accum", "gradient_accumulation_steps"),
    ("grad_accum_steps", "gradient_accumulation_steps"),
    ("gradient_accumulation", "gradient_accumulation_steps"),
    ("gradient_clip_val", "max_grad_norm"),
    ("gradient_clipping", "max_grad_norm"),
    ("image_do_pan_and_scan", "do_pan_and_scan"),
    ("init_weights", "init_lora_weights"),
    ("keep_checkpoints", "save_total_limit"),
    ("log_every", "logging_steps"),
    ("logging_interval", "logging_steps"),
    ("lora_bias", "bias"),
    ("lora_exclude_modules", "exclude_modules"),
    ("lora_lr_ratio", "loraplus_lr_ratio"),
    ("lora_modules", "target_modules"),
    ("lora_modules_to_save", "modules_to_save"),
    ("lora_r", "r"),
    ("lora_rank", "r"),
    ("lora_target", "target_modules"),
    ("lora_target_modules", "target_modules"),
    ("lorap_lr_ratio", "loraplus_lr_ratio"),
    ("lr", "learning_rate"),
    ("lr_schedule", "lr_scheduler_type"),
    ("lr_scheduler", "lr_scheduler_type"),
    ("max_length", "cutoff_len"),
    ("max_pixels", "image_max_pixels"),
    ("min_pixels", "image_min_pixels"),
    ("max_seq_len", "cutoff_len"),
    ("max_seq_length", "cutoff_len"),
    ("micro_batch_size", "per_device_train_batch_size"),
    ("mm_projector_lr", "multi_modal_projector_lr"),
    ("mm_vision_tower_lr", "vision_tower_lr"),
    ("model", "model_name_or_path"),
    ("model_id", "model_name_or_path"),
    ("model_id_or_path", "model_name_or_path"),
    ("model_max_length", "cutoff_len"),
    ("model_path", "model_name_or_path"),
    ("n_epochs", "num_train_epochs"),
    ("num_epochs", "num_train_epochs"),
    ("num_steps", "max_steps"),
    ("output", "output_dir"),
    ("per_gpu_train_batch_size", "per_device_train_batch_size"),
    ("pretrained_model_name_or_path", "model_name_or_path"),
    ("projector_lr", "multi_modal_projector_lr"),
    ("quant_bits", "load_in_4bit"),
    ("quantization_bit", "load_in_4bit"),
    ("random_seed", "seed"),
    ("rank", "r"),
    ("rslora", "use_rslora"),
    ("save_every", "save_steps"),
    ("save_limit", "save_total_limit"),
    ("scheduler", "lr_scheduler_type"),
    ("sequence_len", "cutoff_len"),
    ("sft_type", "finetuning_type"),
    ("target", "target_modules"),
    ("total_steps", "max_steps"),
    ("train_batch_size", "per_device_train_batch_size"),
    ("train_type", "finetuning_type"),
    ("tuner_type", "finetuning_type"),
    ("use_bnb_nested_quant", "bnb_4bit_use_double_quant"),
    ("use_gradient_checkpointing", "gradient_checkpointing"),
    ("vision_lr", "vision_tower_lr"),
    ("vision_model_lr", "vision_tower_lr"),
    ("vit_lr", "vision_tower_lr"),
    ("warmup", "warmup_steps"),
    ("warmup_proportion", "warmup_ratio"),
    ("wd", "weight_decay"),
];

/// Keys of Hugging Face, PEFT and LLaMA-Factory that are not supported yet, each with the reason or an alternative, if
/// there is one.
const UNSUPPORTED: &[(&str, Option<&str>)] = &[
    ("bias", Some("LoRA trains no biases")),
    ("deepspeed", Some("training runs on one device")),
    ("fp16", Some("`bf16 = true` needs as little memory")),
    ("greater_is_better", Some("the direction of every benchmark metric is fixed")),
    ("load_best_model_at_end", Some("the epoch that `metric_for_best_model` selects is always linked as `best`")),
    ("load_in_8bit", Some("`load_in_4bit = true` holds the weights in four bits, `bf16 = true` in bfloat16")),
    ("neftune_noise_alpha", None),
    ("optim", Some("the optimiser is AdamW")),
    ("overwrite_output_dir", Some("name another `output_dir`, or continue with `--resume`")),
    ("packing", None),
    ("resume_from_checkpoint", Some("continue a run with `stepwise train RECIPE --resume`")),
];

/// Keys of Hugging Face, PEFT, LLaMA-Factory, ms-swift and TRL that users may write in a recipe. Recipe messages, the
/// reference page and [`convert`](crate::convert()) use them.
pub const FOREIGN_KEYS: ForeignKeys = ForeignKeys { aliases: ALIASES, unsupported: UNSUPPORTED };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_alias_names_a_key_and_is_none_itself() {
        let known = crate::reference().keys;
        for (alias, ours) in ALIASES {
            let leads = known.iter().any(|key| key.name == *ours) || FOREIGN_KEYS.unsupported(ours).is_some();
            assert!(leads, "{alias} points at {ours}, which is no key");
            assert!(!known.iter().any(|key| key.name == *alias), "{alias} is a key");
            assert!(!UNSUPPORTED.iter().any(|(name, _)| name == alias), "{alias} is in both tables");
        }
        for (name, _) in UNSUPPORTED {
            assert!(!known.iter().any(|key| key.name == *name), "{name} is supported");
        }
    }
}
