//! Rules for keys that several tools have and that need more than another name.

use super::draft::Draft;
use super::fate::Fate;
use super::yaml::Yaml;

/// Returns [`Fate::Carried`] for a key that was already used: to recognise the kind of file, or to choose between
/// `[lora]` and `[full]`. Sets nothing.
pub(super) fn used(_: &Yaml, _: &mut Draft<'_>) -> Fate {
    Fate::Carried
}

/// Checks a batch size or a number of accumulated batches and sets nothing: [`super::batch`] translates them together.
/// Returns [`Fate::Left`] when the value is not a whole number from 1 to 65536.
pub(super) fn counted(value: &Yaml, _: &mut Draft<'_>) -> Fate {
    match value.number() {
        Some(number) if number >= 1.0 && number.fract() == 0.0 && number <= 65536.0 => Fate::Carried,
        _ => Fate::left("a whole number is expected, at least 1 and at most 65536; the default of the tool is used"),
    }
}

/// Sets `max_steps`, which ends the run there whatever the epochs are. Zero and negative numbers are ignored: they set
/// no end.
pub(super) fn max_steps(value: &Yaml, draft: &mut Draft<'_>) -> Fate {
    match value.number() {
        Some(steps) if steps <= 0.0 => Fate::ignored("no number of steps ends the run"),
        _ => draft.put("train", "max_steps", value),
    }
}

/// Sets `num_train_epochs`, the number of passes over the data. A part of a pass is rounded up, which is reported as
/// [`Fate::Left`]. The value is ignored where `max_steps` ends the run.
pub(super) fn epochs(value: &Yaml, draft: &mut Draft<'_>) -> Fate {
    if draft.number("max_steps").is_some_and(|steps| steps > 0.0) {
        return Fate::ignored("`max_steps` ends the run, there and here");
    }
    match value.number() {
        Some(epochs) if epochs > 0.0 && epochs.fract() > 0.0 => {
            let whole = epochs.ceil();
            match draft.put("train", "num_train_epochs", &Yaml::Integer(whole as i64)) {
                Fate::Carried => {
                    let remark = format!("{epochs} passes there");
                    draft.put_remarked("train", "num_train_epochs", &whole.to_string(), remark);
                    Fate::left(format!("parts of a pass are rounded up: {whole} passes instead of {epochs}"))
                }
                other => other,
            }
        }
        _ => draft.put("train", "num_train_epochs", value),
    }
}

const NO_WARMUP: &str = "the schedule `constant` has no warm-up";

/// Sets the warm-up in steps; a number between 0 and 1 is a share of the steps and sets `warmup_ratio`. Zero is ignored
/// where the file also gives a share; any warm-up is ignored with the schedule `constant`, which has none.
pub(super) fn warmup_steps(value: &Yaml, draft: &mut Draft<'_>) -> Fate {
    let ratio = ["warmup_ratio", "lr_warmup_fraction"].iter().any(|key| draft.value(key).is_some());
    match value.number() {
        Some(0.0) if ratio => Fate::ignored("the warm-up is given as a share of the steps"),
        Some(share) if share > 0.0 && constant(draft) => Fate::ignored(NO_WARMUP),
        Some(share) if share > 0.0 && share < 1.0 => draft.put("train", "warmup_ratio", value),
        _ => draft.put("train", "warmup_steps", value),
    }
}

/// Sets the warm-up as a share of the steps. It is ignored where the file also gives a number of steps above zero, and
/// with the schedule `constant`, which has no warm-up.
pub(super) fn warmup_ratio(value: &Yaml, draft: &mut Draft<'_>) -> Fate {
    let steps = ["warmup_steps", "lr_warmup_iters"].iter().filter_map(|key| draft.number(key));
    if steps.into_iter().any(|steps| steps > 0.0) {
        return Fate::ignored("the number of steps takes precedence");
    }
    if value.number().is_some_and(|share| share > 0.0) && constant(draft) {
        return Fate::ignored(NO_WARMUP);
    }
    draft.put("train", "warmup_ratio", value)
}

/// Whether the schedule of the file is `constant`, which has no warm-up.
fn constant(draft: &Draft<'_>) -> bool {
    ["lr_scheduler_type", "lr_scheduler"].iter().any(|key| draft.says(key, "constant"))
}

/// Compares the optimiser with AdamW, the only one here, and sets nothing. Variants that differ in memory and speed
/// only are ignored; those with states of four or eight bits, and other optimisers, are left.
pub(super) fn optimiser(value: &Yaml, _: &mut Draft<'_>) -> Fate {
    let name = value.text().unwrap_or_default().to_lowercase();
    match name.as_str() {
        "adamw_torch"
        | "adamw_torch_fused"
        | "adamw_hf"
        | "adamw"
        | "adam"
        | "adamw_apex_fused"
        | "adamw_torch_xla"
        | "adamw_torch_npu_fused"
        | "paged_adamw"
        | "paged_adamw_32bit" => Fate::ignored("the optimiser is AdamW, as here"),
        name if name.contains("adamw") && (name.contains("8bit") || name.contains("4bit")) => {
            Fate::left("AdamW holds its state in 32 bits here, with the same formula")
        }
        _ => Fate::left(format!("the optimiser is AdamW, not `{name}` -> choose a learning rate for AdamW")),
    }
}

/// Sets `save_steps` to 0 for `epoch`, which leaves the checkpoint at the end of every epoch. Other strategies are
/// ignored: with `steps` the key `save_steps` counts, and without any that checkpoint is still written.
pub(super) fn save_strategy(value: &Yaml, draft: &mut Draft<'_>) -> Fate {
    match value.text().unwrap_or_default().as_str() {
        "steps" => Fate::ignored("a checkpoint is written every `save_steps` steps"),
        "epoch" => draft.put("train", "save_steps", &Yaml::Integer(0)),
        _ => Fate::ignored("a checkpoint is always written at the end of an epoch"),
    }
}

/// Sets `save_steps`, the steps between two checkpoints. It is ignored where `save_strategy` is given and not `steps`.
pub(super) fn save_steps(value: &Yaml, draft: &mut Draft<'_>) -> Fate {
    match draft.value("save_strategy").and_then(Yaml::text).as_deref() {
        None | Some("steps") => draft.put("train", "save_steps", value),
        Some(other) => Fate::ignored(format!("`save_strategy` is `{other}`")),
    }
}

/// Ignores a number of checkpoints in an epoch, whatever it is, and sets `save_steps` to 0 unless the file gives that
/// key: one checkpoint is written at the end of every epoch.
pub(super) fn saves_per_epoch(_: &Yaml, draft: &mut Draft<'_>) -> Fate {
    if draft.value("save_steps").is_none() {
        draft.put("train", "save_steps", &Yaml::Integer(0));
    }
    Fate::ignored("a checkpoint is written at the end of every epoch")
}

/// Sets `report_to` to `tensorboard` where the list has it or `all`, and to `none` otherwise. Other services are named
/// in a [`Fate::Ignored`].
pub(super) fn report_to(value: &Yaml, draft: &mut Draft<'_>) -> Fate {
    let sinks = value.list().unwrap_or_default();
    let others: Vec<&str> =
        sinks.iter().map(String::as_str).filter(|sink| !["none", "tensorboard", "all"].contains(sink)).collect();
    let here = if sinks.iter().any(|sink| sink == "tensorboard" || sink == "all") { "tensorboard" } else { "none" };
    let fate = draft.put("train", "report_to", &Yaml::Text(here.to_owned()));
    match others.as_slice() {
        [] => fate,
        others => Fate::ignored(format!(
            "{} is not supported: logs are written to `trainer_log.jsonl` and TensorBoard files",
            others.join(", ")
        )),
    }
}

/// Translates the number format in which the weights are held: bfloat16 sets `bf16`, float32 and `auto` are ignored
/// because `bf16` decides, and other formats are left.
pub(super) fn dtype(value: &Yaml, draft: &mut Draft<'_>) -> Fate {
    match value.text().unwrap_or_default().trim_start_matches("torch.") {
        "float32" | "fp32" => Fate::ignored("weights are held in float32"),
        "auto" => Fate::ignored("`bf16` decides whether weights are held in float32 or bfloat16"),
        "bfloat16" | "bf16" => draft.put("train", "bf16", &Yaml::Flag(true)),
        _ => Fate::left("weights are held in float32, or in bfloat16 with `bf16 = true`"),
    }
}

/// Sets `bf16`; the words `auto` and `full` switch it on. False is ignored where another key, such as `pure_bf16` beside
/// `bf16`, switches it on.
pub(super) fn bf16(value: &Yaml, draft: &mut Draft<'_>) -> Fate {
    if value.flag() == Some(false) && draft.set_flag("train", "bf16") == Some(true) {
        return Fate::ignored("another key of the file sets bfloat16");
    }
    match value.text().unwrap_or_default().as_str() {
        "auto" | "full" => draft.put("train", "bf16", &Yaml::Flag(true)),
        _ => draft.put("train", "bf16", value),
    }
}

/// Sets `load_in_4bit` where quantised weights have 4 bits. Other numbers are left.
pub(super) fn bits(value: &Yaml, draft: &mut Draft<'_>) -> Fate {
    match value.number() {
        Some(4.0) => draft.put("train", "load_in_4bit", &Yaml::Flag(true)),
        _ => Fate::left("weights are held in four bits, bf16 or f32"),
    }
}

/// Ignores bitsandbytes as the quantiser, by name or as `auto`, because its method is the one here; others are left.
pub(super) fn quantiser(value: &Yaml, _: &mut Draft<'_>) -> Fate {
    let name = value.text().unwrap_or_default();
    Fate::ignored_if(
        ["bnb", "bitsandbytes", "auto"].contains(&name.as_str()),
        "four-bit weights use the method of bitsandbytes",
    )
}

/// Ignores the type `nf4` of four-bit weights, the only one here; others are left.
pub(super) fn quant_type(value: &Yaml, _: &mut Draft<'_>) -> Fate {
    Fate::ignored_if(value.text().as_deref() == Some("nf4"), "four-bit weights use NF4")
}

/// Translates the number format in which four-bit weights are multiplied: bfloat16 sets `bf16`, float32 is ignored as
/// the default here, and others are left.
pub(super) fn compute_dtype(value: &Yaml, draft: &mut Draft<'_>) -> Fate {
    match value.text().unwrap_or_default().as_str() {
        "float32" => Fate::ignored("weights are multiplied in float32"),
        "bfloat16" => draft.put("train", "bf16", &Yaml::Flag(true)),
        _ => Fate::left("weights are multiplied in float32, or in bfloat16 with `bf16 = true`"),
    }
}

/// Sets `target_modules` of `[lora]`: a list of names, a word for all linear layers (`all`, `all-linear`), or a text
/// with signs of a regular expression, which stays one expression as in PEFT. Other words in capitals, such as `DEFAULT`,
/// are left: they stand for layers that the tool chooses.
pub(super) fn targets(value: &Yaml, draft: &mut Draft<'_>) -> Fate {
    if let Yaml::Text(text) = value
        && text.contains(['*', '\\', '(', '[', '^', '|', '+'])
    {
        return draft.put("lora", "target_modules", value);
    }
    let names = value.list().unwrap_or_default();
    match names.as_slice() {
        [all] if ["all", "all-linear", "ALL"].contains(&all.as_str()) => {
            draft.put("lora", "target_modules", &Yaml::Text("all-linear".to_owned()))
        }
        [word, ..] if word.chars().all(|letter| letter.is_ascii_uppercase()) => {
            Fate::left(format!("`{word}` stands for layers that the tool chooses by the type of the model"))
        }
        _ => draft.put("lora", "target_modules", &Yaml::List(names.into_iter().map(Yaml::Text).collect())),
    }
}

/// Sets `adapter_name_or_path`, the adapter whose training continues. An empty list is ignored; several adapters are
/// left, because one can be trained.
pub(super) fn adapter(value: &Yaml, draft: &mut Draft<'_>) -> Fate {
    match value.list().unwrap_or_default().as_slice() {
        [] => Fate::ignored("no adapter is named"),
        [one] => draft.put("", "adapter_name_or_path", &Yaml::Text(one.clone())),
        _ => Fate::left("one adapter can be trained -> merge the others into the base first with `stepwise export`"),
    }
}

/// Sets `freeze_language_model` in full fine-tuning. With LoRA there is no such key: false is ignored, and true is left
/// with advice.
pub(super) fn freeze_decoder(value: &Yaml, draft: &mut Draft<'_>) -> Fate {
    if draft.full {
        return draft.put("full", "freeze_language_model", value);
    }
    match value.flag() {
        Some(false) => Fate::ignored("the decoder is trained"),
        _ => Fate::left("adapters in the decoder are selected by name -> name them in `[lora] exclude_modules`"),
    }
}

/// Ignores a flag whose value `true` means that only answers are supervised, as here; other values are left.
pub(super) fn answers_only(value: &Yaml, _: &mut Draft<'_>) -> Fate {
    Fate::ignored_if(value.flag() == Some(true), "only answers are supervised")
}

/// Ignores a flag whose value `false` means that only answers are supervised, as here; other values are left.
pub(super) fn prompt_too(value: &Yaml, _: &mut Draft<'_>) -> Fate {
    Fate::ignored_if(value.flag() == Some(false), "only answers are supervised")
}

/// Sets `do_pan_and_scan` where the value is true. False is ignored: models show images without crops by default.
pub(super) fn pan_and_scan(value: &Yaml, draft: &mut Draft<'_>) -> Fate {
    match value.flag() {
        Some(false) => Fate::ignored("images are shown without crops by default"),
        _ => draft.put("", "do_pan_and_scan", value),
    }
}

/// Sets `vision_tower_lr`, the learning rate of the vision tower. It is ignored unless the file sets `freeze_vit` to
/// false, because the tower is frozen otherwise.
pub(super) fn vision_rate(value: &Yaml, draft: &mut Draft<'_>) -> Fate {
    if !draft.is("freeze_vit", false) {
        return Fate::ignored("the vision tower is frozen");
    }
    draft.put("train", "vision_tower_lr", value)
}

/// Sets `multi_modal_projector_lr`, the learning rate of the connector. It is ignored unless the file sets
/// `freeze_aligner` to false, because the connector is frozen otherwise.
pub(super) fn connector_rate(value: &Yaml, draft: &mut Draft<'_>) -> Fate {
    if !draft.is("freeze_aligner", false) {
        return Fate::ignored("the connector is frozen");
    }
    draft.put("train", "multi_modal_projector_lr", value)
}
