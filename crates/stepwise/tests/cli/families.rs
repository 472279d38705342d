//! Every model family through the whole program: training in phases with the benchmark after each, resuming, questions,
//! export of adapter and merged model.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use stepwise_testing::files::{edit_json, family_fixture, fixture_of_each_family};

use crate::common::{Workplace, copy};
use crate::never::likelihoods;

/// Makes a workplace whose model is the tiny random model of `family`. Its vocabulary has few merges,
/// so texts have many tokens.
fn place(family: &str) -> Workplace {
    let place = Workplace::new();
    std::fs::remove_dir_all(place.path("model")).expect("removed");
    copy(&family_fixture(family).join("model"), &place.path("model"));
    place
}

const SHORT: &str = "--set train.max_steps=2 --set curriculum.phase.0.max_steps=1 --set curriculum.phase.1.max_steps=1 \
                     --set lora.target_modules=all-linear --set train.save_steps=1 --set train.save_total_limit=9";

#[test]
fn a_model_of_every_family_is_trained_evaluated_asked_and_exported() {
    for family in fixture_of_each_family() {
        let place = place(&family);
        place.done(&format!("check recipe.toml {SHORT}"));
        place.done(&format!("train recipe.toml {SHORT}"));
        let outcomes = place.read("run/benchmark/epoch-1/outcomes.jsonl");
        assert!(outcomes.contains("\"fgsm\"") && outcomes.contains("\"transfer\""), "{family}: attacks are made");
        let run = likelihoods(&place, "run");
        assert_ne!(run, likelihoods(&place, "model"), "{family}: training changes answers");
        for format in ["peft", "merged"] {
            place.done(&format!("export run {format} --format {format}"));
            let exported = likelihoods(&place, format);
            let apart = exported.iter().zip(&run).map(|(one, other)| (one - other).abs()).fold(0.0, f64::max);
            assert!(apart <= 1e-4, "{family} {format}: {exported:?} instead of {run:?}");
        }

        place.done("eval run --out fast --suite fast --max-cases 1 --no-cache");
        let outcomes = place.read("fast/tuned/outcomes.jsonl");
        let with_hint = outcomes.lines().filter(|line| line.contains("\"hint_minus\"")).count();
        assert!(with_hint > 0, "{family}: {outcomes}");

        // A run that ends after its first step and is resumed equals the whole run.
        copy(&place.path("run"), &place.path("cut"));
        std::fs::remove_dir_all(place.path("cut/checkpoint-2")).expect("the last checkpoint");
        std::fs::remove_dir_all(place.path("cut/benchmark/epoch-2")).expect("the last evaluation");
        let ran = place.done(&format!("train recipe.toml {SHORT} --set output_dir=cut --resume"));
        assert!(ran.stderr.contains("resumed after step 1 of 2"), "{family}: {}", ran.stderr);
        for file in ["checkpoint-2/adapter_model.safetensors", "benchmark/epoch-2/outcomes.jsonl"] {
            let bytes = |run: &str| std::fs::read(place.path(&format!("{run}/{file}"))).expect(file);
            assert!(bytes("run") == bytes("cut"), "{family}: {file}");
        }
    }
}

/// Parts that a phase freezes keep their adapters to the bit, and are trained in the next phase.
#[test]
fn parts_are_frozen_by_phase_in_every_family() {
    for family in ["qwen2_5_vl", "gemma3", "llava_next", "internvl"] {
        let place = place(family);
        let parts = "--set lora.freeze_vision_tower=false --set lora.freeze_multi_modal_projector=false \
                     --set curriculum.phase.0.freeze_vision_tower=true --set curriculum.phase.1.freeze_language_model=true";
        place.done(&format!("train recipe.toml {SHORT} {parts}"));
        let adapter = |step: usize| tensors(&place.path(&format!("run/checkpoint-{step}/adapter_model.safetensors")));
        let (first, second) = (adapter(1), adapter(2));
        assert_eq!(first.keys().collect::<Vec<_>>(), second.keys().collect::<Vec<_>>());
        for (name, values) in &first {
            // A newly initialised lora_B is zero, and moves with the first step of its part.
            let (is_vision, is_decoder) = (is_tower(name), name.contains(".language_model."));
            if name.contains("lora_B") && is_vision {
                assert!(values.iter().all(|byte| *byte == 0), "{family}: {name} moved in the first phase");
            }
            assert!(!is_decoder || *values == second[name], "{family}: {name} moved in the second phase");
        }
        let moved =
            |wanted: &dyn Fn(&str) -> bool| first.iter().any(|(name, values)| wanted(name) && *values != second[name]);
        assert!(moved(&is_tower), "{family}: the second phase trains the image encoder");
        let decoder = |(name, values): (&String, &Vec<u8>)| {
            name.contains(".language_model.") && name.contains("lora_B") && values.iter().any(|byte| *byte != 0)
        };
        assert!(first.iter().any(decoder), "{family}: the first phase trains the decoder");
    }
}

/// A list of target modules matches ends of names, in the image encoder as well. The table before the first step says which,
/// and which expression selects the decoder alone.
#[test]
fn a_list_that_reaches_into_the_image_encoder_is_noted() {
    let list = |modules: &[&str]| format!("lora.target_modules=[\"{}\"]", modules.join("\",\""));
    let attention = ["q_proj", "v_proj"];
    let (two, three) = ("2 q_proj, 2 v_proj", "3 q_proj, 3 v_proj");
    // The last layer of LLaVA's encoder lies behind its feature layer and is not trained.
    for (family, modules, layers, trained, decoder) in [
        ("gemma3", &attention[..], two, two, "language_model"),
        ("llava", &attention, three, two, "language_model"),
        ("llava_next", &attention, three, two, "language_model"),
        ("internvl", &attention, two, two, "language_model"),
        ("smolvlm", &attention, two, two, "text_model"),
        (
            "qwen2_5_vl",
            &["gate_proj", "down_proj"],
            "3 gate_proj, 3 down_proj",
            "3 gate_proj, 3 down_proj",
            "language_model",
        ),
    ] {
        let place = place(family);
        let check = |more: &[String]| {
            let more: String = more.iter().map(|one| format!(" --set {one}")).collect();
            place.done(&format!("check recipe.toml{more}")).stdout
        };
        let pattern = format!("'.*{decoder}.*\\.({})'", modules.join("|"));
        let frozen = check(&[list(modules)]);
        let expected =
            format!("the list matches layers of the image encoder, too ({layers}), and PEFT would adapt them");
        assert!(frozen.contains(&expected) && frozen.contains(&pattern), "{family}: {frozen}");
        assert!(!frozen.contains("vision: "), "{family}: {frozen}");
        let adapted = check(&[list(modules), "lora.freeze_vision_tower=false".to_owned()]);
        let expected = format!("the list reaches into the image encoder ({layers}), as in PEFT -> ");
        assert!(adapted.contains(&expected) && adapted.contains(&pattern), "{family}: {adapted}");
        assert!(adapted.contains(&format!("vision: {trained}")), "{family}: {adapted}");
        // The expression of the note selects the layers of the decoder, whatever is frozen.
        let expression = format!("lora.target_modules={pattern}");
        let alone = check(&[expression, "lora.freeze_vision_tower=false".to_owned()]);
        assert!(alone.contains("decoder: ") && !alone.contains("vision: ") && !alone.contains("PEFT"), "{alone}");
    }
    // These names are in the decoder alone.
    for family in ["qwen2_vl", "qwen3_vl", "qwen2_5_vl"] {
        let said = place(family).done("check recipe.toml --set lora.target_modules=[\"q_proj\"]").stdout;
        assert!(!said.contains("image encoder"), "{family}: {said}");
    }
}

/// Layers of the image encoder behind the feature layer have no gradient, so PyTorch leaves them and their adapters as they
/// were. The program says so and saves them unchanged.
#[test]
fn layers_behind_the_feature_layer_are_not_trained_and_kept() {
    let behind: [&[&str]; 3] = [&["encoder.layers.2.", "post_layernorm."], &["post_layernorm."], &["encoder.layer.1."]];
    for (family, feature_layer, behind, count) in [
        ("llava", None, behind[0], 18),
        ("llava_next", None, behind[0], 18),
        ("llava-siglip-qwen2", None, behind[1], 2),
        ("internvl", Some(-2), behind[2], 18),
    ] {
        let place = place(family);
        if let Some(layer) = feature_layer {
            edit_json(&place.path("model/config.json"), |config| config["vision_feature_layer"] = layer.into());
        }
        place.edit("recipe.toml", "full.toml", "[lora]\nr = 2\n", "finetuning_type = \"full\"\n\n[full]\n");
        let parts = "--set full.freeze_vision_tower=false --set full.freeze_multi_modal_projector=false";
        let steps = "--set train.max_steps=2 --set curriculum.phase.0.max_steps=1 --set curriculum.phase.1.max_steps=1";
        let said = place.done(&format!("train full.toml {parts} {steps} --set output_dir=full")).stderr;
        let note = format!("{count} tensors of the image encoder are not trained: they lie behind the last layer");
        assert_eq!(said.matches(&note).count(), 1, "{family}: {said}");
        let (before, after) = (
            tensors(&place.path("model/model.safetensors")),
            tensors(&place.path("full/checkpoint-2/model.safetensors")),
        );
        let is_behind =
            |name: &str| name.contains("vision_tower.") && behind.iter().any(|part| name.contains(&format!(".{part}")));
        assert_eq!(before.keys().filter(|name| is_behind(name)).count(), count, "{family}");
        for (name, values) in &before {
            let is_tower = name.contains("vision_tower.");
            assert!(!is_behind(name) || *values == after[name], "{family}: {name} moved");
            let moves = is_tower
                && (name.contains(".layers.0.") || name.contains(".layer.0."))
                && name.ends_with("q_proj.weight");
            assert!(!moves || *values != after[name], "{family}: {name} did not move");
        }

        let parts = "--set lora.freeze_vision_tower=false --set lora.freeze_multi_modal_projector=false";
        place.done(&format!("train recipe.toml {SHORT} {parts}"));
        let adapter = tensors(&place.path("run/checkpoint-2/adapter_model.safetensors"));
        let zero = |values: &[u8]| values.iter().all(|byte| *byte == 0);
        for (name, values) in adapter.iter().filter(|(name, _)| name.contains("vision_tower.")) {
            let expected = name.contains("lora_B") && is_behind(name);
            assert_eq!(zero(values), expected, "{family}: {name}");
        }
        // A resumed run reads the adapters behind the feature layer again, and does not train them either.
        copy(&place.path("run"), &place.path("cut"));
        std::fs::remove_dir_all(place.path("cut/checkpoint-2")).expect("the last checkpoint");
        std::fs::remove_dir_all(place.path("cut/benchmark/epoch-2")).expect("the last evaluation");
        place.done(&format!("train recipe.toml {SHORT} {parts} --set output_dir=cut --resume"));
        assert_eq!(tensors(&place.path("cut/checkpoint-2/adapter_model.safetensors")), adapter, "{family}");
    }
}

fn is_tower(name: &str) -> bool {
    name.contains(".vision_tower.") || (name.contains(".visual.") && !name.contains("merger"))
}

/// Bytes of the tensors of a file, by name.
fn tensors(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let bytes = std::fs::read(path).expect("tensors");
    let (length, rest) = bytes.split_first_chunk::<8>().expect("the length of the header");
    let (header, data) = rest.split_at(u64::from_le_bytes(*length) as usize);
    let header: Value = serde_json::from_slice(header).expect("a header");
    let fields = header.as_object().expect("tensors").iter().filter(|(name, _)| *name != "__metadata__");
    let at = |field: &Value, end: usize| field["data_offsets"][end].as_u64().expect("an offset") as usize;
    fields.map(|(name, field)| (name.clone(), data[at(field, 0)..at(field, 1)].to_vec())).collect()
}

#[test]
fn tiles_may_be_switched_off_where_the_family_cuts_images() {
    let tokens = |place: &Workplace, more: &str| {
        let said = place.done(&format!("preview recipe.toml {more}"));
        said.stdout.matches("<IMG_CONTEXT>").count()
    };
    let internvl = place("internvl");
    let (all, few) = (tokens(&internvl, ""), tokens(&internvl, "--set do_image_splitting=false"));
    assert!(few > 0 && few < all, "{few} image tokens of {all}");
    let refused = place("llava_next").refused("train recipe.toml --set do_image_splitting=false");
    assert!(
        refused.contains("`do_image_splitting` has no effect on models of LLaVA-NeXT, which have no such setting"),
        "{refused}"
    );
}

#[test]
fn images_may_be_limited_where_the_family_takes_any_size() {
    let place = place("qwen2_5_vl");
    let tokens = |more: &str| {
        let said = place.done(&format!("preview recipe.toml {more}"));
        said.stdout.matches("<|image_pad|>").count()
    };
    let (all, few) = (tokens(""), tokens("--set image_max_pixels=1024"));
    assert!(few > 0 && few < all, "{few} image tokens of {all}");
    let refused = place.refused("train recipe.toml --set do_image_splitting=true");
    assert!(refused.contains("`do_image_splitting` has no effect on models of Qwen2-VL and Qwen2.5-VL"), "{refused}");
    let refused = place.refused("train recipe.toml --set image_max_pixels=5 --set image_min_pixels=6");
    assert!(refused.contains("`image_min_pixels` is more than `image_max_pixels`"), "{refused}");
}

/// Images are square here. With these settings of the folder, they have two crops.
fn gemma_with_crops() -> Workplace {
    let place = place("gemma3");
    let mut settings: Value = serde_json::from_str(&place.read("model/preprocessor_config.json")).expect("JSON");
    settings["pan_and_scan_min_ratio_to_activate"] = 1.0.into();
    settings["pan_and_scan_min_crop_size"] = 16.into();
    place.write("model/preprocessor_config.json", settings.to_string());
    place
}

#[test]
fn crops_are_shown_where_the_recipe_or_the_folder_says_so() {
    let place = gemma_with_crops();
    let images = |more: &str| {
        let said = place.done(&format!("preview recipe.toml {more}")).stdout;
        said.matches("<start_of_image>").count()
    };
    let (one, all) = (images(""), images("--set do_pan_and_scan=true"));
    assert!(one > 0 && all == 3 * one, "{all} squares of {one} images");
    let settings = place.read("model/preprocessor_config.json");
    let of_folder = settings.replace(r#""do_pan_and_scan":null"#, r#""do_pan_and_scan":true"#);
    place.write("model/preprocessor_config.json", of_folder);
    assert_eq!((images(""), images("--set do_pan_and_scan=false")), (all, one));
    let refused = self::place("qwen2_5_vl").refused("train recipe.toml --set do_pan_and_scan=true");
    assert!(refused.contains("`do_pan_and_scan` has no effect on models of Qwen2-VL and Qwen2.5-VL"), "{refused}");
}

/// A run with crops is evaluated, continued and exported with crops.
#[test]
fn crops_of_a_run_go_with_it() {
    let place = gemma_with_crops();
    place.done(&format!("train recipe.toml {SHORT} --set do_pan_and_scan=true"));
    let outcomes = place.read("run/benchmark/epoch-1/outcomes.jsonl");
    assert!(outcomes.contains("\"fgsm\"") && outcomes.contains("\"transfer\""), "attacks are made on crops");
    let run = likelihoods(&place, "run");
    for format in ["peft", "merged"] {
        place.done(&format!("export run {format} --format {format}"));
        let exported = likelihoods(&place, format);
        let apart = exported.iter().zip(&run).map(|(one, other)| (one - other).abs()).fold(0.0, f64::max);
        assert!(apart <= 1e-4, "{format}: {exported:?} instead of {run:?}");
    }
    assert!(place.read("peft/README.md").contains("pass `do_pan_and_scan=True` to the processor"));
    let again = "check recipe.toml --set adapter_name_or_path=peft";
    let note = "peft: the adapter was trained with `do_pan_and_scan = true`, unlike the base model: ";
    assert!(place.done(again).stderr.contains(note));
    let warning = "warning: peft: the adapter was trained with `do_pan_and_scan = true`, and the recipe has \
                   `do_pan_and_scan = false` -> ";
    assert!(place.done(&format!("{again} --set do_pan_and_scan=false")).stderr.contains(warning));
}

/// Cases of which some for evaluation ask for a box.
const BOXED: &str = "--set data.synth.seed=1 --set benchmark.max_cases=9";

/// Boxes are asked for in the unit with which a family was trained, unless the recipe states another one.
#[test]
fn boxes_are_asked_for_in_the_unit_of_the_family() {
    let units = ["in percent", "from 0 to 1000", "in pixels"];
    for (family, unit) in [
        ("smolvlm", units[0]),
        ("gemma3", units[0]),
        ("llava", units[0]),
        ("llava_next", units[0]),
        ("qwen2_vl", units[1]),
        ("qwen3_vl", units[1]),
        ("internvl", units[1]),
        ("qwen2_5_vl", units[2]),
    ] {
        let place = place(family);
        let asked = |more: &str| {
            let asked = |line: String| {
                let said = place.done(&format!("preview recipe.toml {line} {more}")).stdout;
                // Some tokenizers show no blanks.
                let bare = |text: &str| text.replace(' ', "");
                let words = |unit: &str| bare(&format!("Answer with [left, top, right, bottom] {unit}."));
                let found = units.map(|unit| bare(&said).contains(&words(unit)));
                assert_eq!(found.into_iter().filter(|found| *found).count(), 1, "{family} {line} {more}: {said}");
                units[found.iter().position(|found| *found).expect("one")]
            };
            let [trained, evaluated] =
                ["".to_owned(), format!("--suite suite.toml --condition clean --n 200 {BOXED}")].map(asked);
            assert_eq!(trained, evaluated, "{family} {more}");
            trained
        };
        assert_eq!(asked(""), unit, "{family}");
        assert_eq!(asked("--set box_format=per_mille"), units[1], "{family}");
    }
    let refused = place("llava").refused("train recipe.toml --set box_format=pixels");
    assert!(refused.contains("boxes cannot be given in pixels of the resized image by LLaVA-1.5"), "{refused}");
}

/// The unit of boxes of a run is the unit of its evaluation and of its exports, and results in two units are not compared.
#[test]
fn the_unit_of_boxes_of_a_run_goes_with_it() {
    let place = place("smolvlm");
    place.done(&format!("train recipe.toml {SHORT} {BOXED}"));
    place.done(&format!("train recipe.toml {SHORT} {BOXED} --set output_dir=fine --set box_format=per_mille"));
    place.done("export fine peft --format peft");
    assert!(place.read("peft/preprocessor_config.json").contains(r#""box_format": "per_mille""#));
    let unit = r#""box_format":"per_mille""#;
    let outcomes = |path: &str, out: &str| {
        place.done(&format!("eval {path} --out {out} --max-cases 9 --no-cache --suite suite.toml"));
        place.read(&format!("{out}/tuned/outcomes.jsonl"))
    };
    assert!(!outcomes("run", "a").contains(unit));
    assert!(outcomes("fine", "b").contains(unit));
    assert!(outcomes("peft", "c").contains(unit));
    let refused = place.refused("compare a b --suite suite.toml");
    assert!(refused.contains("box_format: is `percent` in A and `per_mille` in B"), "{refused}");
}
