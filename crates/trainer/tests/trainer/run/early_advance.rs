//! A phase that advances early.

use stepwise_vlm::weights::SafetensorsSource;

use super::*;

/// Returns a recipe whose first phase has up to three epochs and advances after its first evaluation.
fn advancing(place: &Workplace, metric: &str) -> String {
    let (text, first) = (place.recipe("run", "[lora]\nr = 2"), "stages = [1, 2]\nnum_train_epochs = 1\n");
    assert!(text.contains(first));
    let rule = format!("early_advance = {{ metric = \"{metric}\", at_least = 0.0 }}\n");
    text.replace(first, &format!("stages = [1, 2]\nnum_train_epochs = 3\n{rule}"))
}

#[test]
fn a_phase_advances_early_and_a_resumed_run_keeps_that() {
    let place = Workplace::new();
    let planned = run(&place.recipe("plain", "[lora]\nr = 2"), Stop::Never, false).0.global_step;

    let text = advancing(&place, "accuracy:clean");
    let out = place.path("run");
    let (finished, losses) = run(&text, Stop::Never, false);
    let last = losses.last().expect("steps").0;
    assert_eq!((finished.global_step, last), (planned, planned), "one epoch of three, as in the plain recipe");
    let table = json(&out.join("benchmark/forgetting.json"));
    let phases = table["phases"].as_array().expect("phases");
    assert_eq!(phases.iter().map(|phase| phase["epoch"].as_u64()).collect::<Vec<_>>(), [Some(1), Some(2)]);

    let kept = place.set_aside("run");
    let (resumed, _) = run_in_parts(&text, &[Stop::After(last - 1), Stop::Never], false);
    assert_eq!(resumed.global_step, last);
    let name = checkpoint::name(last);
    assert_same_files(&kept.join(&name), &out.join(&name));
}

#[test]
fn an_early_advance_at_an_unknown_metric_is_refused() {
    let place = Workplace::new();
    let text = advancing(&place, "acuracy:clean");
    let refused = attempt(&text, Stop::Never, false).0.expect_err("no such metric").to_string();
    assert!(refused.ends_with("does not measure `acuracy:clean` -> did you mean `accuracy:clean`?"), "{refused}");
}

/// Phases that are shorter than an epoch: every phase and the run have a step with a learning rate above 0.
#[test]
fn short_runs_and_phases_train() {
    let place = Workplace::new();
    let whole = "per_device_train_batch_size = 8\ngradient_accumulation_steps = 8\n";
    let text = |out: &str, train: &str, curriculum: &str| {
        let text = place.recipe_of(out, "[lora]\nr = 2", train, curriculum, "fast");
        text.replace("per_device_train_batch_size = 2\ngradient_accumulation_steps = 2\n", "")
    };
    let rates = |out: &str| -> Vec<f64> {
        log(&place.path(out)).iter().filter_map(|line| line["lr"].as_f64()).map(|rate| rate / 5e-3).collect()
    };
    let moved = |out: &str, step: u64| {
        let file = place.path(out).join(checkpoint::name(step)).join("adapter_model.safetensors");
        let saved = SafetensorsSource::open(&[file], &Device::flex()).expect("an adapter");
        let mut up = saved.names().filter(|name| name.contains("lora_B"));
        up.any(|name| saved.any(name).expect("a tensor").1.iter().any(|value| *value != 0.0))
    };

    let (finished, _) = run(&text("one", &format!("{whole}max_steps = 1"), ""), Stop::Never, false);
    assert_eq!((finished.global_step, rates("one")), (1, vec![1.0]));
    assert!(moved("one", 1) && finished.best.is_some());

    // One step per phase; a resumed run has the same rates and weights.
    let orders = "[curriculum]\norder = \"stepwise\"";
    let orders = text("orders", &format!("{whole}max_steps = 4"), orders);
    run(&orders, Stop::Never, false);
    assert_eq!(rates("orders"), [1.0; 4]);
    let kept = place.set_aside("orders");
    run_in_parts(&orders, &[Stop::After(1), Stop::After(3), Stop::Never], false);
    assert_same_files(&kept.join(checkpoint::name(4)), &place.path("orders").join(checkpoint::name(4)));

    // The first epoch of each phase is one step at the rate 0. It is not chosen as the best, and no rule ends the phase.
    let rule = "early_advance = { metric = \"accuracy:clean\", at_least = 0.0 }\n";
    let phases = format!(
        "[[curriculum.phase]]\nstages = [1]\nnum_train_epochs = 4\n{rule}[[curriculum.phase]]\nstages = [2]\nnum_train_epochs = 3\n"
    );
    let (finished, _) = run(&text("early", whole, &phases), Stop::Never, false);
    assert_eq!(rates("early")[..2], [0.0, 1.0]);
    assert_eq!((finished.global_step, rates("early").len()), (5, 5), "the first phase ends after its second epoch");
    assert!(!moved("early", 1) && moved("early", 2));
    let best = finished.best.expect("an epoch was chosen");
    assert!(best.epoch > 1, "{best}");
}
