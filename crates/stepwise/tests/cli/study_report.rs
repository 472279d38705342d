//! Manifest of a study, and reports made from it.

use std::fs;

use crate::common::Workplace;
use crate::study::{STUDIED, furnished};

/// Copy of the finished study in its own workplace.
fn finished() -> Workplace {
    let place = furnished();
    place.bring(&STUDIED.0, "out");
    place
}

fn with_a_seed_more(place: &Workplace) {
    place.edit("order.toml", "order.toml", "[1, 2]", "[1, 2, 3]");
}

#[test]
fn a_report_needs_neither_model_nor_cases() {
    let place = finished();
    place.done("study report order.toml");
    let with_model = place.read("out/report/summary.json");
    fs::remove_dir_all(place.path("model")).expect("removed");
    fs::remove_dir_all(place.path("out/report")).expect("removed");
    place.done("study report order.toml");
    assert_eq!(place.read("out/report/summary.json"), with_model);
    // Running the study needs the model.
    assert!(place.refused("study run order.toml").contains("model"));
}

#[test]
fn a_report_is_of_the_study_that_was_run() {
    let place = finished();
    let mut said = String::new();
    for (what, old, new) in [
        ("endpoints", "\"chain_accuracy\", ", ""),
        ("an arm", "\"stepwise\" }", "\"stepwise\", train.learning_rate = 1e-3 }"),
        ("fewer seeds", "[1, 2]", "[1]"),
    ] {
        place.edit("order.toml", "other.toml", old, new);
        said.push_str(&format!("# {what}\n{}\n", place.refused("study report other.toml")));
    }
    insta::assert_snapshot!(said);
}

#[test]
fn a_line_of_base_and_end_is_refused_in_every_output() {
    let place = finished();
    let report = place.done("study report order.toml").stdout;
    let why = "evaluated steps of the reference besides its base: 1, but a line needs 2";
    let advice = "several epochs, or with a curriculum.order that has phases";
    for text in [&report, &place.read("out/report/report.md"), &place.read("out/report/report.tex")] {
        assert!(text.contains(why) && text.contains(advice), "{text}");
    }
    let page = place.read("out/report/report.html");
    assert!(page.contains(why) && page.contains(advice));
    assert!(place.read("out/report/tables/lines.csv").contains(&format!("\"{why}\"")));
    let summary: serde_json::Value = serde_json::from_str(&place.read("out/report/summary.json")).expect("JSON");
    assert_eq!(summary["lines"][0]["refused"], why);
    assert!(
        summary["lines"][0]["points"] == 3 && summary["lines"][0]["attack"] == "hint_minus",
        "{}",
        summary["lines"]
    );
    assert!(!summary["endpoints"].as_object().expect("a map").keys().any(|id| id.starts_with("effective_robustness")));
    let budget = place.read("out/report/tables/budget.csv");
    assert_eq!(budget, "arm,steps,samples,supervised_tokens\nstepwise,16,194,968\njoint,16,194,968\n");
}

#[test]
fn seeds_are_added_later_and_the_report_says_which() {
    let place = finished();
    with_a_seed_more(&place);
    let plan = place.done("study run order.toml --dry-run").stdout;
    assert_eq!((plan.matches("finished").count(), plan.matches("to be run").count()), (4, 2), "{plan}");
    place.done("study run order.toml --task 5");
    let manifest: serde_json::Value = serde_json::from_str(&place.read("out/manifest.json")).expect("JSON");
    assert_eq!(manifest["later_seeds"], serde_json::json!([3]));
    assert_eq!(manifest["tasks"].as_array().map(Vec::len), Some(6));
    insta::assert_snapshot!(place.done("study report order.toml").shown());
    for name in ["report.md", "report.tex"] {
        let text = place.read(&format!("out/report/{name}"));
        assert!(
            text.contains("NOT FINISHED: study order") && text.contains("seeds added after the first run: 3"),
            "{text}"
        );
    }
    let page = place.read("out/report/report.html");
    assert!(page.contains("not finished: stepwise (2 of 3 seeds)") && page.contains("1, 2, 3 (added later)"));
    // Added seeds cannot be removed again.
    place.edit("order.toml", "fewer.toml", "[1, 2, 3]", "[1, 2]");
    assert!(place.refused("study run fewer.toml").contains("it had 6 runs and now has 4"));
}

#[test]
fn a_manifest_that_was_edited_or_is_gone_is_not_written_anew() {
    let place = finished();
    let written = place.read("out/manifest.json");
    place.edit("out/manifest.json", "out/manifest.json", "\"chain_accuracy\",", "");
    place.edit("order.toml", "order.toml", "\"chain_accuracy\", ", "");
    let mut said = format!("# edited\n{}\n", place.refused("study report order.toml"));
    fs::remove_file(place.path("out/manifest.json")).expect("removed");
    said.push_str(&format!("# gone\n{}", place.refused("study run order.toml")));
    insta::assert_snapshot!(said);
    assert!(!place.path("out/manifest.json").exists());
    place.write("out/manifest.json", written);
    assert!(place.refused("study run order.toml").contains("its primary endpoints were chain_accuracy"));
}

#[test]
fn a_run_whose_last_test_is_not_on_record_is_not_reported() {
    let place = finished();
    let log = place.read("out/stepwise/seed-1/trainer_log.jsonl");
    let (before, _) = log.rsplit_once("\n{\"current_steps\":16,\"epoch\"").expect("tested");
    place.write("out/stepwise/seed-1/trainer_log.jsonl", format!("{before}\n"));
    assert!(place.refused("study report order.toml").contains("the log of the run lacks the final evaluation"));
}

#[test]
fn arms_that_would_be_asked_about_different_cases_are_refused() {
    let place = furnished();
    place.edit("order.toml", "order.toml", "\"shuffled\" }", "\"shuffled\", data.eval_split = \"test\" }");
    insta::assert_snapshot!(place.refused("study run order.toml --dry-run"));
}

#[test]
fn the_manifest_follows_the_study_until_a_run_has_begun() {
    let place = furnished();
    place.done("study emit order.toml --target shell");
    place.edit("order.toml", "order.toml", "\"chain_accuracy\", ", "");
    place.done("study emit order.toml --target shell");
    assert!(!place.read("out/manifest.json").contains("chain_accuracy"));
    fs::create_dir_all(place.path("out/joint/seed-1")).expect("made");
    place.edit("order.toml", "order.toml", "[\"accuracy", "[\"chain_accuracy\", \"accuracy");
    assert!(
        place
            .refused("study emit order.toml --target shell")
            .contains("its primary endpoints were accuracy:hint_minus")
    );
}

#[test]
fn a_study_goes_on_with_the_lessons_that_it_began_with() {
    let place = finished();
    let mut manifest: serde_json::Value = serde_json::from_str(&place.read("out/manifest.json")).expect("JSON");
    let examples = |task: usize| manifest["tasks"][task]["lessons"].as_str().map(str::len);
    assert_eq!((examples(0), examples(3)), (Some(64), Some(64)));
    assert_ne!(manifest["tasks"][0]["lessons"], manifest["tasks"][1]["lessons"], "orders differ");
    manifest["tasks"][3]["lessons"] = "those of another version".into();
    place.write("out/manifest.json", manifest.to_string());
    place.done("study run order.toml");
    fs::remove_file(place.path("out/joint/seed-2/finished.json")).expect("removed");
    let said = place.refused("study run order.toml --task 3");
    assert!(said.contains("makes other training examples for the arm `joint` with seed 2"), "{said}");
    place.done("study run order.toml --task 2");

    // A report can be made from a manifest of an earlier version, but the study cannot be continued.
    manifest["schema"] = "study/1".into();
    manifest["unequal_budget"] = "one reason".into();
    place.write("out/manifest.json", manifest.to_string());
    place.edit("order.toml", "order.toml", "seeds =", "unequal_budget = \"one reason\"\nseeds =");
    place.done("study report order.toml");
    assert!(place.refused("study run order.toml").contains("its manifest has the schema `study/1`"));
}

#[test]
fn runs_that_ended_early_are_named_and_want_a_reason_beforehand() {
    let place = finished();
    place.edit("out/joint/seed-2/finished.json", "out/joint/seed-2/finished.json", "step\": 16", "step\": 12");
    let said = place.done("study report order.toml").stdout;
    assert!(said.contains("stopped early: joint seed 2 after 12 of 16 steps\n"), "{said}");

    let place = furnished();
    place.edit("base.toml", "base.toml", "num_train_epochs = 1", "num_train_epochs = 1\nearly_stopping_patience = 2");
    let said = place.refused("study run order.toml --dry-run");
    assert!(said.contains("may end before all planned steps (`train.early_stopping_patience`)"), "{said}");
    place.edit(
        "order.toml",
        "order.toml",
        "seeds =",
        "unequal_budget = { steps = \"each until it is done\" }\nseeds =",
    );
    assert!(
        place.done("study run order.toml --dry-run").stdout.ends_with("may differ in steps: each until it is done\n")
    );
}

#[test]
fn arms_that_are_one_and_endpoints_that_come_after_are_refused() {
    let place = furnished();
    let mut said = String::new();
    let mut refuse = |what: &str, old: &str, new: &str| {
        place.edit("order.toml", "other.toml", old, new);
        said.push_str(&format!("# {what}\n{}\n", place.refused("study run other.toml --dry-run")));
    };
    refuse("twins", "\"stepwise\" }", "\"shuffled\", train.logging_steps = 1 }");
    refuse("a seed of its own", "\"stepwise\" }", "\"stepwise\", seed = 4 }");
    refuse(
        "one key in two axes",
        "[axes.order]",
        "[axes.other]\nplain = { curriculum.order = \"reverse\" }\n[axes.order]",
    );
    refuse("an endpoint that rests on a line", "\"chain_accuracy\"", "\"effective_robustness:hint_minus\"");
    insta::assert_snapshot!(said);
}
