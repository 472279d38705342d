//! Every model family through the whole program: training in phases with the benchmark after each, resuming, questions,
//! export of adapter and merged model.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::common::{Workplace, copy};
use crate::never::likelihoods;

/// Fixtures with one model of each family.
const FAMILIES: [&str; 8] =
    ["qwen2_vl", "qwen2_5_vl", "qwen3_vl", "llava", "llava_next", "gemma3", "internvl", "smolvlm"];

/// Makes a workplace whose model is the tiny random model of `family`. Its vocabulary has few merges,
/// so texts have many tokens.
fn place(family: &str) -> Workplace {
    let place = Workplace::new();
    std::fs::remove_dir_all(place.path("model")).expect("removed");
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/parity/families/fixtures");
    copy(&fixtures.join(family).join("model"), &place.path("model"));
    place
}

const SHORT: &str = "--set train.max_steps=2 --set curriculum.phase.0.max_steps=1 --set curriculum.phase.1.max_steps=1 \
                     --set lora.target_modules=all-linear --set train.save_steps=1 --set train.save_total_limit=9";

#[test]
fn a_model_of_every_family_is_trained_evaluated_asked_and_exported() {
    for family in FAMILIES {
        let place = place(family);
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
        // In LLaVA-NeXT, no gradient reaches the layers after the feature layer.
        let without = "--set lora.exclude_modules=.*vision_tower.encoder.layers.2.*";
        let without = if family == "llava_next" { without } else { "" };
        place.done(&format!("train recipe.toml {SHORT} {parts} {without}"));
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
        refused.contains("`do_image_splitting` has no effect on LLaVA-NeXT, which have no such setting"),
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
    assert!(refused.contains("`do_image_splitting` has no effect on Qwen2-VL and Qwen2.5-VL"), "{refused}");
    let refused = place.refused("train recipe.toml --set image_max_pixels=5 --set image_min_pixels=6");
    assert!(refused.contains("`image_min_pixels` is more than `image_max_pixels`"), "{refused}");
}
