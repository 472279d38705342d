//! `stepwise table`.

use std::fmt::Write;

use serde_json::Value;

use crate::common::{SUITE, Workplace};
use crate::stub::{Stub, said_by};

/// Conditions of the planted outcomes.
const CONDITIONS: [&str; 4] = ["clean", "hint_zero", "hint_plus", "hint_minus"];

/// Judged answers of another tool about 30 patients with 12 questions each. `is_right` gets the number of patient,
/// question and condition.
fn planted(is_right: impl Fn(usize, usize, usize) -> bool) -> String {
    let mut lines = String::new();
    for patient in 0..30 {
        for question in 0..12 {
            for (number, condition) in CONDITIONS.iter().enumerate() {
                let verdict = if is_right(patient, question, number) { "right" } else { "wrong" };
                let _ = writeln!(
                    lines,
                    "{{\"case_id\": \"p{patient}\", \"item_id\": \"q{question}\", \"condition\": \"{condition}\", \
                     \"verdict\": \"{verdict}\", \"stage\": {}}}",
                    1 + question / 3
                );
            }
        }
    }
    lines
}

/// Workplace with three models: two that are nearly always right, one of which follows wrong hints, and one that is right
/// on every third question.
fn models() -> Workplace {
    let place = Workplace::empty();
    place.write("good/outcomes.jsonl", planted(|patient, question, _| (patient + question) % 10 > 0));
    place.write("hinted.jsonl", planted(|patient, question, number| (patient + question) % 9 > 0 && number < 3));
    place.write("poor.jsonl", planted(|patient, question, _| question == 0 || (patient + question) % 3 == 0));
    place
}

const THREE: &str = "table good hinted.jsonl poor.jsonl";

#[test]
fn people_read_values_ranks_and_the_rule() {
    insta::assert_snapshot!(models().done(THREE).stdout);
}

#[test]
fn tables_for_papers_are_markdown() {
    insta::assert_snapshot!(models().done(&format!("{THREE} --format markdown")).stdout);
}

#[test]
fn tables_for_papers_are_latex_that_fits_a_page() {
    let place = models();
    let latex = place.done(&format!("{THREE} --format latex")).stdout;
    insta::assert_snapshot!(latex);
    // Many models are continued in another table, and no line of a table is wider than a page at a readable size.
    let names: Vec<String> = (0..43).map(|number| format!("model-{number:02}.jsonl")).collect();
    names.iter().for_each(|name| place.copy("poor.jsonl", name));
    let many = place.done(&format!("table {} --format latex", names.join(" "))).stdout;
    for table in latex.split("\\midrule\n").skip(1).chain(many.split("\\midrule\n").skip(1)) {
        let rows: Vec<&str> = table.split("\\bottomrule").next().expect("rows").lines().collect();
        assert!(rows.len() <= 40, "{} rows", rows.len());
        for row in rows {
            let width: usize = row.trim_end_matches(" \\\\").split(" & ").map(|cell| cell.len() + 2).sum();
            assert!(width <= 100, "{width}: {row}");
        }
    }
    assert!(many.contains("(continued)"), "{many}");
    assert_eq!(latex.matches("\\resizebox{").count(), latex.matches("\\begin{tabular}").count());
}

#[test]
fn programs_read_csv() {
    insta::assert_snapshot!(models().done(&format!("{THREE} --format csv")).stdout);
}

#[test]
fn programs_read_json() {
    let found = models().done(&format!("{THREE} --json")).json();
    assert_eq!((&found["schema"], &found["refused"]), (&"table/1".into(), &Value::Array(vec![])));
    let group = &found["groups"][0];
    assert_eq!((&group["reason"], &group["answered_by_all"]), (&Value::Null, &1440.into()));
    let clean = &group["columns"][0];
    assert_eq!((&clean["id"], &clean["better"]), (&"accuracy:clean".into(), &"higher".into()));
    let values = clean["values"].as_array().expect("a list");
    assert_eq!((&values[0]["rank"], &values[2]["rank"]), (&serde_json::json!([1, 2]), &serde_json::json!([3, 3])));
    assert!(values.iter().all(|value| value["ci"].is_array() && value["n"] == 360));
    let pairs = clean["pairs"].as_array().expect("a list");
    assert_eq!(pairs.len(), 3);
    assert!(pairs.iter().all(|pair| pair["p_adjusted"].as_f64() >= pair["p"].as_f64()), "{pairs:?}");
}

#[test]
fn the_page_needs_no_network_and_files_have_the_format_of_their_ending() {
    let place = models();
    let ran = place.done(&format!("{THREE} --out table.html"));
    assert_eq!(ran.stdout, "table   table.html\n");
    let page = place.read("table.html");
    assert!(!page.contains("http:") && !page.contains("https:") && !page.contains("<script"), "loads nothing");
    for part in ["Accuracy by clinical stage", "Accuracy by condition", "hinted", "default-src 'none'"] {
        assert!(page.contains(part), "{part}");
    }
    for (name, start) in
        [("t.md", "**models**"), ("t.tex", "% needs"), ("t.csv", "group,model,"), ("t.txt", "models\n")]
    {
        place.done(&format!("{THREE} --out {name}"));
        assert!(place.read(name).starts_with(start), "{name}: {}", place.read(name));
    }
}

#[test]
fn what_makes_no_table_is_refused() {
    let place = models();
    place.write("nothing/file", "text");
    place.write("empty.jsonl", "");
    let source = "path = \"good\"\n";
    place.write("twice.toml", format!("[[models]]\nname = \"a\"\n{source}[[models]]\nname = \"a\"\n{source}"));
    place.write("none.toml", "suite = \"fast\"\n");
    place.write("wrong.toml", "[[models]]\nname = \"a\"\n[[model]]\nname = \"b\"\n");
    place.write(
        "gone.toml",
        "[[models]]\nname = \"a\"\noutcomes = \"good\"\n[[models]]\nname = \"b\"\noutcomes = \"b\"\n",
    );
    let mut said = String::new();
    for line in [
        "table",
        "table good",
        "table good good/outcomes.jsonl",
        "table good nowhere nothing",
        "table good empty.jsonl",
        "table good poor.jsonl --suite nowhere.toml",
        "table good poor.jsonl --format pdf",
        "table twice.toml",
        "table none.toml",
        "table wrong.toml",
        "table gone.toml",
        "table nowhere.toml",
    ] {
        said.push_str(&format!("$ stepwise {line}\n{}\n", place.refused(line)));
    }
    insta::assert_snapshot!(said);
}

#[test]
fn models_with_missing_answers_are_refused_unless_allowed() {
    let place = models();
    let lines: Vec<String> = place.read("poor.jsonl").lines().map(str::to_owned).collect();
    // 8 of 360 clean questions are more than 2 %, 7 are not.
    for (name, count) in [("few.jsonl", 7), ("many.jsonl", 8)] {
        let mut left = count;
        let kept = lines.iter().filter(|line| {
            let is_lost = left > 0 && line.contains("\"clean\"");
            left -= usize::from(is_lost);
            !is_lost
        });
        place.write(name, kept.map(|line| format!("{line}\n")).collect::<String>());
    }
    let found = place.done("table good few.jsonl --json").json();
    assert_eq!(found["groups"][0]["columns"][0]["values"][0]["n"], 353);
    let refused = place.refused("table good many.jsonl poor.jsonl");
    assert!(
        refused.contains("many: 8 of 360 clean questions (2.2 %)") && refused.contains("--allow-missing"),
        "{refused}"
    );
    let ran = place.done("table good many.jsonl --allow-missing");
    assert!(ran.stderr.contains("many: 8 of 360 clean questions"), "{}", ran.stderr);
}

#[test]
fn models_that_were_asked_otherwise_are_in_another_group() {
    let place = Workplace::with_run();
    place.edit("suite.toml", "letters.toml", "seed = 1", "seed = 1\nscoring = \"letter\"");
    place.done("eval model --suite letters.toml --split train --max-cases 2 --out letters");
    for (split, out) in [("train", "a"), ("train", "b"), ("test", "c")] {
        place.done(&format!("eval model --suite suite.toml --split {split} --max-cases 2 --out {out}"));
    }
    let found = place.done("table a b c --suite suite.toml --json").json();
    let names = |group: &Value| -> Vec<String> {
        let models = group["models"].as_array().expect("a list").iter();
        models.map(|model| model["name"].as_str().expect("a name").to_owned()).collect()
    };
    assert_eq!(found["groups"].as_array().map(Vec::len), Some(2));
    assert_eq!(
        (names(&found["groups"][0]), names(&found["groups"][1])),
        (vec!["a".into(), "b".into()], vec!["c".into()])
    );
    let reason = found["groups"][1]["reason"].as_str().expect("a reason");
    assert!(reason.contains("no question in common with a"), "{reason}");
    // Another scoring is another suite digest, which the named suite recognises.
    let ran = place.done("table a letters b --suite suite.toml");
    assert!(ran.stdout.contains("group 2: models"), "{}", ran.stdout);
    assert!(ran.stderr.contains("warning: group 2 (letters): ") && ran.stderr.contains("`letter`"), "{}", ran.stderr);
    // A suite that is not found has no group.
    place.edit("suite.toml", "other.toml", "seed = 1", "seed = 2");
    place.done("eval model --suite other.toml --split train --max-cases 2 --out other");
    let ran = place.done("table a b other --suite suite.toml");
    assert!(ran.stderr.contains("warning: other: ") && ran.stderr.contains(" -> "), "{}", ran.stderr);
    let page = place.done("table a b other --suite suite.toml --format html").stdout;
    assert!(page.contains("other: --suite suite.toml: other was evaluated with another suite"), "{page}");
}

#[test]
fn a_table_file_evaluates_what_is_missing_and_nothing_twice() {
    let place = Workplace::new();
    place.write("suite.toml", SUITE.replace("version = 1", "version = 1\nscoring = \"generate\"\nmax_new_tokens = 3"));
    place.done("data synth cases --cases 24 --seed 4 --image-size 64");
    place.done("eval model --data cases --split train --suite suite.toml --max-cases 2 --out apart");
    let stub =
        Stub::start(|_, body| said_by("server name", if body.to_string().len() % 2 == 0 { "yes" } else { "no" }));
    let file = |more: &str| {
        format!(
            "output_dir = \"results\"\ndata = \"cases\"\nsplit = \"train\"\nsuite = \"suite.toml\"\nmax_cases = 2\n\
             [[models]]\nname = \"Tiny model\"\npath = \"model\"\n\
             [[models]]\nname = \"stub\"\nendpoint = \"{}\"\nmodel = \"server name\"\n\
             [[models]]\nname = \"apart\"\noutcomes = \"apart\"\n{more}",
            stub.url
        )
    };
    place.write("models.toml", file(""));
    let first = place.done("table models.toml --device cpu");
    for name in ["Tiny model", "stub", "apart"] {
        assert!(first.stdout.contains(&format!("\n{name}  ")), "{name}: {}", first.stdout);
    }
    assert!(first.stderr.contains("[1/3] Tiny model: evaluating into results/Tiny-model"), "{}", first.stderr);
    // Attacks need gradients, which a server does not give.
    assert!(
        first.stdout.contains("conditions left out, because not every model answered them: fgsm"),
        "{}",
        first.stdout
    );
    let asked = stub.count();
    let second = place.done("table models.toml --device cpu");
    assert_eq!((second.stdout, stub.count()), (first.stdout, asked));
    assert!(second.stderr.contains("[2/3] stub: evaluated before, results/stub"), "{}", second.stderr);
    // A new entry is evaluated alone; a changed model is evaluated again.
    place.copy("model", "copy");
    place.write("models.toml", file("[[models]]\nname = \"copy\"\npath = \"copy\"\n"));
    let third = place.done("table models.toml");
    assert!(third.stderr.contains("[4/4] copy: evaluating") && third.stderr.contains("Tiny model: evaluated before"));
    let record = place.read("results/copy/evaluated.json");
    place.edit("copy/config.json", "copy/config.json", "{", "{ ");
    let fourth = place.done("table models.toml --quiet");
    assert_eq!(fourth.stderr, "");
    assert_ne!(place.read("results/copy/evaluated.json"), record, "evaluated again");
    // An entry that cannot be evaluated is named.
    place.write("models.toml", file("[[models]]\nname = \"gone\"\npath = \"gone\"\n"));
    let ran = place.run("table models.toml");
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
    assert!(
        ran.stderr.contains("[4/4] gone: the evaluation refused its input, see the error above -> "),
        "{}",
        ran.stderr
    );
}

/// The shipped example names models that are there.
#[test]
fn the_example_names_models_of_the_repository() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = std::fs::read_to_string(root.join("recipes/table-example.toml")).expect("the example");
    let paths: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("path = \"")?.strip_suffix('"')).collect();
    assert!(paths.len() >= 2, "{paths:?}");
    for path in paths {
        assert!(root.join(path).join("config.json").is_file(), "{path}");
    }
}
