//! `stepwise check`.

use serde_json::{Value, json};

use crate::common::Workplace;

fn place() -> Workplace {
    let place = Workplace::empty();
    place.done("data synth cases --cases 12 --seed 1 --image-size 64");
    place
}

/// Rewrites the case in row `row`, counted from 1.
fn change(place: &Workplace, row: usize, change: impl Fn(&mut Value)) {
    let text = place.read("cases/cases.jsonl");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut case = serde_json::from_str(&lines[row - 1]).expect("JSON");
    change(&mut case);
    lines[row - 1] = case.to_string();
    place.write("cases/cases.jsonl", lines.join("\n") + "\n");
}

#[test]
fn a_sound_data_set_is_counted() {
    insta::assert_snapshot!(place().done("check cases").shown());
}

#[test]
fn json_lists_the_problems_and_warnings_of_a_recipe() {
    let place = Workplace::new();
    place.edit("recipe.toml", "wrong.toml", "learning_rate = 5e-3", "learning_rat = 5e-3\nlogging_steps_ = 1");
    place.write("latin1.toml", b"seed = 1 # caf\xe9");
    for (line, problem, count) in [
        ("check wrong.toml --json", "learning_rat", 2),
        ("check latin1.toml --json", "is not UTF-8 from byte 15 on", 1),
        ("check recipe.toml --set model_name_or_path=nowhere --json", "nowhere", 1),
    ] {
        let ran = place.run(line);
        assert_eq!(ran.code, Some(2), "{line}");
        let found = ran.json();
        let problems = found["problems"].as_array().expect("a list");
        assert_eq!((problems.len(), &found["tables"]), (count, &json!([])), "{line}: {found}");
        assert!(problems[0]["problem"].as_str().expect("text").contains(problem), "{line}: {found}");
        assert!(problems[0]["advice"].is_string(), "{line}: {found}");
    }
    let sound = place.done("check recipe.toml --set train.warmup_ratio=0.99 --json").json();
    assert_eq!(sound["problems"], json!([]));
    assert!(sound["warnings"][0].as_str().expect("a text").contains("steps are warm-up"), "{sound}");
}

#[test]
fn a_recipe_is_recognised_by_its_content() {
    let place = Workplace::new();
    place.copy("recipe.toml", "recipe");
    assert!(place.done("check recipe").stdout.contains("trainable"));
    place.write("lora.txt", "\u{feff}# A comment.\n\n[lora]\nr = 2\n");
    place.write("other.conf", "model_name_or_path = \"model\"\nlearning_rat = 1\n");
    for (line, expected) in
        [("check lora.txt", "`model_name_or_path` is missing"), ("check other.conf", "learning_rat")]
    {
        let said = place.refused(line);
        assert!(said.contains(expected) && !said.contains("is not JSON"), "{line}: {said}");
    }
    // Cases are read as cases, whatever their name is.
    place.done("data synth cases --cases 12 --seed 1 --image-size 64");
    place.copy("cases/cases.jsonl", "cases/list");
    place.done("check cases/list");
}

/// The abstain option is not added where a question has such an option.
#[test]
fn an_abstain_option_equal_to_an_option_warns() {
    let place = place();
    let model = Workplace::new();
    for name in ["model", "suite.toml", "recipe.toml"] {
        place.bring(&model, name);
    }
    let source = "synth = { cases = 24, seed = 2, image_size = 64 }";
    place.edit("recipe.toml", "cases.toml", source, "dataset = \"cases\"\nabstain_option = \"OPTION\"");
    let text = place.read("cases/cases.jsonl");
    let cases: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let choices = cases.iter().flat_map(|case| case["chain"].as_array().expect("a list")).map(|item| &item["answer"]);
    let open = |answer: &&Value| answer["type"] == "choice" && answer.get("refusal").is_none_or(Value::is_null);
    let open: Vec<&Value> = choices.filter(open).collect();
    let option = open[0]["options"][0].as_str().expect("a text");
    let with = |answer: &&&Value| answer["options"].as_array().is_some_and(|all| all.iter().any(|one| one == option));
    let count = open.iter().filter(with).count();
    place.edit("cases.toml", "equal.toml", "OPTION", &format!("{}.", option.to_uppercase()));
    place.edit("cases.toml", "other.toml", "OPTION", "none of these can be told");
    place.done("train equal.toml --set train.max_steps=1");
    for line in ["check equal.toml", "train equal.toml --plan", "eval run --no-cache --max-cases 1"] {
        let said = place.done(line).stderr;
        let expected =
            format!("warning: `abstain_option` {:?}: {count} question", format!("{}.", option.to_uppercase()));
        assert!(said.contains(&expected), "{line}: {said}\nexpected: {expected}");
    }
    assert!(!place.done("check other.toml").stderr.contains("abstain_option"));
}

#[test]
fn json_has_a_summary_and_the_problems() {
    let place = place();
    let sound = place.done("check cases/cases.jsonl --json").json();
    assert_eq!((&sound["summary"]["cases"], &sound["problems"]), (&json!(12), &json!([])));
    for key in ["groups", "images", "items", "regions", "incomplete_chains"] {
        assert!(sound["summary"][key].is_u64(), "{key}: {sound}");
    }
    change(&place, 2, |case| case["modality"] = "".into());
    let ran = place.run("check cases --json");
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(2), "error: cases: 1 problem\n"), "{}", ran.stdout);
    let problem = &ran.json()["problems"][0];
    let keys: Vec<&String> = problem.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["file", "row", "column", "field", "problem", "advice"]);
    assert_eq!((&problem["row"], &problem["field"]), (&json!(2), &json!("modality")));
}

#[test]
fn questions_with_one_right_answer_are_named_with_their_share() {
    let place = place();
    let rows = place.read("cases/cases.jsonl").lines().count();
    for row in 1..=rows {
        change(&place, row, |case| {
            let question = |id: &str, question: &str, gold: usize| {
                let answer = json!({"type": "choice", "options": ["CT", "MRI"], "gold": [gold]});
                json!({"id": id, "stage": 1, "category": "01", "question": question, "answer": answer})
            };
            case["split"] = "test".into();
            case["chain"] = json!([question("a", "Which modality?", 1), question("b", "Which scan?", row % 2)]);
        });
    }
    let table = place.done("check cases").stdout;
    let all = format!("test: {rows} of {} questions (50.0 %) need no image", 2 * rows);
    assert!(table.contains(&all) && table.contains("50.0 %  \"Which modality?\": always \"MRI\""), "{table}");
    assert!(!table.contains("Which scan?"), "{table}");
    let found = &place.done("check cases --json").json()["summary"]["one_answer_questions"];
    let only = json!([{"split": "test", "question": "Which modality?", "gold": "MRI", "items": rows, "share": 0.5}]);
    assert_eq!(*found, only);
}

#[test]
fn all_problems_of_a_file_are_told_at_once() {
    let place = place();
    change(&place, 1, |case| {
        case["split"] = "trian".into();
    });
    change(&place, 2, |case| {
        case["chain"][0]["question"] = "".into();
        case["chain"][1]["parents"] = json!(["q99"]);
    });
    change(&place, 3, |case| case["modalty"] = "ct".into());
    change(&place, 4, |case| case["case_id"] = "synth-1-000004".into());
    let text = place.read("cases/cases.jsonl");
    place.write("cases/cases.jsonl", text + "{\"schema\": \"case/1\",\n");
    insta::assert_snapshot!(place.run("check cases").shown());
}

#[test]
fn one_mistake_in_a_whole_file_is_one_line() {
    let place = Workplace::new();
    place.done("data synth cases --cases 12 --seed 1 --image-size 64");
    let text = place.read("cases/cases.jsonl");
    let said = |text: String| {
        place.write("cases/cases.jsonl", text);
        let ran = place.run("check cases --files skip");
        assert_eq!(ran.code, Some(2), "{}", ran.stdout);
        let problems: Vec<String> =
            ran.stdout.lines().filter(|line| line.starts_with("cases/cases.jsonl")).map(str::to_owned).collect();
        assert_eq!(problems.len(), 1, "{}", ran.stdout);
        problems[0].clone()
    };
    let cases: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let mut of_one = cases.clone();
    of_one.iter_mut().for_each(|case| case["group_id"] = "p1".into());
    let lines = |cases: &[Value]| cases.iter().map(|case| format!("{case}\n")).collect::<String>();
    let split = said(lines(&of_one));
    assert!(
        split.contains(
            "group \"p1\" is in train (row 1 and 7 more), test (row 3) and validation (row 8 and 2 more) -> keep"
        ),
        "{split}"
    );
    let mut unknown = cases.clone();
    unknown.iter_mut().for_each(|case| case["chain"][0]["category"] = "99".into());
    let category = said(lines(&unknown));
    assert!(category.contains("there is no category \"99\" (and 11 more, rows 2, 3, 4, 5, 6, ...) -> "), "{category}");
    let array = said(serde_json::to_string_pretty(&cases).expect("JSON"));
    assert!(array.starts_with("cases/cases.jsonl: is a JSON array, not JSON Lines -> "), "{array}");
    let indented = said(cases.iter().map(|case| serde_json::to_string_pretty(case).expect("JSON") + "\n").collect());
    assert!(indented.starts_with("cases/cases.jsonl: is JSON over several lines, not JSON Lines -> "), "{indented}");
    let table = said("case_id,question\nc1,What?\nc2,What?\n".to_owned());
    assert!(table.starts_with("cases/cases.jsonl: is a table with comma-separated columns, not JSON"), "{table}");
    let utf16: Vec<u8> = format!("\u{FEFF}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    std::fs::write(place.path("cases/cases.jsonl"), utf16).expect("written");
    let ran = place.run("train recipe.toml --set data.dataset=cases");
    assert!(
        ran.stderr
            .trim_end()
            .ends_with("is UTF-16, not UTF-8 text -> save it as UTF-8 text with one JSON object on each line"),
        "{}",
        ran.stderr
    );
}

#[test]
fn pictures_are_looked_into_as_far_as_asked() {
    let place = place();
    let image = |number: usize| place.path(&format!("cases/images/synth-1-00000{number}.png"));
    std::fs::remove_file(image(0)).expect("removed");
    std::fs::write(image(1), "no picture").expect("written");
    std::fs::write(image(2), &std::fs::read(image(2)).expect("there")[..200]).expect("written");
    std::fs::copy(image(4), image(3)).expect("copied");
    insta::assert_snapshot!(place.run("check cases").shown());
    let headers = place.run("check cases --files headers");
    assert_eq!((headers.code, headers.stderr.as_str()), (Some(2), "error: cases: 2 problems\n"), "{}", headers.stdout);
    place.done("check cases --files skip");
}

#[test]
fn what_is_not_there_is_said() {
    let place = place();
    place.write("taxonomy.toml", "stages = 3");
    let mut said = place.run("check nowhere").shown();
    for line in ["cases --taxonomy no.toml", "cases --taxonomy taxonomy.toml", "cases --files all"] {
        said.push_str(&place.refused(&format!("check {line}")));
    }
    place.write("empty/cases.jsonl", "");
    said.push_str(&place.run("check empty").shown());
    insta::assert_snapshot!(said);
}
