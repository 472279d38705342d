//! Benchmarks of a run: interrupted, killed, and with attacks that transfer from the base.

use stepwise_benchmark::store;
use stepwise_trainer::checkpoint::source::ModelSource;
use stepwise_vlm::images::processor::ImageOptions;

use super::*;

/// A suite with an attack on the evaluated model and the same attack transferred from the base.
const TRANSFER: &str = "name = \"t\"\nversion = 1\nseed = 1\n\
    [[condition]]\nid = \"clean\"\nkind = \"clean\"\n\
    [[condition]]\nid = \"pgd\"\nkind = \"pgd\"\neps = 4\nsteps = 2\nrestarts = 1\n\
    [[condition]]\nid = \"transfer\"\nkind = \"transfer\"\neps = 4\nsteps = 2\nrestarts = 1\n";

/// Returns a recipe whose suite is [`TRANSFER`].
fn transfer_recipe(place: &Workplace, out: &str, tuning: &str) -> String {
    let suite = place.path("suite.toml");
    std::fs::write(&suite, TRANSFER).expect("written");
    place.recipe(out, tuning).replace("\"fast\"", &format!("{:?}", suite.display().to_string()))
}

/// The losses of an attack on the base are the same after every epoch. The losses of an attack on the
/// trained model differ.
fn transferred_from_the_base(run: &Path) {
    let losses = |epoch: &str, condition: &str| -> Vec<Vec<Option<f64>>> {
        let outcomes = store::read(&run.join("benchmark").join(epoch).join("outcomes.jsonl")).expect("outcomes");
        let of = outcomes.into_iter().filter(|outcome| outcome.condition == condition);
        of.map(|outcome| outcome.attack.expect("an attack").losses).collect()
    };
    let first = losses("epoch-1", "transfer");
    assert!(first.len() > 4);
    assert_eq!(first, losses("epoch-2", "transfer"));
    // Same pixels and draws; the frozen weights may have another memory layout there, and so another rounding.
    for (transferred, own) in first.iter().flatten().zip(losses("base", "pgd").iter().flatten()) {
        let (transferred, own) = (transferred.expect("a number"), own.expect("a number"));
        assert!((transferred - own).abs() < 1e-4, "{transferred} {own}");
    }
    assert_ne!(losses("epoch-1", "pgd"), losses("epoch-2", "pgd"));
    assert!(losses("base", "transfer").is_empty(), "the base has no other base");
}

#[test]
fn full_fine_tuning_leaves_a_model_folder_that_loads() {
    let place = Workplace::new();
    let full = "finetuning_type = \"full\"\n[full]\nfreeze_vision_tower = false\nfreeze_multi_modal_projector = false";
    let (finished, _) = run(&transfer_recipe(&place, "full", full), Stop::Never, false);
    let source = ModelSource::find(&finished.folder, None).expect("a model");
    assert_eq!(source.base.as_deref(), Some(place.model.as_path()));
    source.load(&Device::flex(), ImageOptions::default()).expect("loads");
    transferred_from_the_base(&place.path("full"));
}

#[test]
fn attacks_transfer_from_the_base_whose_adapter_is_off() {
    let place = Workplace::new();
    let lora = "[lora]\nr = 2\ntarget_modules = \"all-linear\"";
    run(&transfer_recipe(&place, "run", lora), Stop::Never, false);
    transferred_from_the_base(&place.path("run"));
}

#[test]
fn an_interrupted_benchmark_is_completed() {
    let place = Workplace::new();
    let text = place.recipe("run", "[lora]\nr = 2");
    let (_, losses) = run(&text, Stop::Never, false);
    let (kept, out) = (place.set_aside("run"), place.path("run"));

    let (mut parted, mut held) = (Losses::new(), 0);
    for (place, task) in ["benchmark base", "benchmark epoch-1", "benchmark epoch-2"].into_iter().enumerate() {
        parted.extend(run_in_parts(&text, &[Stop::Within(task)], place > 0).1);
        let folder = out.join(task.replace(' ', "/"));
        assert!(!folder.join("outcomes.jsonl").exists(), "{task} has not ended");
        held += std::fs::read_to_string(folder.join("outcomes.part.jsonl")).expect("a journal").lines().count();
    }
    assert!(held > 100, "answers were kept: {held}");
    let (finished, steps) = run_in_parts(&text, &[Stop::Never], true);
    assert_eq!(finished.epochs.len(), 2);
    parted.extend(steps);
    assert_eq!(parted, losses);
    assert_same_files(&kept.join("benchmark"), &out.join("benchmark"));
}

#[test]
fn a_run_killed_before_it_saved_a_benchmark_repeats_the_benchmark() {
    let place = Workplace::new();
    let out = place.path("run");
    let text = place.recipe("run", "[lora]\nr = 2");
    let (stopped, _) = run_in_parts(&text, &[Stop::Within("benchmark epoch-1")], false);
    let untested = out.join(checkpoint::name(stopped.global_step));
    let files = contents(&untested);
    let (finished, _) = run(&text, Stop::Never, true);
    let last = out.join(checkpoint::name(finished.global_step));
    // The step of each line, and whether the line ends an epoch.
    let logged = || -> Vec<_> {
        log(&out).iter().map(|line| (line["current_steps"].as_u64(), line["metrics"].is_object())).collect()
    };
    let whole = (contents(&last), logged());
    // Simulates a process that died before it rewrote the checkpoint.
    for (file, bytes) in &files {
        std::fs::write(untested.join(file), bytes).expect("written");
    }
    std::fs::remove_dir_all(&last).expect("removed");
    let (again, _) = run(&text, Stop::Never, true);
    assert_eq!((again.epochs.len(), again.best), (2, finished.best));
    assert_eq!(logged(), whole.1);
    assert_same_contents(&whole.0, &contents(&last));
}
