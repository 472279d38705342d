//! `stepwise compare`.

use crate::common::{Workplace, metric};

/// Page on outcome files; the tests run its example.
const GUIDE: &str = include_str!("../../../../docs/outcomes.md");

/// Fenced blocks of the page: text after the opening fence, and contents.
fn blocks() -> Vec<(&'static str, &'static str)> {
    let mut blocks = Vec::new();
    let mut rest = GUIDE;
    while let Some((_, after)) = rest.split_once("\n```") {
        let (head, body) = after.split_once('\n').expect("a fence ends its line");
        let (body, after) = body.split_once("```\n").expect("a fence is closed");
        blocks.push((head, body));
        rest = after;
    }
    blocks
}

/// Workplace with the files of the page.
fn guided() -> Workplace {
    let place = Workplace::empty();
    for (head, body) in blocks() {
        if let Some(name) = head.strip_prefix("json ") {
            place.write(name, body);
        }
    }
    place
}

#[test]
fn the_example_of_the_guide_prints_what_the_guide_says() {
    let place = guided();
    let mut shown = 0;
    for (_, body) in blocks().into_iter().filter(|(head, _)| *head == "console") {
        let (line, output) =
            body.strip_prefix("$ stepwise ").and_then(|body| body.split_once('\n')).expect("a command");
        assert_eq!(place.done(line).stdout, output, "stepwise {line}");
        shown += 1;
    }
    assert_eq!(shown, 2);
}

#[test]
fn tables_for_papers_are_latex() {
    insta::assert_snapshot!(guided().done("compare a.jsonl b.jsonl --cases cases.jsonl --format latex").stdout);
}

#[test]
fn json_holds_everything() {
    let found = guided().done("compare a.jsonl b.jsonl --cases cases.jsonl --json").json();
    assert_eq!((&found["schema"], &found["both"]), (&"compare/3".into(), &8.into()));
    let clean = &found["conditions"][0];
    assert_eq!((&clean["n"], &clean["accuracy_a"], &clean["accuracy_b"]), (&8.into(), &0.5.into(), &0.875.into()));
    assert_eq!((&clean["difference"]["value"], &clean["unparsed_a"]), (&0.375.into(), &1.into()));
    assert!(clean["difference"]["ci"].is_array() && clean["p"].is_f64());
    let accuracy = metric(&found, "accuracy:clean");
    assert_eq!((&accuracy["value"], &accuracy["n"], &accuracy["a"]["value"]), (&0.375.into(), &8.into(), &0.5.into()));
    assert!(accuracy["ci"].is_array() && accuracy["p"] == clean["p"], "{accuracy}");
    for id in ["image_score", "image_score_control", "accuracy:clean:category_09", "accuracy:clean:dataset_example"] {
        let keys = metric(&found, id).as_object().expect("an object");
        assert!(["value", "ci", "n"].iter().all(|key| keys.contains_key(*key)), "{id}: {keys:?}");
    }
}

#[test]
fn a_run_is_compared_with_its_base_its_checkpoint_and_answers_made_elsewhere() {
    let place = Workplace::with_run();
    let base = place.done("compare run/benchmark/base run");
    // The number of answers that differ depends on the processor.
    let counts = regex::Regex::new(r"\] +\d+ +\d+ +\d+, \d+ ").expect("a pattern");
    insta::assert_snapshot!(counts.replace_all(&base.shown(), "]  COUNTS "));
    // The summary of the delivered epoch compares the same two models.
    let found = place.done("compare run/benchmark/base run --json").json();
    let summary: serde_json::Value =
        serde_json::from_str(&place.read("run/benchmark/epoch-1/summary.json")).expect("JSON");
    // The base is not evaluated under an attack that was made on the base, so that condition has no common items.
    let both = summary["conditions"].as_array().expect("a list").iter().filter(|of| of["difference"].is_object());
    assert_eq!(found["conditions"].as_array().map(Vec::len), Some(5));
    for (pair, condition) in found["conditions"].as_array().expect("a list").iter().zip(both) {
        assert_eq!((&pair["id"], &pair["accuracy_b"]), (&condition["id"], &condition["accuracy"]));
        assert_eq!(pair["difference"]["ci"], condition["difference"]["ci"]);
        assert_eq!(pair["p_adjusted"], condition["difference"]["p_adjusted"]);
    }
    // The best checkpoint equals the run; the last one does not.
    let same = place.done("compare run run/checkpoint-5 --json").json();
    let other = place.done("compare run run/checkpoint-11 --json").json();
    let differs = |found: &serde_json::Value| {
        found["conditions"].as_array().expect("a list").iter().any(|c| c["difference"]["value"] != 0.0)
    };
    assert!(!differs(&same));
    let stages = |side: &str| other[side]["retention"].as_array().map(Vec::len);
    assert_eq!((stages("a"), stages("b")), (Some(0), Some(4)), "one epoch, and two epochs");
    // A verdict of another tool gets its group, stage and right answer from the outcomes of the run.
    let first: serde_json::Value =
        serde_json::from_str(place.read("run/benchmark/epoch-2/outcomes.jsonl").lines().next().expect("a line"))
            .expect("JSON");
    let line = serde_json::json!({"case_id": first["case_id"], "item_id": first["item_id"], "condition": first["condition"], "verdict": "right"});
    place.write("judged.jsonl", line.to_string());
    let judged = place.done("compare run judged.jsonl --json").json();
    assert_eq!((&judged["both"], &judged["conditions"][0]["accuracy_b"]), (&1.into(), &1.0.into()));
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let place = Workplace::with_run();
    for (head, body) in blocks() {
        if let Some(name) = head.strip_prefix("json ") {
            place.write(name, body);
        }
    }
    place.write("nothing/file", "text");
    place.write("wrong.jsonl", "{\"case_id\": \"scan-1\"}\nnot JSON\n");
    place.edit("b.jsonl", "again.jsonl", "scan-2", "scan-1");
    place.edit("suite.toml", "other.toml", "seed = 1", "seed = 2");
    place.done("eval run --suite other.toml --out other");
    let mut said = String::new();
    for line in [
        "nowhere nothing",
        "model run",
        "a.jsonl b.jsonl",
        "a.jsonl wrong.jsonl --cases cases.jsonl",
        "a.jsonl again.jsonl --cases cases.jsonl",
        "a.jsonl b.jsonl --cases cases.jsonl --split train",
        "a.jsonl b.jsonl --cases nowhere",
        "a.jsonl b.jsonl --cases cases.jsonl --suite nowhere.toml",
        "a.jsonl b.jsonl --cases cases.jsonl --reference a.jsonl",
        "a.jsonl run --cases cases.jsonl",
        "run other",
        "run run/benchmark/base --suite fast",
    ] {
        said.push_str(&format!("$ stepwise compare {line}\n{}\n", place.refused(&format!("compare {line}"))));
    }
    // Lines of an outcome file from another tool that must be refused.
    let line = |case: &str, item: &str, condition: &str, more: &str| {
        format!("{{\"case_id\": \"{case}\", \"item_id\": \"{item}\", \"condition\": \"{condition}\", {more}}}\n")
    };
    let lines = [
        line("scan-9", "q1", "clean", "\"reply\": \"CT\""),
        line("scan-1", "q9", "clean", "\"reply\": \"CT\""),
        line("scan-1", "q1", "sepia", "\"reply\": \"CT\""),
        line("scan-1", "q1", "region_mask", "\"reply\": \"CT\""),
        line("scan-1", "q1", "clean", "\"reply\": \"CT\", \"stage\": 5"),
        line("scan-1", "q1", "clean", "\"verdict\": \"rihgt\""),
        line("scan-1", "q1", "clean", "\"replay\": \"CT\""),
    ];
    place.write("lines.jsonl", lines.concat());
    place.write("full.toml", include_str!("../../../../recipes/suites/full.toml"));
    let compared = "compare a.jsonl lines.jsonl --cases cases.jsonl --suite full.toml";
    said.push_str(&format!("$ stepwise {compared}\n{}\n", place.refused(compared)));
    insta::assert_snapshot!(said);
    // Without outcomes there is nothing to compare.
    place.write("empty/outcomes.jsonl", "");
    let refused = place.refused("compare run empty/outcomes.jsonl");
    assert!(refused.contains("empty/outcomes.jsonl: holds no outcomes -> evaluate again"), "{refused}");
    // A suite that is named is recognised although the run limited its cases.
    // So is the suite of the run whose benchmark folder holds the outcomes.
    let digest =
        |path: &str| serde_json::from_str::<serde_json::Value>(&place.read(path)).expect("JSON")["suite"].clone();
    for more in ["--suite suite.toml", ""] {
        let found = place.done(&format!("compare run/benchmark/base run/benchmark/epoch-2 {more} --json")).json();
        assert_eq!(found["suite"], digest("run/benchmark/epoch-2/summary.json"));
    }
    std::fs::remove_file(place.path("suite.toml")).expect("removed");
    let refused = place.refused("compare run/benchmark/base run/benchmark/epoch-2");
    assert!(refused.contains("the suite `short`, which is not found -> name it with `--suite FILE`"), "{refused}");
}
