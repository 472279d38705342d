//! Every model family through the whole program: training in phases with the benchmark after each, resuming, questions,
//! export of adapter and merged model.

use std::path::Path;

use crate::common::{Workplace, copy};
use crate::never::likelihoods;

/// Fixtures with one model of each family.
const FAMILIES: [&str; 5] = ["qwen2_vl", "qwen2_5_vl", "qwen3_vl", "llava", "gemma3"];

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
