//! `stepwise eval`.

use std::path::Path;

use serde_json::Value;
use stepwise_data::image::sha256_hex;

use crate::common::{TRAINED, Workplace, metric};

#[test]
fn a_run_is_compared_with_its_base_as_its_last_epoch_was() {
    let ran = TRAINED.0.done("eval run");
    insta::assert_snapshot!(ran.shown());
    // `run` would select the best checkpoint, which may be an earlier one; the last one is compared here.
    let last = TRAINED.0.done("eval run/last --json").json();
    let trained: Value = serde_json::from_str(&TRAINED.0.read("run/benchmark/epoch-2/summary.json")).expect("JSON");
    assert_eq!(last, trained);
}

/// Another image of the same question shows whether a model looks at it.
#[test]
fn the_table_is_followed_by_a_sentence_on_the_use_of_the_image() {
    let place = Workplace::with_run();
    place.write(
        "swap.toml",
        "name = \"swap\"\nversion = 2\nseed = 1\nscoring = \"loglikelihood\"\nmax_new_tokens = 8\n\
        primary = [\"swap_near\"]\n[[condition]]\nid = \"clean\"\nkind = \"clean\"\n[[condition]]\nid = \"swap_near\"\n\
        kind = \"swap_near\"\ncontrol = \"clean\"\n",
    );
    place.done("data synth more --cases 120 --seed 9 --image-size 64");
    let said = place.done("eval run --data more --split test --suite swap.toml --no-cache").stdout;
    let note =
        said.lines().find(|line| line.starts_with("the model uses the image ")).unwrap_or_else(|| panic!("{said}"));
    assert!(
        note.contains("than the base: paired image score 0.") && note.ends_with("; 0.5 is no use of the image"),
        "{note}"
    );
}

#[test]
fn json_is_the_summary() {
    let summary = TRAINED.0.done("eval run --max-cases 1 --json").json();
    assert_eq!(summary["cases"], 1);
    let ids: Vec<&str> =
        summary["conditions"].as_array().expect("a list").iter().filter_map(|c| c["id"].as_str()).collect();
    assert_eq!(ids, ["clean", "hint_minus", "blank", "fgsm", "transfer", "random_sign"]);
    for condition in summary["conditions"].as_array().expect("a list") {
        assert!(condition["n"].is_u64() && condition["kind"].is_string(), "{condition}");
        if condition["id"] == "transfer" {
            // The attack is made on the base, so the base is not evaluated under it.
            assert!(condition["n"].as_u64() > Some(0) && condition["base"]["value"].is_null(), "{condition}");
            continue;
        }
        assert!(condition["difference"].is_object() && condition["difference"].get("ci").is_some(), "{condition}");
        assert_eq!(condition["p"], condition["difference"]["p"], "{condition}");
        for value in [&condition["accuracy"], &condition["base"]["value"]] {
            assert!(value.as_f64().is_some_and(|value| (0.0..=1.0).contains(&value)), "{condition}");
        }
    }
    // Metrics of one condition or stage are in the JSON but not in the table.
    for id in ["robust_accuracy", "visual_reliance_blank", "chain_accuracy", "accuracy:clean:stage_1"] {
        let metric = metric(&summary, id);
        assert!(metric["n"].is_u64() && metric["label"].is_string() && metric.get("ci").is_some(), "{metric}");
    }
    assert_eq!(summary["suite"]["name"], "short");
    assert_eq!(summary["suite"]["digest"].as_str().map(str::len), Some(64));
}

#[test]
fn a_peft_folder_away_from_its_run_is_asked_drawn_cases() {
    let place = Workplace::new();
    for name in ["adapter_config.json", "adapter_model.safetensors"] {
        place.write(&format!("peft/{name}"), std::fs::read(TRAINED.0.path("run/last").join(name)).expect("there"));
    }
    let named = place.done("eval peft --suite suite.toml --max-cases 1 --json").json();
    let told = place.done("eval peft --base model --suite suite.toml --max-cases 1 --json").json();
    assert_eq!(named, told);
    assert!(named["conditions"][0]["base"].is_object());
    place.edit("peft/adapter_config.json", "peft/adapter_config.json", "\"model\"", "\"gone\"");
    insta::assert_snapshot!(place.refused("eval peft"));
}

#[test]
fn a_model_alone_has_no_base() {
    let place = Workplace::new();
    let ran = place.done("eval model --suite suite.toml --max-cases 1");
    insta::assert_snapshot!(ran.shown());
}

#[test]
fn what_is_kept_is_not_asked_again() {
    let place = Workplace::with_run();
    place.done("data synth cases --cases 12 --seed 1 --image-size 64");
    let first = place.done("eval run --data cases --split train --max-cases 1 --out kept --json");
    assert_eq!(place.read("kept/summary.json").trim(), first.stdout.trim());
    let outcomes = ["kept/base/outcomes.jsonl", "kept/tuned/outcomes.jsonl"].map(|name| place.read(name));
    assert!(outcomes[0].lines().count() > 5 && outcomes[0].contains("synth-1-"), "{}", outcomes[0]);
    // An edited answer shows that the second summary is made from the stored outcomes.
    let right = ["wrong", "unparsed"].iter().fold(outcomes[1].clone(), |text, verdict| {
        text.replace(&format!("\"verdict\":\"{verdict}\""), "\"verdict\":\"right\"")
    });
    assert_ne!(right, outcomes[1]);
    place.write("kept/tuned/outcomes.jsonl", right);
    let second = place.done("eval run --data cases --split train --max-cases 1 --out kept --json").json();
    assert_eq!(second["conditions"][0]["accuracy"], 1.0);
}

/// Numbers of computed and reused answers of the base and the adapted model, as printed by the command.
fn counted(said: &str) -> Vec<(usize, usize)> {
    let number = |text: &str| text.split(' ').next().and_then(|number| number.parse().ok()).expect("a number");
    let lines = said.lines().filter_map(|line| {
        let counts = ["base: ", "tuned: ", "model: "].into_iter().find_map(|name| line.strip_prefix(name))?;
        let (asked, remembered) = counts.split_once(" answers computed, ")?;
        Some((number(asked), number(remembered)))
    });
    lines.collect()
}

#[test]
fn nothing_is_asked_twice_unless_it_changed() {
    let place = Workplace::with_run();
    place.done("data synth cases --cases 12 --seed 1 --image-size 64");
    let ask = |line: &str| {
        let ran = place.done(&format!("eval {line} --data cases --split train --max-cases 1 --json"));
        (counted(&ran.stderr), ran.json())
    };
    let (first, told) = ask("run/last");
    assert!(first.len() == 2 && first.iter().all(|(asked, remembered)| *asked > 9 && *remembered == 0), "{first:?}");
    let all = |counts: &[(usize, usize)]| counts.iter().map(|(asked, known)| (0, asked + known)).collect::<Vec<_>>();
    let (again, retold) = ask("run/last");
    assert_eq!((again, &retold), (all(&first), &told));
    // A copy of a checkpoint is the same model, and its base is shared with the original.
    place.copy("run/checkpoint-11", "elsewhere");
    let (copy, _) = ask("elsewhere --base model --suite suite.toml");
    assert_eq!(copy, all(&first));
    let (alone, _) = ask("model --suite suite.toml");
    assert_eq!(alone, [all(&first)[0]]);
    // With other weights, other images, another cache folder or no cache, all answers are computed again.
    place.copy("run/checkpoint-5", "older");
    let (older, _) = ask("older --base model --suite suite.toml");
    assert_eq!((older[0], older[1].1), (all(&first)[0], 0));
    let (elsewhere, _) = ask("run/last --cache there");
    assert_eq!(elsewhere, first);
    assert_eq!(std::fs::read_dir(place.path("there")).expect("made").count(), 2);
    assert_eq!(ask("run/last --no-cache").0, first);
    let pictures = std::fs::read_dir(place.path("cases/images")).expect("images");
    for path in pictures.map(|entry| entry.expect("an image").path()) {
        let mut picture = image::open(&path).expect("an image").to_rgb8();
        picture.get_pixel_mut(0, 0).0[0] ^= 64;
        picture.save(&path).expect("written");
    }
    // Images that differ from their recorded digests are refused until the digests are updated.
    let refused = place.refused("eval run/last --data cases --split train --max-cases 1 --json");
    assert!(refused.contains("changed after its digest was recorded"), "{refused}");
    let text = place.read("cases/cases.jsonl");
    let recorded = text.lines().map(|line| {
        let mut case: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let path = place.path("cases").join(case["images"][0]["path"].as_str().expect("a path"));
        case["images"][0]["sha256"] = sha256_hex(&std::fs::read(path).expect("an image")).into();
        format!("{case}\n")
    });
    place.write("cases/cases.jsonl", recorded.collect::<String>());
    let (changed, _) = ask("run/last");
    assert!(changed.iter().all(|(asked, _)| *asked > 0), "{changed:?}");
}

#[test]
fn a_folder_holds_all_that_an_epoch_of_a_run_leaves() {
    let place = Workplace::with_run();
    let ran = place.done("eval run --max-cases 1 --out kept");
    assert!(ran.stdout.trim_end().ends_with("report  kept/report.html"), "{}", ran.stdout);
    let page = place.read("kept/report.html");
    assert!(page.contains("gain over the untouched base") && page.contains("suite.toml") || page.contains("short"));
    for name in
        ["base/outcomes.jsonl", "base/summary.json", "tuned/outcomes.jsonl", "summary.json", "tables/denominators.csv"]
    {
        assert!(!place.read(&format!("kept/{name}")).is_empty(), "{name}");
    }
    assert!(place.read("kept/tables/denominators.csv").contains("transfer"), "the attack on the base was made");
    // A model without a base is reported as the base.
    place.done("eval model --suite suite.toml --max-cases 1 --out alone");
    assert!(place.read("alone/report.html").contains("of the base"));
    assert!(!place.path("alone/base").exists());
}

#[test]
fn published_rules_stand_beside_the_strict_score() {
    // Option scoring gives no response text, so no published rule can be applied.
    insta::assert_snapshot!(TRAINED.0.done("eval run --max-cases 1 --compat").shown());
    let generated = TRAINED.0.done("eval run --max-cases 2 --scoring generate --compat --json").json();
    assert_eq!((&generated["scoring"], &generated["parser"]), (&"generate".into(), &"parse/4".into()));
    let rules = generated["compat"].as_array().expect("a list");
    let of = |id: &str| rules.iter().find(|rule| rule["id"] == id).expect("a rule");
    for rule in rules.iter().filter(|rule| rule.get("skipped").is_none()) {
        let value = |key: &str| rule[key].as_f64();
        let difference = value("accuracy").zip(value("strict_accuracy")).map(|(rule, strict)| rule - strict);
        assert_eq!(value("difference"), difference, "{rule}");
    }
    assert!(of("omnimedvqa")["n"].as_u64().is_some_and(|n| n > 0), "{}", of("omnimedvqa"));
    assert!(of("drvd_joint")["skipped"].is_string());
    let letters = TRAINED.0.done("eval run --max-cases 1 --scoring letter --json").json();
    assert_eq!(letters["scoring"], "letter");
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let place = Workplace::with_run();
    place.write("file", "text");
    place.write("nothing/file", "text");
    let mut said = String::new();
    for line in [
        "nowhere",
        "nothing",
        "file",
        "run --base nowhere",
        "run --data nowhere",
        "run --suite no.toml",
        "run --split dev",
        "run --max-cases 0",
        "run --out file",
    ] {
        said.push_str(&format!("$ stepwise eval {line}\n{}\n", place.refused(&format!("eval {line}"))));
    }
    insta::assert_snapshot!(said);
}

#[test]
fn a_run_without_a_whole_checkpoint_is_refused() {
    let place = Workplace::with_run();
    let weights = place.path("run/checkpoint-5/adapter_model.safetensors");
    std::fs::write(&weights, &std::fs::read(&weights).expect("there")[..100]).expect("written");
    let torn = place.refused("eval run/checkpoint-5");
    for checkpoint in ["run/checkpoint-5", "run/checkpoint-11"] {
        std::fs::remove_dir_all(place.path(checkpoint)).expect("removed");
    }
    insta::assert_snapshot!(torn + &place.refused("eval run"));
}

#[test]
fn retention_is_what_other_cases_gain_or_lose() {
    let place = Workplace::with_run();
    place.done("data synth general --cases 12 --seed 9 --image-size 64");
    let summary = place.done("eval run/last --data general --split train --suite suite.toml --json").json();
    let clean = &summary["conditions"][0];
    assert_eq!(clean["id"], "clean");
    let asked = place.read("general/cases.jsonl").lines().filter(|line| line.contains(r#""split":"train""#)).count();
    assert_eq!(summary["cases"], asked);
    let number = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("{clean}"));
    let (own, base, gain) = (&clean["accuracy"], &clean["base"]["value"], &clean["difference"]);
    assert!((number(&gain["value"]) - (number(own) - number(base))).abs() < 1e-12, "{clean}");
    assert!(gain["ci"].as_array().is_some_and(|ci| ci.len() == 2), "{clean}");
}

/// Writes the byte order mark of UTF-8 before every JSON, JSON Lines and TOML file below `folder`.
fn mark(folder: &Path) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let is_text = |kind| ["json", "jsonl", "toml"].contains(&kind);
        if path.is_dir() {
            mark(&path);
        } else if path.extension().and_then(|kind| kind.to_str()).is_some_and(is_text) {
            let text = std::fs::read(&path).expect("there");
            std::fs::write(&path, [b"\xEF\xBB\xBF".as_slice(), &text].concat()).expect("written");
        }
    }
}

#[test]
fn byte_order_marks_do_not_matter() {
    let place = Workplace::new();
    for name in ["adapter_config.json", "adapter_model.safetensors"] {
        place.write(&format!("peft/{name}"), std::fs::read(TRAINED.0.path("run/last").join(name)).expect("there"));
    }
    place.done("data synth cases --cases 8 --seed 1 --image-size 64");
    let asked = "eval peft --base model --data cases --suite suite.toml --max-cases 1";
    let plain = place.done(&format!("{asked} --json --out found")).json();
    let compared = place.done("compare found found --suite suite.toml --json").json();
    mark(&place.path("."));
    assert_eq!(place.done(&format!("{asked} --json --no-cache")).json(), plain);
    assert_eq!(place.done("compare found found --suite suite.toml --json").json(), compared);
    place.done("check cases");
    place.done("train recipe.toml --plan");
}

#[test]
fn the_ceiling_reads_the_image_features_of_a_model() {
    let place = Workplace::new();
    let ran = place.done("eval model --ceiling --max-cases 60");
    insta::assert_snapshot!(ran.shown());
    let found = place.done("eval model --ceiling --max-cases 60 --json --out kept").json();
    assert_eq!(place.read("kept/ceiling.json").trim(), serde_json::to_string_pretty(&found).expect("JSON"));
    let rows = found["questions"].as_array().expect("a list");
    assert!(!rows.is_empty());
    for row in rows {
        assert!(row["features"]["value"].is_f64() && row["features_less_majority"]["ci"].is_array(), "{row}");
    }
    insta::assert_snapshot!(place.refused("eval model --ceiling --suite fast"));
}
