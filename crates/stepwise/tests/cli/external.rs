//! Evaluation on data sets from elsewhere, which have no training cases.

use crate::common::Workplace;

/// A workplace with a run, and the folder `ext` with cases of one split only.
fn with(split: &str) -> Workplace {
    let place = Workplace::with_run();
    place.done("data synth ext --cases 12 --seed 9 --image-size 64");
    for other in ["train", "validation", "test"] {
        let text = place.read("ext/cases.jsonl");
        place.write(
            "ext/cases.jsonl",
            text.replace(&format!("\"split\":\"{other}\""), &format!("\"split\":\"{split}\"")),
        );
    }
    place
}

#[test]
fn a_test_set_needs_no_training_cases() {
    for split in ["test", "validation"] {
        let place = with(split);
        place.done("check ext --files headers");
        let line = "eval run --data ext --max-cases 2";
        let summary = place.done(&format!("{line} --split {split} --json")).json();
        assert_eq!(summary["conditions"][0]["id"], "clean");
        // Without `--split`, the only split is taken, which is said.
        let again = place.done(&format!("{line} --json"));
        let said = format!("ext: all cases are {split} cases: this split is evaluated\n");
        assert_eq!(again.stderr.contains(&said), split != "validation", "the split of the run: {}", again.stderr);
        assert_eq!(again.json(), summary);
        place.done(&format!("eval model --data ext --split {split} --max-cases 1"));
        let other = if split == "test" { "validation" } else { "test" };
        for wrong in [other, "train"] {
            let said = place.refused(&format!("{line} --split {wrong}"));
            let expected = format!(
                "error: no {wrong} cases in ext: it has 12 {split} cases -> name a split that has cases, such as `--split {split}`\n"
            );
            assert_eq!(said, expected);
        }
    }
}

#[test]
fn training_cases_are_not_evaluated_unasked() {
    let place = with("train");
    let said = place.refused("eval run --data ext --max-cases 2");
    assert!(
        said.ends_with("ext: it has 12 train cases -> name a split that has cases, such as `--split train`\n"),
        "{said}"
    );
    place.done("eval run --data ext --max-cases 2 --split train");
}

#[test]
fn a_run_is_evaluated_and_compared_when_its_training_cases_are_gone() {
    let place = Workplace::new();
    place.done("data synth cases --cases 24 --seed 2 --image-size 64");
    place.edit(
        "recipe.toml",
        "recipe.toml",
        "synth = { cases = 24, seed = 2, image_size = 64 }",
        "dataset = \"cases\"",
    );
    place.done("train recipe.toml --set train.max_steps=1 --set benchmark.suite=none");
    let text = place.read("cases/cases.jsonl");
    let kept: Vec<&str> = text.lines().filter(|line| !line.contains("\"split\":\"train\"")).collect();
    place.write("cases/cases.jsonl", kept.join("\n"));
    place.done("eval run --suite suite.toml --max-cases 1");
    place.done("eval run --suite suite.toml --max-cases 1 --split test");
}

#[test]
fn a_set_of_one_case_is_evaluated() {
    let place = with("test");
    let text = place.read("ext/cases.jsonl");
    place.write("ext/cases.jsonl", text.lines().next().expect("a case"));
    for suite in ["fast", "full"] {
        // Conditions that need other cases, such as exchanged images, are left out.
        let line = format!("eval run --data ext --split test --suite {suite} --no-cache --json");
        let summary = place.done(&line).json();
        assert_eq!(summary["cases"], 1, "{suite}");
    }
    place.done("eval run --data ext --split test --ceiling --json");
    let cases = "synth = { cases = 24, seed = 2, image_size = 64 }";
    place.edit("recipe.toml", "ext.toml", cases, "dataset = \"ext\"\neval_split = \"test\"");
    place.done("preview ext.toml --suite fast --n 1");
}

#[test]
fn a_set_with_text_answers_alone_is_evaluated() {
    let place = with("test");
    let text = place.read("ext/cases.jsonl");
    let as_text = |line: &str| {
        let mut case: serde_json::Value = serde_json::from_str(line).expect("JSON");
        for item in case["chain"].as_array_mut().expect("items") {
            let gold = format!("finding {}", item["id"].as_str().expect("an id"));
            item["answer"] = serde_json::json!({"type": "text", "gold": [gold]});
            let fields = item.as_object_mut().expect("an item");
            fields.remove("confusable");
            fields.remove("laterality");
        }
        format!("{case}\n")
    };
    place.write("ext/cases.jsonl", text.lines().map(as_text).collect::<String>());
    let summary = place.done("eval run --data ext --split test --max-cases 3 --no-cache --json").json();
    assert_eq!(summary["cases"], 3);
}
