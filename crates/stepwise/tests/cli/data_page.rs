//! `stepwise data show --html`.

use crate::common::Workplace;

/// Writes 12 synthetic cases to `cases`.
fn cases() -> Workplace {
    let place = Workplace::empty();
    place.done("data synth cases --cases 12 --seed 1 --image-size 64");
    place
}

/// Ids of the cases that a page shows, in page order.
fn shown(page: &str) -> Vec<String> {
    let articles = page.split("<article class=\"case\"").skip(1);
    let name = |article: &str| Some(article.split_once("<h3>")?.1.split_once("</h3>")?.0.to_owned());
    articles.filter_map(name).collect()
}

fn ids(numbers: &[u64]) -> Vec<String> {
    numbers.iter().map(|number| format!("synth-1-{number:06}")).collect()
}

#[test]
fn the_page_shows_all_cases_and_loads_nothing() {
    let place = cases();
    let ran = place.done("data show cases --html page.html");
    assert_eq!(ran.stdout, "page    page.html: All 12 cases\n");
    let page = place.read("page.html");
    assert_eq!(shown(&page), ids(&(0..12).collect::<Vec<_>>()));
    assert!(page.contains("default-src 'none'") && !page.contains("://") && !page.contains("<script"));
    assert_eq!(page.matches("<img src=\"data:image/png;base64,").count(), 12);
    for words in ["train", "validation", "organ", "CC0-1.0", "Sides of the split", "majority", "1 Orient"] {
        assert!(page.contains(words), "{words}");
    }
    assert!(!page.contains("Organ ") && !page.contains("Train<"));
}

#[test]
fn cases_are_selected_by_id_split_category_and_number() {
    let place = cases();
    let mut number = 0;
    let mut page_of = |options: &str| {
        number += 1;
        let ran = place.done(&format!("data show cases --html page{number}.html {options}"));
        let (_, words) = ran.stdout.trim_end().split_once(": ").expect("words");
        let page = place.read(&format!("page{number}.html"));
        assert!(page.contains(words), "{words}");
        (shown(&page), words.to_owned())
    };
    assert_eq!(page_of("--case synth-1-000003"), (ids(&[3]), "1 case of 12 (--case synth-1-000003)".into()));
    let train = page_of("--split train").0;
    assert!(!train.is_empty() && train.len() < 12);
    let (with_box, words) = page_of("--category 12 --split train");
    assert!(
        with_box.iter().all(|id| train.contains(id)) && words.ends_with("(--category 12 --split train)"),
        "{words}"
    );
    let (drawn, words) = page_of("--sample 5");
    assert_eq!((drawn.len(), words.as_str()), (5, "5 of 12 cases, drawn at random"));
    assert!(drawn.is_sorted());
    assert_eq!(page_of("--sample 5").0, drawn);
    assert_eq!(page_of("--sample 50").0.len(), 12);
}

#[test]
fn only_cases_with_a_finding_are_shown_with_problems() {
    let place = cases();
    let mut lines: Vec<String> = place.read("cases/cases.jsonl").lines().map(str::to_owned).collect();
    lines[4] = lines[4].replacen("\"stage\":1", "\"stage\":2", 1);
    place.write("cases/cases.jsonl", lines.join("\n") + "\n");
    let ran = place.done("data show cases --html page.html --problems");
    assert_eq!(ran.stdout, "page    page.html: 1 case of 12 (--problems)\n");
    assert!(ran.stderr.contains("problem"), "{}", ran.stderr);
    let page = place.read("page.html");
    assert_eq!(shown(&page), ids(&[4]));
    assert!(page.contains("is 2, but category"), "the problem is on the page");
}

#[test]
fn both_cases_of_a_leaking_pair_are_shown_with_problems() {
    let place = cases();
    let mut all: Vec<serde_json::Value> =
        place.read("cases/cases.jsonl").lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let of = |split: &str| all.iter().position(|case| case["split"] == split).expect("a case");
    let (train, test) = (of("train"), of("test"));
    all[test]["group_id"] = all[train]["group_id"].clone();
    place.write("cases/cases.jsonl", all.iter().map(|case| format!("{case}\n")).collect::<String>());
    place.done("data show cases --html page.html --problems");
    let mut pair = [train, test];
    pair.sort_unstable();
    assert_eq!(shown(&place.read("page.html")), ids(&pair.map(|place| place as u64)));
}

#[test]
fn a_page_that_cannot_be_made_is_refused() {
    let place = cases();
    place.write("old.html", "mine");
    place.write("broken/cases.jsonl", "{\"schema\": \"case/1\"}\n");
    let none = "no case is as asked for by";
    for (line, wanted) in [
        ("cases --html old.html", "old.html already exists -> name a new file, or remove it".to_owned()),
        ("cases --html new.html --case synth-9", "--case synth-9: no case has this id -> give a `case_id`".into()),
        ("cases --html new.html --category 99", format!("{none} --category 99 -> leave")),
        ("cases --html new.html --problems", format!("{none} --problems -> leave")),
        (
            "cases --html new.html --case synth-1-000003 --category 99",
            format!("{none} --case synth-1-000003 --category 99 -> leave"),
        ),
        ("cases --html new.html --sample 0", "invalid value '0' for '--sample <N>'".into()),
        ("cases --html new.html --split testing", "invalid value 'testing' for '--split <SPLIT>'".into()),
        ("cases --html new.html --taxonomy nowhere.toml", "nowhere.toml: cannot be read".into()),
        ("cases --problems", "--html <FILE>".into()),
        ("broken --html new.html", "broken/cases.jsonl:1: case_id: is missing -> add it".into()),
        ("nowhere --html new.html", "nowhere: cannot be read".into()),
    ] {
        let said = place.refused(&format!("data show {line}"));
        assert!(said.contains(&wanted), "{line}: {said}");
    }
    let ran = place.run("data show cases --html no/such/folder/new.html");
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.error().contains(" -> check that the folder is writable"), "{}", ran.stderr);
    assert_eq!(place.read("old.html"), "mine");
    assert!(!place.path("new.html").exists());
}

#[test]
fn prompts_and_lengths_are_shown_under_the_model_of_a_recipe() {
    let place = Workplace::new();
    place.done("data synth cases --cases 4 --seed 1 --image-size 64");
    assert!(!{
        place.done("data show cases --html plain.html");
        place.read("plain.html").contains("<summary>prompt</summary>")
    });
    place.done("data show cases --html page.html --recipe recipe.toml");
    let page = place.read("page.html");
    let questions = place.read("cases/cases.jsonl").matches("\"question\":").count();
    assert_eq!(page.matches("<summary>prompt</summary>").count(), questions);
    assert!(page.contains("id=\"tokens\"") && page.contains("&lt;image&gt; x ") && page.contains("[["));
    let said = place.refused("data show cases --html other.html --recipe absent.toml");
    assert!(said.contains("absent.toml"), "{said}");
}

#[test]
fn a_case_that_breaks_a_rule_has_no_prompt_and_the_others_have() {
    let place = Workplace::new();
    place.done("data synth cases --cases 4 --seed 1 --image-size 64");
    let whole = place.read("cases/cases.jsonl");
    let (first, others) = whole.split_once('\n').expect("several cases");
    let case: serde_json::Value = serde_json::from_str(first).expect("JSON");
    let choice = case["chain"].as_array().expect("items").iter().position(|item| item["answer"]["type"] == "choice");
    let answer = format!("/chain/{}/answer", choice.expect("a choice"));
    for (number, (field, value)) in [
        (format!("{answer}/gold"), serde_json::json!([])),
        (format!("{answer}/gold"), serde_json::json!([99])),
        (format!("{answer}/options"), serde_json::json!([])),
        (answer.clone(), serde_json::json!({"type": "box", "gold": ["absent"], "iou_ok": 0.5})),
        ("/images/0/id".to_owned(), "elsewhere".into()),
    ]
    .into_iter()
    .enumerate()
    {
        let mut broken = case.clone();
        *broken.pointer_mut(&field).expect("a field") = value;
        place.write("cases/cases.jsonl", format!("{broken}\n{others}"));
        place.done(&format!("data show cases --html page-{number}.html --recipe recipe.toml"));
        let page = place.read(&format!("page-{number}.html"));
        let none = page.matches("the case has a problem: mend it to see its prompts").count();
        assert_eq!(none, case["chain"].as_array().expect("items").len(), "{field}");
        assert_eq!(
            page.matches("<summary>prompt</summary>").count(),
            whole.matches("\"question\":").count(),
            "{field}"
        );
    }
}

#[test]
fn credentialed_cases_are_shown_only_on_request() {
    let place = cases();
    let marked = |line: &str| {
        let mut case: serde_json::Value = serde_json::from_str(line).expect("JSON");
        case["source"]["credentialed"] = true.into();
        format!("{case}\n")
    };
    let text = place.read("cases/cases.jsonl");
    place.write("cases/cases.jsonl", text.lines().map(marked).collect::<String>());
    place.done("data show cases --html page.html");
    let page = place.read("page.html");
    assert!(!page.contains("<img ") && page.contains("credentialed"));
    place.done("data show cases --html open.html --show-credentialed");
    assert_eq!(place.read("open.html").matches("<img src=\"data:image/png;base64,").count(), 12);
}
