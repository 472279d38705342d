//! A phase that advances early.

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
