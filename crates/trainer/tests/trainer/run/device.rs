//! A device that fails during a run.

use super::*;

#[test]
fn a_run_saves_its_steps_and_goes_on_to_the_same_weights() {
    let place = Workplace::new();
    let phase = "[[curriculum.phase]]\nstages = [1, 2]\nnum_train_epochs = 1\n";
    let text = place.recipe_of("run", "[lora]\nr = 2", "save_steps = 0", phase, "fast");
    let (whole, _) = run(&text, Stop::Never, false);
    let kept = place.set_aside("run");

    let failed = |stop, resume| attempt(&text, stop, resume).0.map(drop).expect_err("the device fails").to_string();
    // In the benchmark of the base, where nothing is to be saved.
    let error = failed(Stop::Fails("benchmark base", 1), false);
    assert!(
        error.starts_with("the device ran out of memory: no room for a tensor of 4 MiB -> lower `train."),
        "{error}"
    );
    assert!(!place.path("run/last").exists(), "{error}");
    // Between two steps.
    let error = failed(Stop::Fails("train", 3), true);
    assert!(error.contains("stopped after step 3 of ") && error.contains("--resume"), "{error}");
    assert!(place.path("run/checkpoint-3/digest.json").is_file(), "{error}");
    // In the benchmark after the last step.
    let error = failed(Stop::Fails("benchmark epoch-1", 1), true);
    assert!(place.path("run").join(checkpoint::name(whole.global_step)).is_dir(), "{error}");

    let (resumed, _) = run(&text, Stop::Never, true);
    assert_eq!(resumed.global_step, whole.global_step);
    let newest = checkpoint::name(whole.global_step);
    for (folder, file) in [
        (newest.as_str(), "adapter_model.safetensors"),
        (newest.as_str(), "optimizer.safetensors"),
        ("benchmark/base", "outcomes.jsonl"),
        ("benchmark/epoch-1", "outcomes.jsonl"),
    ] {
        let bytes = |run: &Path| std::fs::read(run.join(folder).join(file)).expect("a file");
        assert!(bytes(&kept) == bytes(&place.path("run")), "{folder}/{file} differs");
    }
}
