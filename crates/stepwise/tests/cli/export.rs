//! `stepwise export`.

use serde_json::{Value, json};

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

/// Training goes on with the image splitting of the continued adapter, unless the recipe states another one.
#[test]
fn a_continued_adapter_keeps_its_image_splitting() {
    let place = Workplace::new();
    place.copy("model", "base");
    let mut pixels: Value = serde_json::from_str(&place.read("base/preprocessor_config.json")).expect("JSON");
    pixels["size"]["longest_edge"] = 128.into();
    place.write("base/preprocessor_config.json", pixels.to_string());
    let set = "--set model_name_or_path=base --set train.max_steps=2 --set benchmark.suite=none";
    place.done(&format!("train recipe.toml {set} --set output_dir=one --set do_image_splitting=true"));
    place.done("export one adapter --format peft");
    let set = format!("{set} --set adapter_name_or_path=adapter");
    let note = "adapter: the adapter was trained with `do_image_splitting = true`, unlike the base model: ";
    for line in ["check recipe.toml", "train recipe.toml --plan", "train recipe.toml"] {
        let said = place.done(&format!("{line} {set} --set output_dir=two")).stderr;
        assert!(said.contains(note) && !said.contains("warning: adapter"), "{line}: {said}");
    }
    place.done("export two again --format peft");
    assert_eq!(
        place.read("again/preprocessor_config.json").contains("\"do_image_splitting\": true"),
        place.read("adapter/preprocessor_config.json").contains("\"do_image_splitting\": true"),
    );
    place.done("eval two --max-cases 1 --no-cache");
    let warning = "warning: adapter: the adapter was trained with `do_image_splitting = true`, and the recipe has \
        `do_image_splitting = false` -> ";
    for line in ["check recipe.toml", "train recipe.toml --plan"] {
        let said = place.done(&format!("{line} {set} --set do_image_splitting=false")).stderr;
        assert!(said.contains(warning) && !said.contains(note), "{line}: {said}");
    }
    let said = place.done(&format!("check recipe.toml {set} --set do_image_splitting=true")).stderr;
    assert!(!said.contains("do_image_splitting"), "{said}");
}

/// A run that splits images otherwise than its base is used as it was trained wherever it is opened, and so are its
/// exports. Each way round, in the older and the newer layout of a base, with an adapter and with whole weights.
#[test]
fn the_image_splitting_of_a_run_goes_with_it() {
    let place = Workplace::new();
    place.done("data synth cases --cases 3 --image-size 64");
    place.copy("cases/images/synth-0-000000.png", "image.png");
    let settings = |folder: &str, file: &str| -> Value {
        serde_json::from_str(&place.read(&format!("{folder}/{file}"))).expect("JSON")
    };
    for (name, trained, newer, tuning) in [
        ("split", true, false, "lora.r=2"),
        ("whole", false, false, "lora.r=2"),
        ("nested", false, true, "lora.r=2"),
        ("full", false, false, "finetuning_type=full"),
    ] {
        // `[lora]` has no effect in full fine-tuning and is refused there.
        let recipe = if name == "full" { "full.toml" } else { "recipe.toml" };
        place.edit("recipe.toml", "full.toml", "[lora]\nr = 2\n", "");
        let base = format!("{name}-base");
        place.copy("model", &base);
        let (file, key) = match newer {
            true => ("processor_config.json", "/image_processor/do_image_splitting"),
            false => ("preprocessor_config.json", "/do_image_splitting"),
        };
        let mut pixels = settings(&base, "preprocessor_config.json");
        pixels["do_image_splitting"] = (!trained).into();
        pixels["size"]["longest_edge"] = 128.into();
        if newer {
            let mut processor = settings(&base, "processor_config.json");
            processor["image_processor"] = pixels;
            place.write(&format!("{base}/{file}"), processor.to_string());
            std::fs::remove_file(place.path(&base).join("preprocessor_config.json")).expect("removed");
        } else {
            place.write(&format!("{base}/{file}"), pixels.to_string());
        }
        let short = "--set train.max_steps=2 --set benchmark.suite=none";
        place.done(&format!(
            "train {recipe} --set model_name_or_path={base} --set output_dir={name} --set do_image_splitting={trained} \
             {short} --set {tuning}"
        ));
        let ask = |model: &str, more: &str| {
            let answer = place
                .done(&format!(
                    "ask --model_name_or_path {model} {more} --image image.png --question what? --json --options CT"
                ))
                .json();
            let tokens = answer["prompt_token_ids"].as_array().expect("a list").len();
            (tokens, answer["options"][0]["loglikelihood"].as_f64().expect("a number"))
        };
        let run = ask(name, "");
        // Five tiles or one of four tokens each, with their marks: 53 tokens or 26.
        assert_eq!(run.0 > 40, trained, "{name}");
        assert_eq!(ask(&base, "").0 > 40, !trained, "{base}");
        let same = |other: (usize, f64), what: &str| {
            assert!(other.0 == run.0 && (other.1 - run.1).abs() < 1e-3, "{name}: {what}: {other:?} instead of {run:?}");
        };
        let said = place.done(&format!("export {name} {name}-merged --format merged"));
        assert!(!said.stderr.contains("do_image_splitting"), "{}", said.stderr);
        assert_eq!(settings(&format!("{name}-merged"), file).pointer(key), Some(&json!(trained)), "{name}");
        same(ask(&format!("{name}-merged"), ""), "merged");
        place.done(&format!("eval {name} --max-cases 1 --no-cache --suite suite.toml"));
        if name == "full" {
            continue;
        }
        same(ask(&base, &format!("--adapter {name}")), "the run as an adapter");
        let said = place.done(&format!("export {name} {name}-peft --format peft"));
        let python = if trained { "True" } else { "False" };
        for text in [said.stderr, place.read(&format!("{name}-peft/README.md"))] {
            assert!(text.contains(&format!("`processor.image_processor.do_image_splitting = {python}`")), "{text}");
        }
        same(ask(&base, &format!("--adapter {name}-peft")), "PEFT");
    }
}
