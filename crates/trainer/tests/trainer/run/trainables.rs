//! Runs in which each phase trains other parts of the model.

use std::collections::BTreeMap;

use stepwise_trainer::checkpoint::TrainerState;
use stepwise_trainer::learner::Learner;
use stepwise_vlm::model::ModelPart;
use stepwise_vlm::weights::SafetensorsSource;

use super::*;

/// Recipe: three steps of the connector, four steps of the decoder, three steps of all parts.
fn text(place: &Workplace, tuning: &str, suite: &str) -> String {
    let tuning = format!("{tuning}\nfreeze_vision_tower = false\nfreeze_multi_modal_projector = false");
    let curriculum = r#"[curriculum]
augment = { pgd = { share = 0.2, eps = 8, steps = 2, restarts = 1 } }
[[curriculum.phase]]
name = "connect"
stages = [1]
max_steps = 3
freeze_vision_tower = true
freeze_language_model = true
[[curriculum.phase]]
name = "read"
stages = [1, 2]
max_steps = 4
freeze_vision_tower = true
freeze_multi_modal_projector = true
context = { gold = 0.3, predicted = 0.5 }
[[curriculum.phase]]
name = "all"
stages = [3, 4]
max_steps = 3
"#;
    place.recipe_of("run", &tuning, "weight_decay = 0.1\nsave_steps = 1", curriculum, suite)
}

/// Tensors of a checkpoint file, by model part.
fn by_part(file: &Path) -> BTreeMap<ModelPart, BTreeMap<String, Vec<f32>>> {
    let source = SafetensorsSource::open(&[file.to_path_buf()], &Device::flex()).expect("a file");
    let mut parts: BTreeMap<ModelPart, BTreeMap<String, Vec<f32>>> = BTreeMap::new();
    for name in source.names() {
        let whole = ["base_model.model.", "exp_avg.", "exp_avg_sq."].iter().find_map(|start| name.strip_prefix(start));
        let part = ModelPart::of(whole.unwrap_or(name));
        parts.entry(part).or_default().insert(name.to_owned(), source.any(name).expect("values").1);
    }
    parts
}

/// Parts that differ between two checkpoints.
fn moved(before: &Path, after: &Path, file: &str) -> Vec<ModelPart> {
    let (before, after) = (by_part(&before.join(file)), by_part(&after.join(file)));
    ModelPart::ALL.into_iter().filter(|part| before.get(part) != after.get(part)).collect()
}

/// Runs three phases, checks which parts changed in each, and compares with a run that was interrupted in every phase.
fn three_phases(tuning: &str, suite: &str, weights: &str) {
    use ModelPart::{Connector, Decoder, Vision};
    let place = Workplace::new();
    let out = place.path("run");
    let text = text(&place, tuning, suite);
    let fresh = place.path("fresh");
    std::fs::create_dir(&fresh).expect("a folder");
    let mut learner = Learner::new(&recipe(text.as_str()), &Device::flex(), &mut ()).expect("a learner");
    learner.save(&fresh).expect("saved");

    let (finished, losses) = run(&text, Stop::Never, false);
    assert_eq!(finished.global_step, 10);
    let kept = place.set_aside("run");
    let at = |step: u64| kept.join(checkpoint::name(step));
    assert_eq!(moved(&fresh, &at(3), weights), [Connector]);
    assert_eq!(moved(&at(3), &at(7), weights), [Decoder]);
    assert_eq!(moved(&at(7), &at(10), weights), [Vision, Connector, Decoder]);
    assert_eq!(moved(&at(3), &at(7), "optimizer.safetensors"), [Decoder], "moments of frozen parts do not decay");
    let steps = |step: u64| TrainerState::read(&at(step)).expect("a state").steps();
    assert_eq!(steps(3), [(Vision, 0), (Connector, 3), (Decoder, 0)].into());
    assert_eq!(steps(10), [(Vision, 3), (Connector, 6), (Decoder, 7)].into());

    // Interrupted within each phase, and in the benchmark at the end of the second phase.
    let tested = suite != "none";
    let within = if tested { Stop::Within("benchmark epoch-2") } else { Stop::After(7) };
    let stops = [Stop::After(2), Stop::After(5), within, Stop::After(8), Stop::Never];
    assert_eq!(run_in_parts(&text, &stops, false).1, losses);
    for step in [5, 7, 10] {
        assert_same_files(&at(step), &out.join(checkpoint::name(step)));
    }
    if tested {
        assert_files_in(&kept.join("benchmark"), &out.join("benchmark"));
    }
}

#[test]
fn adapters_change_only_in_phases_that_train_their_part() {
    three_phases("[lora]\nr = 2\nlora_dropout = 0.1", "fast", "adapter_model.safetensors");
}

#[test]
fn dora_and_modules_to_save_change_only_in_phases_that_train_their_part() {
    let dora = "[lora]\nr = 2\nlora_dropout = 0.1\nuse_dora = true\n\
                modules_to_save = [\"lm_head\", \"modality_projection.proj\"]";
    three_phases(dora, "none", "adapter_model.safetensors");
}

#[test]
fn full_fine_tuning_changes_only_the_parts_of_the_phase() {
    three_phases("finetuning_type = \"full\"\n[full]", "none", "model.safetensors");
}

#[test]
fn a_phase_that_trains_nothing_is_refused_before_the_run() {
    let vision = "[lora]\nr = 2\ntarget_modules = [\"fc1\"]";
    let place = Workplace::new();
    let recipe = recipe(text(&place, vision, "none"));
    let refused =
        Learner::new(&recipe, &Device::flex(), &mut ()).err().expect("the tower alone has adapters").to_string();
    assert!(refused.starts_with("nothing is trained in phase connect: "), "{refused}");
}
