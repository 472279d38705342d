//! Preflight tables: trainable parameters, training data and estimated memory of a run before its first step.

use stepwise_recipe::{Freeze, InitLoraWeights, LoraRecipe, Tuning};
use stepwise_trainer::optim::part_rates::Rates;
use stepwise_trainer::parameters::{Group, TrainableParameters};
use stepwise_trainer::preflight::Preflight;
use stepwise_trainer::preflight::freeze_groups::FreezeGroup;
use stepwise_trainer::preflight::memory::MemoryEstimate;
use stepwise_trainer::preflight::token_stats::Percentiles;
use stepwise_vlm::model::ModelPart;

use crate::table::Table;

/// Makes the tables of trainable parameters, training data and estimated memory.
pub fn all(preflight: &Preflight) -> Vec<Table> {
    let mut tables = vec![trained(preflight), examples(preflight)];
    tables
        .extend(preflight.device_memory.iter().map(|estimate| memory("estimated peak memory of the device", estimate)));
    tables.push(memory("estimated peak memory", &preflight.memory));
    tables
}

/// Formats the tables as text.
pub fn text(preflight: &Preflight) -> String {
    all(preflight).iter().map(Table::text).collect::<Vec<_>>().join("\n\n")
}

/// Returns a warning with advice if the run may need more memory than is free, on the device or in this process. None if
/// it fits, or if the amount of free memory is unknown.
pub fn warning(preflight: &Preflight) -> Option<String> {
    let on_device = preflight.device_memory.iter().map(|estimate| (" on the device", estimate));
    let places = on_device.chain([("", &preflight.memory)]);
    let mut lacking = places.filter_map(|(place, estimate)| Some((place, estimate, estimate.free?)));
    let (place, estimate, free) = lacking.find(|(_, estimate, free)| estimate.to_come() > *free)?;
    Some(format!(
        "{} MiB more will be needed{place} and {} MiB are free -> {}",
        mebibytes(estimate.to_come()),
        mebibytes(free),
        estimate.advice()
    ))
}

fn trained(preflight: &Preflight) -> Table {
    let trainable = &preflight.trainable;
    let mut table = Table::new("trainable parameters", ["part: modules", "rank", "parameters", "rate"]);
    for Group { part, rank, modules, parameters, .. } in &trainable.groups {
        let modules: Vec<String> = modules.iter().map(|(name, count)| format!("{count} {name}")).collect();
        table.rows.push(vec![
            format!("{}: {}", part.name(), modules.join(", ")),
            rank.map_or_else(|| "-".to_owned(), |rank| rank.to_string()),
            grouped(*parameters),
            rate(&preflight.freeze_groups, *part, rank.is_some()),
        ]);
    }
    if let Tuning::Lora { lora } = &preflight.tuning {
        table.notes.extend(lora_options(lora));
    }
    table.notes.extend(preflight.target_note.clone());
    table.notes.extend(by_phase(trainable, &preflight.freeze_groups));
    let frozen: Vec<String> =
        trainable.frozen.iter().map(|(part, values)| format!("{} {}", part.name(), grouped(*values))).collect();
    table.notes.push(format!("frozen: {}", frozen.join(", ")));
    table
}

/// Note that lists the LoRA options in use, such as DoRA or dropout; None for plain LoRA.
fn lora_options(lora: &LoraRecipe) -> Option<String> {
    let options = [
        (lora.use_rslora, "rsLoRA".to_owned()),
        (lora.use_dora, "DoRA".to_owned()),
        (lora.init_lora_weights == InitLoraWeights::Pissa, "PiSSA".to_owned()),
        (lora.loraplus_lr_ratio.is_some(), "LoRA+".to_owned()),
        (lora.lora_dropout > 0.0, format!("dropout {}", lora.lora_dropout)),
    ];
    let options: Vec<String> = options.into_iter().filter_map(|(is_set, name)| is_set.then_some(name)).collect();
    (!options.is_empty()).then(|| format!("adapters: {}", options.join(", ")))
}

/// Notes that list the trained parts of each freeze group; empty if no phase freezes a part.
fn by_phase(trainable: &TrainableParameters, freeze_groups: &[FreezeGroup]) -> Vec<String> {
    if freeze_groups.iter().all(|freeze_group| freeze_group.freeze == Freeze::default()) {
        return Vec::new();
    }
    let trained = |FreezeGroup { freeze, phases, .. }: &FreezeGroup| {
        let phases: Vec<&str> = phases.iter().map(|(name, _)| name.as_str()).collect();
        let trainable = trainable.but(*freeze);
        let parts = ModelPart::ALL.into_iter().filter(|part| trainable.learns(*part)).map(ModelPart::name);
        format!("trained in {}: {}", phases.join(", "), parts.collect::<Vec<_>>().join(", "))
    };
    freeze_groups.iter().map(trained).collect()
}

/// Range of the peak learning rates over the phases that train `part`. With LoRA+, the rate of `lora_B` is
/// added for adapters.
fn rate(freeze_groups: &[FreezeGroup], part: ModelPart, adapters: bool) -> String {
    let rates: Vec<&Rates> = freeze_groups.iter().flat_map(|freeze_group| freeze_group.rates(part)).collect();
    let span = |ratio: f64| {
        let peaks = rates.iter().map(|rates| rates.of_part(part) * ratio);
        let (low, high) = (peaks.clone().fold(f64::INFINITY, f64::min), peaks.fold(0.0, f64::max));
        if low == high { rate_text(low) } else { format!("{} to {}", rate_text(low), rate_text(high)) }
    };
    match rates.first().map(|rates| rates.loraplus_ratio) {
        None => "frozen in every phase".to_owned(),
        Some(ratio) if adapters && ratio > 1.0 => format!("{}, lora_B {}", span(1.0), span(ratio)),
        Some(_) => span(1.0),
    }
}

fn examples(preflight: &Preflight) -> Table {
    let head = [
        "phase",
        "steps",
        "examples",
        "tokens p50",
        "p95",
        "max",
        "supervised p50",
        "p95",
        "max",
        "image p50",
        "p95",
        "max",
    ];
    let mut table = Table::new("training data", head);
    for phase in &preflight.token_stats.phases {
        let mut row = vec![phase.name.clone(), phase.steps.to_string(), phase.examples.to_string()];
        for Percentiles { p50, p95, max } in [phase.tokens, phase.supervised, phase.image] {
            row.extend([p50, p95, max].map(|count| count.to_string()));
        }
        table.rows.push(row);
    }
    let phases = &preflight.token_stats.phases;
    table.notes.push(format!(
        "{} training cases, {} evaluation cases, {} phases, {} epochs, {} steps of {} cases",
        preflight.training_cases,
        preflight.evaluation_cases,
        phases.len(),
        preflight.epochs,
        phases.iter().map(|phase| phase.steps).sum::<u64>(),
        preflight.cases_per_step,
    ));
    table.notes.push(format!(
        "nothing is truncated: the longest example has {} tokens, cutoff_len is {}",
        preflight.token_stats.longest(),
        preflight.cutoff_len
    ));
    table
}

fn memory(title: &str, estimate: &MemoryEstimate) -> Table {
    let mut table = Table::new(title, ["", "MiB"]);
    for one in &estimate.uses {
        table.rows.push(vec![one.what.to_owned(), mebibytes(one.bytes)]);
    }
    table.rows.push(vec!["together".to_owned(), mebibytes(estimate.peak())]);
    table
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.0}", bytes as f64 / f64::from(1 << 20))
}

fn rate_text(rate: f64) -> String {
    if rate < 1e-3 { format!("{rate:e}") } else { rate.to_string() }
}

/// Formats a count with commas between groups of three digits.
fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let threes: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|three| std::str::from_utf8(three).unwrap_or_default()).collect();
    threes.join(",")
}
