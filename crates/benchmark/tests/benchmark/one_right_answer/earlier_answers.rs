//! Wrong answers to earlier questions: of the kind of their question, wrong, and about the finding.

use super::*;

#[test]
fn the_wrong_earlier_answer_is_about_the_finding_where_there_is_one() {
    let chain = |number: usize| {
        let mut lung =
            item("lung", 2, "13", "Which lung does the mass affect?", choice(&["left", "right"], number % 2));
        lung["parents"] = json!(["modality"]);
        let mut kind = item("kind", 4, "25", "What is it?", choice(&["cyst", "mass"], number % 2));
        kind["parents"] = json!(["modality", "lung"]);
        json!([item("modality", 1, "01", "Which modality?", choice(&["CT", "MRI"], 0)), lung, kind])
    };
    let cases: Vec<Case> = (0..12).map(|number| case(&format!("c{number:02}"), json!([]), chain(number))).collect();
    let suite = suite(&[("wrong", "kind = \"parents_wrong\"")]);
    let plan = Plan::new(&suite, &cases);
    for entry in of(&plan, "wrong") {
        let (_, item) = plan.item(entry);
        let context = plan.perturbed(entry).expect("planned").frame.context;
        let is_right = context.iter().any(|earlier| earlier.answer == "CT");
        assert_eq!(is_right, item.id == "kind", "{} of {context:?}", item.id);
    }
}

/// Case with a question of every kind of answer, and for each a question that builds on it alone.
fn with_every_kind(number: usize) -> Case {
    let text = ["oedema", "fracture"][number % 2];
    let kinds = [
        ("choice", json!({"type": "choice", "options": ["left", "right", "both"], "gold": [number % 3]})),
        ("several", json!({"type": "choice", "options": ["mass", "cyst", "gas", "scar"], "gold": [1, number % 2 * 2]})),
        ("yesno", yes(number.is_multiple_of(2))),
        ("count", json!({"type": "number", "gold": number % 4, "abs_tol": 1.0})),
        ("measure", json!({"type": "number", "gold": 12.5, "unit": "mm", "rel_tol": 0.3})),
        ("text", json!({"type": "text", "gold": [text]})),
        ("box", json!({"type": "box", "gold": ["r"], "iou_ok": 0.5})),
    ];
    let mut chain = Vec::new();
    for (kind, answer) in kinds {
        let mut asked = item(kind, 2, "13", &format!("{kind}?"), answer);
        // A right option among the confusable ones is not named either.
        if kind == "several" {
            asked["confusable"] = json!([1, 3]);
        }
        let mut child = item(&format!("after-{kind}"), 3, "19", "Signal?", choice(&["bright", "dark"], 0));
        child["parents"] = json!([kind]);
        chain.extend([asked, child]);
    }
    case(&format!("kinds-{number:02}"), json!([region("r", "mass", [10, 10, 30, 30])]), json!(chain))
}

/// Whether `said` has the form of `answer` and is not right.
fn is_wrong(said: &str, answer: &Answer) -> bool {
    match answer {
        Answer::Choice { options, gold, .. } => {
            options.iter().position(|option| option == said).is_some_and(|place| !gold.contains(&place))
        }
        Answer::Yesno { gold, .. } => said == if *gold { "no" } else { "yes" },
        Answer::Number { gold, abs_tol, rel_tol, .. } => {
            let tolerance = abs_tol.unwrap_or(0.0).max(rel_tol.unwrap_or(0.0) * gold.abs());
            said.parse().is_ok_and(|value: f64| (value - gold).abs() > tolerance)
        }
        Answer::Text { gold, .. } => ["oedema", "fracture"].contains(&said) && gold[0] != said,
        Answer::Box { .. } => false,
    }
}

#[test]
fn a_wrong_earlier_answer_is_wrong_and_of_the_kind_of_its_question() {
    let cases: Vec<Case> = (0..12).map(with_every_kind).collect();
    let suite = suite(&[("wrong", "kind = \"parents_wrong\"")]);
    let plan = Plan::new(&suite, &cases);
    let kinds = ["choice", "several", "yesno", "count", "measure", "text"].map(|kind| format!("after-{kind}"));
    assert_eq!(asked(&plan, "wrong"), kinds.iter().map(String::as_str).collect(), "no sentence names a box");
    assert_eq!(of(&plan, "wrong").count(), 12 * kinds.len());
    for entry in of(&plan, "wrong") {
        let (case, item) = plan.item(entry);
        let parent = case.chain.iter().find(|other| other.id == item.parents[0]).expect("its parent");
        let context = plan.perturbed(entry).expect("planned").frame.context;
        let [earlier] = &context[..] else { panic!("one earlier answer: {context:?}") };
        assert_eq!(earlier.question, parent.question);
        assert!(is_wrong(&earlier.answer, &parent.answer), "{:?} to {:?}", earlier.answer, parent.answer);
    }
}
