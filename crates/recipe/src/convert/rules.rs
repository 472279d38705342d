//! Rules for keys of other tools that need more than another name: values in another notation, and keys without
//! a counterpart.

use super::draft::Draft;
use super::tool::Tool;
use super::yaml::Yaml;

/// Result of translating a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// The key was carried over.
    Carried,
    /// The key requests what Stepwise does anyway.
    Implied,
    /// The key was not carried over, for this reason.
    Left(String),
}

impl Fate {
    fn left(why: impl Into<String>) -> Self {
        Self::Left(why.into())
    }

    /// [`Fate::Implied`] if `so`, else [`Fate::Left`] with the reason `otherwise`.
    fn implied_if(so: bool, otherwise: &str) -> Self {
        if so { Self::Implied } else { Self::left(otherwise) }
    }
}

const MACHINE: &str = "it sets how the machine is used and does not change the training";
const TESTING: &str = "`[benchmark]` sets the evaluation after every epoch";
const NETWORK: &str = "nothing is downloaded or uploaded";
const TEMPLATE: &str = "the chat template of the model's folder is used";
const DATA: &str = "Stepwise trains on case files -> convert the data (`stepwise data import`, or write your own \
                    `cases.jsonl`) and name its folder as `[data] dataset`";

/// Keys that are never carried over, with the reason.
const LEFT: &[(&str, &str)] = &[
    ("attn_impl", MACHINE),
    ("attn_implementation", MACHINE),
    ("dataloader_num_workers", MACHINE),
    ("dataloader_pin_memory", MACHINE),
    ("dataloader_prefetch_factor", MACHINE),
    ("dataset_num_proc", MACHINE),
    ("ddp_timeout", MACHINE),
    ("flash_attn", MACHINE),
    ("gradient_checkpointing_kwargs", MACHINE),
    ("preprocessing_num_workers", MACHINE),
    ("tf32", MACHINE),
    ("torch_compile", MACHINE),
    ("use_liger_kernel", MACHINE),
    ("dataset", DATA),
    ("dataset_config", DATA),
    ("dataset_dir", DATA),
    ("dataset_name", DATA),
    ("dataset_text_field", DATA),
    ("dataset_test_split", DATA),
    ("dataset_train_split", DATA),
    ("media_dir", DATA),
    ("max_samples", "it counts conversations there; `[data] max_samples` counts cases"),
    ("eval_dataset", TESTING),
    ("eval_steps", TESTING),
    ("load_best_model_at_end", "the best checkpoint by the benchmark is always linked as `best`"),
    ("metric_for_best_model", TESTING),
    ("per_device_eval_batch_size", TESTING),
    ("split_dataset_ratio", TESTING),
    ("val_dataset", TESTING),
    ("val_size", TESTING),
    ("hub_model_id", NETWORK),
    ("model_revision", NETWORK),
    ("push_to_hub", NETWORK),
    ("use_hf", NETWORK),
    ("chat_template_path", TEMPLATE),
    ("system", TEMPLATE),
    ("template", TEMPLATE),
    ("trust_remote_code", "code of a model is never run"),
    ("data_seed", "`seed` decides the order of the data too"),
    ("model_type", "the type is read from the model's folder"),
    ("plot_loss", "`report.html` (written after a benchmark) and TensorBoard draw the loss"),
    ("run_name", "a run is named by its `output_dir`"),
    ("save_only_model", "a checkpoint always holds everything for a resume"),
    ("truncation_strategy", "nothing is truncated: a longer conversation is an error before the run"),
    ("truncation_mode", "nothing is truncated: a longer conversation is an error before the run"),
];

/// Translates a key that has a rule. None when there is no rule; the key is then carried over by its name.
pub(super) fn rule(tool: Tool, key: &str, value: &Yaml, draft: &mut Draft<'_>) -> Option<Fate> {
    if let Some(fate) = of_every_tool(key, value, draft) {
        return Some(fate);
    }
    let fate = match tool {
        Tool::LlamaFactory => of_llama_factory(key, value, draft),
        Tool::MsSwift => of_ms_swift(key, value, draft),
        Tool::Trl => of_trl(key, value, draft),
    };
    fate.or_else(|| {
        let (_, why) = LEFT.iter().find(|(name, _)| *name == key)?;
        Some(Fate::implied_if(value.flag() == Some(false), why))
    })
}

/// Keys of Hugging Face's `TrainingArguments`, which all three have.
fn of_every_tool(key: &str, value: &Yaml, draft: &mut Draft<'_>) -> Option<Fate> {
    let text = value.text().unwrap_or_default();
    Some(match key {
        "do_train" => Fate::implied_if(value.flag() == Some(true), "`stepwise train` trains"),
        "max_steps" if value.number().is_some_and(|steps| steps <= 0.0) => Fate::Implied,
        "warmup_steps" => match value.number() {
            Some(0.0) if draft.given("warmup_ratio") => Fate::Implied,
            Some(share) if share > 0.0 && share < 1.0 => draft.put("train", "warmup_ratio", value),
            _ => draft.put("train", "warmup_steps", value),
        },
        "warmup_ratio" if draft.given_above_zero("warmup_steps") => Fate::left("`warmup_steps` takes precedence"),
        "optim" => Fate::implied_if(
            ["adamw_torch", "adamw_torch_fused", "adamw_hf"].contains(&text.as_str()),
            "the optimiser is AdamW",
        ),
        "save_strategy" => match text.as_str() {
            "steps" => Fate::Implied,
            "epoch" => draft.put("train", "save_steps", &Yaml::Integer(0)),
            _ => Fate::left("a checkpoint is always written at the end of an epoch"),
        },
        "save_steps" if draft.says("save_strategy", "epoch") => Fate::left("`save_strategy` is `epoch`"),
        "logging_strategy" => Fate::implied_if(text == "steps", "the log has a line every `logging_steps` steps"),
        "eval_strategy" | "evaluation_strategy" => Fate::implied_if(text == "no", TESTING),
        "report_to" => report_to(value, draft),
        "torch_dtype" | "dtype" => match text.as_str() {
            "float32" | "auto" => Fate::Implied,
            "bfloat16" => draft.put("train", "bf16", &Yaml::Flag(true)),
            _ => Fate::left("weights are held in float32, or in bfloat16 with `bf16 = true`"),
        },
        "quantization_bit" | "quant_bits" => match value.number() {
            Some(4.0) => draft.put("train", "load_in_4bit", &Yaml::Flag(true)),
            _ => Fate::left("weights are held in four bits, bf16 or f32"),
        },
        "quantization_method" | "quant_method" => Fate::implied_if(
            ["bnb", "bitsandbytes"].contains(&text.as_str()),
            "four-bit weights use the method of bitsandbytes",
        ),
        "quantization_type" | "bnb_4bit_quant_type" => Fate::implied_if(text == "nf4", "four-bit weights use NF4"),
        "bnb_4bit_compute_dtype" => match text.as_str() {
            "float32" => Fate::Implied,
            "bfloat16" => draft.put("train", "bf16", &Yaml::Flag(true)),
            _ => Fate::left("weights are multiplied in float32, or in bfloat16 with `bf16 = true`"),
        },
        "attention_dropout" | "label_smoothing_factor" if value.number() == Some(0.0) => Fate::Implied,
        _ => return None,
    })
}

fn report_to(value: &Yaml, draft: &mut Draft<'_>) -> Fate {
    let sinks = value.list().unwrap_or_default();
    let others: Vec<&str> =
        sinks.iter().map(String::as_str).filter(|sink| !["none", "tensorboard"].contains(sink)).collect();
    let here = if sinks.iter().any(|sink| sink == "tensorboard" || sink == "all") { "tensorboard" } else { "none" };
    let fate = draft.put("train", "report_to", &Yaml::Text(here.to_owned()));
    match others.as_slice() {
        [] => fate,
        others => Fate::left(format!(
            "{} is not supported: logs are written to `trainer_log.jsonl` and TensorBoard files",
            others.join(", ")
        )),
    }
}

fn of_llama_factory(key: &str, value: &Yaml, draft: &mut Draft<'_>) -> Option<Fate> {
    let text = value.text().unwrap_or_default();
    Some(match key {
        "stage" => Fate::implied_if(text == "sft", "only supervised fine-tuning is supported"),
        "finetuning_type" => tuning(&text, draft),
        "lora_target" => targets(value, draft),
        "pissa_init" if value.flag() == Some(true) => {
            draft.put("lora", "init_lora_weights", &Yaml::Text("pissa".to_owned()))
        }
        "pissa_init" => Fate::Implied,
        "pissa_iter" => Fate::implied_if(
            !draft.given_true("pissa_init") || value.number() == Some(-1.0),
            "singular vectors are computed exactly, not with a number of iterations",
        ),
        "pissa_convert" => Fate::implied_if(
            !draft.given_true("pissa_init") || value.flag() == Some(true),
            "PiSSA is always saved as plain LoRA for the unchanged base weights",
        ),
        "overwrite_cache" => Fate::Implied,
        "val_size" if value.number() == Some(0.0) => Fate::Implied,
        _ => return None,
    })
}

fn of_ms_swift(key: &str, value: &Yaml, draft: &mut Draft<'_>) -> Option<Fate> {
    let text = value.text().unwrap_or_default();
    Some(match key {
        "tuner_type" | "train_type" | "sft_type" => tuning(&text, draft),
        "tuner_backend" => Fate::Implied,
        "target_modules" => targets(value, draft),
        "target_regex" => draft.put("lora", "target_modules", value),
        "freeze_llm" if !draft.full => Fate::implied_if(
            value.flag() == Some(false),
            "adapters in the decoder are selected by name -> name them in `[lora] exclude_modules`",
        ),
        "vit_lr" if !draft.given_false("freeze_vit") => Fate::left("the vision tower is frozen"),
        "aligner_lr" if !draft.given_false("freeze_aligner") => Fate::left("the connector is frozen"),
        "model_kwargs" => Fate::left("the processor of the model's folder sets the image size"),
        "lora_dtype" => Fate::implied_if(text == "float32", "adapters are held in float32"),
        _ => return None,
    })
}

fn of_trl(key: &str, value: &Yaml, draft: &mut Draft<'_>) -> Option<Fate> {
    Some(match key {
        "use_peft" => Fate::Implied, // Already used to choose between `[lora]` and `[full]`.
        "load_in_4bit" if value.flag() == Some(true) && !draft.given("use_bnb_nested_quant") => {
            draft.put("train", "bnb_4bit_use_double_quant", &Yaml::Flag(false));
            draft.put("train", "load_in_4bit", value)
        }
        "lora_target_modules" => targets(value, draft),
        "lora_task_type" => Fate::Implied,
        "assistant_only_loss" | "completion_only_loss" => {
            Fate::implied_if(value.flag() == Some(true), "only answers are supervised")
        }
        "loss_type" => {
            Fate::implied_if(value.text().as_deref() == Some("nll"), "the loss is the negative log-likelihood")
        }
        _ => return None,
    })
}

/// Translates the kind of training, which was already chosen; here only its name is checked.
fn tuning(word: &str, draft: &mut Draft<'_>) -> Fate {
    match word {
        "lora" | "full" => draft.put("", "finetuning_type", &Yaml::Text(word.to_owned())),
        other => Fate::left(format!("`{other}` is not supported; `lora` is used instead")),
    }
}

/// Translates target modules: a list of names, or a word for all linear layers.
fn targets(value: &Yaml, draft: &mut Draft<'_>) -> Fate {
    let names = value.list().unwrap_or_default();
    match names.as_slice() {
        [all] if ["all", "all-linear", "ALL"].contains(&all.as_str()) => {
            draft.put("lora", "target_modules", &Yaml::Text("all-linear".to_owned()))
        }
        _ => draft.put("lora", "target_modules", &Yaml::List(names.into_iter().map(Yaml::Text).collect())),
    }
}
