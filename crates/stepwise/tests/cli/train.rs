//! `stepwise train`.

use crate::common::{TRAINED, Workplace};

#[test]
fn a_run_shows_its_steps_its_epochs_and_what_was_gained() {
    insta::assert_snapshot!(TRAINED.1.shown());
}

#[test]
fn a_run_leaves_all_that_it_says() {
    let place = &TRAINED.0;
    for name in [
        "recipe.toml",
        "recipe.resolved.toml",
        "environment.json",
        "report.html",
        "trainer_log.jsonl",
        "best/adapter_config.json",
        "last/trainer_state.json",
        "benchmark/base/outcomes.jsonl",
        "benchmark/epoch-2/summary.json",
        "benchmark/tables/stages.csv",
    ] {
        assert!(place.path("run").join(name).is_file(), "{name} is missing");
    }
    let log = place.read("run/trainer_log.jsonl");
    let steps: Vec<u64> = log
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"))
        .filter_map(|line| line["current_steps"].as_u64().filter(|_| line["loss"].is_f64()))
        .collect();
    let shown: Vec<&str> = TRAINED.1.stderr.lines().filter(|line| line.starts_with("step ")).collect();
    assert_eq!(steps.len(), shown.len(), "{log}\n{shown:?}");
    assert_eq!(steps.last(), Some(&11));
    assert_eq!(place.read("recipe.toml"), place.read("run/recipe.toml"));
}

#[test]
fn values_of_the_command_line_lie_over_the_recipe() {
    let place = Workplace::new();
    let ran = place.run_args(&[
        "train",
        "recipe.toml",
        "--device",
        "cpu",
        "--set",
        "train.max_steps=1",
        "--set",
        "benchmark.suite=none",
        "--set",
        "output_dir=elsewhere",
    ]);
    insta::assert_snapshot!(ran.shown());
    assert!(place.path("elsewhere/checkpoint-1").is_dir() && !place.path("run").exists());
    assert!(place.read("elsewhere/recipe.resolved.toml").contains("max_steps = 1"));
}

/// Command line of a run of four epochs with a learning rate so small that no weight changes.
const FLAT: &str = "train recipe.toml --set curriculum.order=shuffled --set train.num_train_epochs=4 \
    --set train.learning_rate=1e-30 --set train.early_stopping_patience=1 --set train.save_total_limit=1";

#[test]
fn a_run_that_becomes_no_better_stops_early_and_keeps_its_best_epoch() {
    let place = Workplace::new();
    let ran = place.done(FLAT);
    insta::assert_snapshot!(ran.shown());
    let steps = stepwise_trainer::checkpoint::steps(&place.path("run")).expect("readable");
    let [best, last] = steps[..] else { panic!("the best and the last one stay: {steps:?}") };
    for (link, step) in [("best", best), ("last", last)] {
        let target = std::fs::read_link(place.path("run").join(link)).expect("a link");
        assert_eq!(target, std::path::PathBuf::from(format!("checkpoint-{step}")), "{link}");
    }
    assert!(last == 2 * best, "after the second epoch of four");
    let chosen = format!("epoch 1, step {best}: robust_accuracy");
    assert!(place.read("run/report.html").contains(&chosen), "the report does not name {chosen}");
    let log = place.read("run/trainer_log.jsonl");
    let lines = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
    let named: Vec<u64> = lines.filter_map(|line| line["best"]["step"].as_u64()).collect();
    assert_eq!(named, [best, best]);
    // The run has ended, so resuming it trains nothing.
    let again = place.done(&format!("{FLAT} --resume"));
    assert_eq!(again.stdout, ran.stdout);
    assert!(!again.stderr.contains("\nstep "), "{}", again.stderr);
}

#[test]
fn a_plan_says_what_each_phase_would_teach_and_touches_nothing() {
    let place = Workplace::new();
    let shows = "context = { gold = 0.5, wrong = 0.25 }\nevidence = \"curriculum\"\n\
                 augment = { hint_minus = 0.2, blank = { share = 0.3, fill = \"noise\" }, jpeg = [{ share = 0.1, level = 2 }] }\n";
    place.edit("recipe.toml", "more.toml", "context = \"gold\"\n", shows);
    let mut said = String::new();
    for line in [
        "recipe.toml",
        "more.toml",
        "recipe.toml --set curriculum.order=cumulative",
        "recipe.toml --set lora.freeze_multi_modal_projector=false --set curriculum.phase.0.freeze_language_model=true",
    ] {
        said.push_str(&format!("$ stepwise train --plan {line}\n"));
        said.push_str(&place.done(&format!("train --plan {line}")).shown());
    }
    insta::assert_snapshot!(said);
    assert!(!place.path("run").exists());
}

#[test]
fn a_plan_is_written_as_a_list_or_a_page() {
    let place = Workplace::new();
    let listed = place.done("train recipe.toml --plan=plan.csv");
    assert!(listed.stdout.ends_with("\nplan    plan.csv\n"), "{}", listed.stdout);
    let list = place.read("plan.csv");
    let examples: Vec<Vec<&str>> = list.lines().skip(1).map(|line| line.split(',').collect()).collect();
    assert_eq!(examples.len(), 239, "as many as the table counts");
    let of = |column: usize, value: &str| examples.iter().filter(|row| row[column] == value).count();
    assert_eq!((of(1, "s12"), of(1, "s34"), of(6, "3"), of(9, "gold")), (131, 108, 57, 106));
    assert_eq!((of(7, "1"), examples[238][0]), (8 + 13, "11"), "stages 1 and 2 come again in the second phase");

    place.done("train recipe.toml --plan=plan.html");
    assert!(place.read("plan.html").contains("11 steps, 239 training examples, 18 cases"));
    let said = place.refused("train recipe.toml --plan=plan.txt")
        + &place
            .refused("train recipe.toml --plan --set curriculum.phase.0.early_advance={metric=\"clen\",at_least=0.5}")
        + &place.refused("train recipe.toml --plan --set curriculum.order=stepwise --set train.max_steps=3")
        + &place.refused("train recipe.toml --plan --set train.warmup_steps=5");
    insta::assert_snapshot!(said);
    assert!(!place.path("run").exists());
}
