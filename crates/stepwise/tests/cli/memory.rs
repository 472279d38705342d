//! Estimates of the peak memory before the first step, compared with the measured peaks.

use std::path::Path;

use burn::tensor::Device;
use stepwise_vlm::model::{Vlm, save_model};
use stepwise_vlm::weights::RandomSource;

use crate::common::{Workplace, copy};

/// Trains three steps with `options` and compares the estimate before the first step with the measured peak, which is returned in
/// MiB. The checkpoints after the first two steps are a part of it.
fn estimated_peak(place: &Workplace, name: &str, model: &Path, options: &str) -> f64 {
    let model = model.display();
    let recipe = format!(
        "model_name_or_path = \"{model}\"\noutput_dir = \"{name}\"\n{options}\
         max_steps = 3\nsave_steps = 1\nlogging_steps = 1\ngradient_accumulation_steps = 1\n[benchmark]\nsuite = \"none\"\n"
    );
    place.write(&format!("{name}.toml"), recipe);
    let ran = place.done(&format!("train {name}.toml"));
    let together = ran.stderr.lines().find_map(|line| line.strip_prefix("together")).expect("an estimate");
    let estimated: f64 = together.trim().parse().expect("a number");
    let log = place.read(&format!("{name}/trainer_log.jsonl"));
    let lines = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
    let measured = lines.filter_map(|line| line["peak_memory_mib"].as_f64()).fold(0.0, f64::max);
    let ratio = estimated / measured;
    assert!((0.9..1.25).contains(&ratio), "{name}: {estimated} MiB estimated, {measured} MiB measured\n{}", ran.stderr);
    measured
}

/// On the shipped model.
#[test]
fn the_memory_estimate_is_within_a_quarter_of_the_measured_peak() {
    let place = Workplace::empty();
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../checkpoints/tiny-base");
    let peak = |(name, tuning, checkpointing): (&str, &str, bool)| {
        let options = format!(
            "{tuning}[data]\nsynth = {{ cases = 60, image_size = 128 }}\n\
             [train]\nper_device_train_batch_size = 16\ngradient_checkpointing = {checkpointing}\n"
        );
        estimated_peak(&place, name, &base, &options)
    };
    let peaks = [
        ("lora", "[lora]\nr = 8\n", false),
        ("full", "finetuning_type = \"full\"\n", false),
        ("checkpointed", "finetuning_type = \"full\"\n", true),
    ]
    .map(peak);
    assert!(peaks[2] < 0.8 * peaks[1], "gradient checkpointing saves memory: {peaks:?} MiB");
}

/// On a Gemma 3 model whose decoder is wide enough to need much more memory than the program.
#[test]
fn the_memory_estimate_of_another_family_is_within_a_quarter_of_the_measured_peak() {
    let place = Workplace::empty();
    let fixture = "../../tests/parity/families/fixtures/gemma3/model";
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join(fixture), &place.path("wide"));
    let mut config: serde_json::Value = serde_json::from_str(&place.read("wide/config.json")).expect("JSON");
    config["text_config"]["hidden_size"] = 512.into();
    config["text_config"]["intermediate_size"] = 4096.into();
    place.write("wide/config.json", config.to_string());
    let config = Vlm::load_config(&place.path("wide")).expect("a config");
    let mut model = Vlm::build(config, &mut RandomSource { seed: 1, device: Device::flex() }).expect("a model");
    save_model(&mut model, &place.path("wide"), &place.path("wide"), false).expect("saved");
    drop(model);
    for (name, tuning) in [("lora", "[lora]\nr = 8\n"), ("full", "finetuning_type = \"full\"\n")] {
        let options = format!(
            "{tuning}[data]\nsynth = {{ cases = 40, image_size = 64 }}\n[train]\nper_device_train_batch_size = 4\n"
        );
        estimated_peak(&place, name, &place.path("wide"), &options);
    }
}
