//! Delivered checkpoint: the same one in every command, shown first, with the reason.

use serde_json::{Value, json};

use crate::common::{Ran, TRAINED, Workplace, metric};

/// The finished run, in which the first epoch is `best` and the second one is the last.
const CHOSEN: &str = "run/checkpoint-5 is taken: `best`, epoch 1, step 5: robust_accuracy";

/// Writes other numbers into the summary of an epoch: robust and clean accuracy of model and base.
fn plant(place: &Workplace, epoch: u32, robust: f64, clean: f64) {
    let file = format!("run/benchmark/epoch-{epoch}/summary.json");
    let mut summary: Value = serde_json::from_str(&place.read(&file)).expect("JSON");
    for (id, value, base) in [("robust_accuracy", robust, 0.5), ("accuracy:clean", clean, 0.7)] {
        let metrics = summary["metrics"].as_array_mut().expect("a list");
        let metric = metrics.iter_mut().find(|metric| metric["id"] == id).expect("there");
        metric["value"] = json!(value);
        metric["base"]["value"] = json!(base);
        metric["difference"]["value"] = json!(value - base);
    }
    place.write(&file, summary.to_string());
}

/// A place with the finished run and an image.
fn place() -> Workplace {
    let place = Workplace::with_run();
    place.edit(
        "run/recipe.resolved.toml",
        "run/recipe.resolved.toml",
        "best_model_max_drop = 1.0",
        "best_model_max_drop = 0.02",
    );
    place
}

/// All commands that take a model from the run, with the lines that they write about it.
fn all(place: &Workplace) -> Vec<(&'static str, Ran)> {
    let run = |line: &'static str| (line, place.done(line));
    vec![
        run("eval run --suite suite.toml --max-cases 1"),
        run("export run out --format peft"),
        run("ask --model_name_or_path model --adapter run --question Why?"),
        run("compare run/benchmark/base run"),
    ]
}

#[test]
fn the_table_and_the_page_of_a_run_are_about_the_delivered_epoch() {
    let shown = &TRAINED.1.stdout;
    assert!(shown.contains("after epoch 1 ") && !shown.contains("after epoch 2"), "{shown}");
    assert!(shown.contains("this table: epoch 1, the delivered checkpoint (checkpoint-5, best)"), "{shown}");
    let (_, epochs) = shown.split_once("all evaluated epochs\n").expect("a table of epochs");
    let row = |epoch: &str| epochs.lines().find(|line| line.starts_with(epoch)).unwrap_or_else(|| panic!("{epochs}"));
    assert!(row("1 ").ends_with("delivered") && !row("2 ").ends_with("delivered"), "{epochs}");

    let page = TRAINED.0.read("run/report.html");
    let head = page.split("<section id=\"conditions\"").next().expect("a head");
    assert!(head.contains("(epoch 1), on") && head.contains("Other epochs: epoch 2 "), "{head}");
    assert!(head.contains("`best`, epoch 1, step 5: robust_accuracy"), "{head}");
    assert!(page.contains("<section id=\"training\"") && page.contains("class=\"line raw\""), "a loss curve");
    let curve = TRAINED.0.read("run/benchmark/tables/training.csv");
    assert_eq!(curve.lines().next(), Some("step,phase,loss,smoothed,evaluation_loss,learning_rate"));
    let lines: Vec<Vec<&str>> = curve.lines().skip(1).map(|line| line.split(',').collect()).collect();
    let evaluated: Vec<&str> = lines.iter().filter(|line| !line[4].is_empty()).map(|line| line[0]).collect();
    assert_eq!((lines.len(), evaluated), (7, vec!["5", "11"]), "{curve}");
}

#[test]
fn every_command_says_that_it_takes_the_best_checkpoint() {
    let place = place();
    for (line, ran) in all(&place) {
        assert!(ran.stderr.contains(CHOSEN), "{line}: {}", ran.stderr);
    }
    let table = place.done("compare run/benchmark/base run").stdout;
    assert!(table.contains("epoch 1 (checkpoint-5, best)"), "{table}");
    let json = place.done("compare run/benchmark/base run --json").json();
    assert_eq!(json["b"]["checkpoint"], "epoch 1 (checkpoint-5, best)");
    let same = place.done("compare run run/checkpoint-5 --json").json();
    assert_eq!(metric(&same, "robust_accuracy")["value"], 0.0);
}

#[test]
fn a_better_last_epoch_outside_the_guard_stands_beside_the_delivered_one() {
    let place = place();
    plant(&place, 1, 0.4, 0.69);
    plant(&place, 2, 0.9, 0.3);
    let table = place.done("compare run/benchmark/base run").stdout;
    assert!(table.contains("epoch 1 (checkpoint-5, best)"), "{table}");
    let (_, epochs) = table.split_once("epochs of B, run\n").expect("a table of epochs");
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ");
    let rows: Vec<String> = epochs.lines().take(3).map(words).collect();
    assert!(rows[1].starts_with("1 0.500 0.400 -0.100") && rows[1].ends_with("0.690 delivered"), "{epochs}");
    assert!(rows[2].starts_with("2 0.500 0.900 +0.400") && rows[2].ends_with("0.300 outside the guard"), "{epochs}");
    let line = "the delivered checkpoint is not better than the untouched base in robust_accuracy (epoch 1: 0.400, base \
                0.500); better, but outside the guard";
    assert!(epochs.contains(line), "{epochs}");
}

#[test]
fn a_plain_line_says_that_no_epoch_is_better_than_the_base() {
    let place = place();
    plant(&place, 1, 0.45, 0.7);
    plant(&place, 2, 0.5, 0.7);
    let table = place.done("compare run/benchmark/base run").stdout;
    assert!(table.contains("no epoch is better than the untouched base in robust_accuracy (epoch 1: 0.450"), "{table}");
}

#[cfg(unix)]
#[test]
fn every_command_warns_of_a_best_that_leads_nowhere() {
    let place = place();
    std::fs::remove_dir_all(place.path("run/checkpoint-5")).expect("removed");
    let warning = "warning: run/best: leads to checkpoint-5, which is no checkpoint -> restore that folder, or name another \
                   checkpoint\n";
    for (line, ran) in all(&place) {
        assert!(ran.stderr.contains(warning), "{line}: {}", ran.stderr);
        let taken = "run/checkpoint-11 is taken: the newest (`last`), because `best` leads nowhere or is missing";
        assert!(ran.stderr.contains(taken), "{line}: {}", ran.stderr);
    }
    let refused = place.refused("export run/best other --format peft");
    assert!(refused.contains("run/best: leads to checkpoint-5, which does not exist -> "), "{refused}");
}

#[cfg(unix)]
#[test]
fn without_the_link_the_recorded_best_is_taken_and_said() {
    let place = place();
    std::fs::remove_file(place.path("run/best")).expect("removed");
    for (line, ran) in all(&place) {
        let taken = "run/checkpoint-5 is taken: the recorded best, epoch 1, step 5: robust_accuracy";
        assert!(ran.stderr.contains(taken), "{line}: {}", ran.stderr);
    }
    std::fs::remove_dir_all(place.path("run/checkpoint-5")).expect("removed");
    std::fs::remove_dir_all(place.path("out")).expect("removed");
    for (line, ran) in all(&place) {
        let warning = "warning: run/best: is missing, and so is checkpoint-5, the checkpoint of the best epoch -> ";
        assert!(ran.stderr.contains(warning), "{line}: {}", ran.stderr);
        assert!(
            ran.stderr.contains("run/checkpoint-11 is taken: the newest (`last`), because "),
            "{line}: {}",
            ran.stderr
        );
    }
}
