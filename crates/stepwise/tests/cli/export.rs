//! `stepwise export`.

use crate::common::{TRAINED, Workplace};
use crate::never::likelihoods;

#[test]
fn what_is_written_is_said() {
    let place = Workplace::with_run();
    let mut said = String::new();
    for (format, dtype) in [("peft", "float32"), ("merged", "float32"), ("merged", "bfloat16")] {
        let line = format!("export run {format}-{dtype} --format {format} --dtype {dtype}");
        said.push_str(&format!("$ stepwise {line}\n{}\n", place.done(&line).shown()));
    }
    insta::assert_snapshot!(said);
    let card = place.read("peft-float32/README.md");
    assert!(card.contains("library_name: peft\nbase_model: model\n"), "{card}");
    assert!(
        place.path("merged-bfloat16/tokenizer.json").is_file()
            && !place.path("merged-float32/adapter_config.json").exists()
    );
}

/// DoRA and the other additions to plain LoRA are exported too, into a PEFT folder and into merged weights.
#[test]
fn adapters_of_every_kind_answer_as_their_run_does() {
    let place = Workplace::new();
    for (name, keys) in [
        ("dora", "lora.use_dora=true --set lora.modules_to_save=[\"lm_head\"] --set lora.rank_pattern.q_proj=3"),
        ("pissa", "lora.init_lora_weights=pissa --set lora.use_rslora=true --set lora.alpha_pattern.up_proj=5"),
    ] {
        let short = "--set train.max_steps=3 --set benchmark.suite=none";
        place.done(&format!("train recipe.toml --set output_dir={name} {short} --set {keys}"));
        let run = likelihoods(&place, name);
        let base = likelihoods(&place, "model");
        for format in ["peft", "merged"] {
            let out = format!("{name}-{format}");
            place.done(&format!("export {name} {out} --format {format}"));
            let exported = likelihoods(&place, &out);
            let apart = exported.iter().zip(&run).map(|(exported, run)| (exported - run).abs()).fold(0.0, f64::max);
            assert!(exported.len() == 2 && exported != base && apart <= 1e-4, "{out}: {exported:?} instead of {run:?}");
        }
    }
}

#[test]
fn what_cannot_be_exported_is_refused() {
    let place = Workplace::with_run();
    place.write("file", "text");
    let mut said = String::new();
    for line in [
        "run model --format merged",
        "run file --format peft",
        "run file/out --format peft",
        "model new --format peft",
        "nowhere new --format peft",
        "run new --format gguf",
        "run new",
        "run new --format merged --base nowhere",
    ] {
        said.push_str(&format!("$ stepwise export {line}\n{}\n", place.refused(&format!("export {line}"))));
    }
    insta::assert_snapshot!(said);
    assert!(!place.path("new").exists());
    assert!(TRAINED.0.path("run/last").exists());
}
