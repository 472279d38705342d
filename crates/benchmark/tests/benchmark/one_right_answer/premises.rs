//! False premises, and "none of these" in place of the right option.

use super::*;

/// Case with a pneumothorax, whose questions other cases can be asked.
fn with_air(number: usize) -> Case {
    let question = |end: &str| format!("{end} the pneumothorax");
    case(
        &format!("air-{number:02}"),
        json!([region("r", "pneumothorax", [1, 1, 9, 9])]),
        json!([
            item(
                "side",
                2,
                "13",
                &format!("{} affect?", question("Which lung does")),
                choice(&["left lung", "right lung"], number % 2)
            ),
            item(
                "extent",
                3,
                "17",
                &format!("How much does {} cover?", "the pneumothorax"),
                choice(&["less than 10%", "10% or more"], 0)
            ),
            item(
                "rule",
                4,
                "30",
                "If the pneumothorax is large, act, otherwise wait. What now?",
                choice(&["act", "wait"], 1)
            ),
            item("size", 3, "18", "How large is a pneumothorax with this outline?", choice(&["small", "large"], 0)),
        ]),
    )
}

#[test]
fn a_false_premise_names_what_the_image_lacks_and_only_its_rejection_is_right() {
    let cases: Vec<Case> = (0..40).map(|number| chest(number, &[])).chain((0..4).map(with_air)).collect();
    let suite = suite(&[("premise_false", "kind = \"premise_false\""), ("premise_true", "kind = \"premise_true\"")]);
    let plan = Plan::new(&suite, &cases);
    // The mass is present, the second question asks for absence, and "no" about one side denies nothing.
    assert_eq!(asked(&plan, "premise_false"), BTreeSet::from(["air"]));
    assert_eq!(asked(&plan, "premise_true"), BTreeSet::from(["air", "mass"]));
    let mut places = BTreeSet::new();
    for entry in of(&plan, "premise_false") {
        let item = plan.item(entry).1;
        assert_eq!(
            (item.question.as_str(), item.category.as_str()),
            ("Which lung does the pneumothorax affect?", "10")
        );
        let (options, right) = shown(&plan, entry);
        assert_eq!(options.len(), 3);
        assert!(!options[right].ends_with("lung"), "{options:?}");
        places.insert(right);
    }
    assert_eq!(places.len(), 3, "the added option stands at every place");
    for entry in of(&plan, "premise_true") {
        let (options, right) = shown(&plan, entry);
        let stored =
            cases[entry.case].chain.iter().find(|item| item.question == plan.item(entry).1.question).expect("own");
        let Answer::Choice { options: own, gold, .. } = &stored.answer else { panic!("a choice") };
        assert_eq!(options[right], own[gold[0]]);
        assert!(!options.contains(&"cannot tell".to_owned()), "an abstain option could be right as well");
        assert_eq!(options.iter().filter(|option| !own.contains(option)).count(), 1);
    }
    expect(&evaluated(&suite, &cases, Oracle), "accuracy:premise_false", 1.0);
    // Questions that are asked elsewhere are not asked of cases that record nothing about their subject.
    let fluid = item("fluid", 2, "10", "Does this image show an effusion?", yes(false));
    let silent: Vec<Case> = (0..4).map(with_air).chain([case("silent", json!([]), json!([fluid]))]).collect();
    assert_eq!(of(&Plan::new(&suite, &silent), "premise_false").count(), 0);
    // Without such a question of another patient, the absent finding is put into a question of the case.
    let which = item("which", 2, "11", "Which is shown?", choice(&["pneumothorax", "mass", "none of these"], 1));
    let alone = [chest(0, &[which])];
    let plan = Plan::new(&suite, &alone);
    assert_eq!(asked(&plan, "premise_false"), BTreeSet::from(["air", "which"]));
    for entry in of(&plan, "premise_false") {
        let question = plan.item(entry).1.question.as_str();
        let renamed = ["Which lung does the pneumothorax affect?", "What margin does the pneumothorax have?"];
        assert!(renamed.contains(&question), "{question}");
        assert!(!shown(&plan, entry).0.contains(&"cannot tell".to_owned()));
    }
}

#[test]
fn synthetic_premises_reject_questions_about_absent_findings() {
    let cases = synthetic(120);
    let suite = suite(&[("premise_false", "kind = \"premise_false\"")]);
    let plan = Plan::new(&suite, &cases);
    assert!(of(&plan, "premise_false").count() >= 5, "{}", of(&plan, "premise_false").count());
    for entry in of(&plan, "premise_false") {
        let (case, item) = plan.item(entry);
        let is_absent = |name: &str| case.regions.iter().all(|region| region.label != name);
        let absent = ["finding", "gas", "effusion", "tear"].into_iter().filter(|name| is_absent(name));
        let mut named = absent.filter(|name| item.question.contains(&format!("the {name}")));
        assert!(named.next().is_some(), "{} of {}", item.question, case.case_id);
    }
}

#[test]
fn none_of_these_is_asked_only_where_nothing_else_stays_right() {
    let lungs = ["left lung", "right lung", "both lungs"];
    let more = [
        item("conditions", 4, "25", "What is it?", choice(&["pneumonia", "viral pneumonia", "oedema"], 1)),
        item("device", 2, "15", "Which device is shown?", choice(&["no device", "tube", "line"], 0)),
        item(
            "several",
            2,
            "11",
            "Which are shown?",
            json!({"type": "choice", "options": ["mass", "effusion", "nodule", "cyst"], "gold": [0, 1]}),
        ),
        item(
            "declined",
            4,
            "31",
            "Which is it?",
            json!({"type": "choice", "options": ["a", "b", "cannot tell"], "gold": [2], "refusal": 2}),
        ),
    ];
    let cases: Vec<Case> = (0..60).map(|number| chest(number, &more)).collect();
    let suite = suite(&[("nota_right", "kind = \"nota_right\""), ("nota_wrong", "kind = \"nota_wrong\"")]);
    let plan = Plan::new(&suite, &cases);
    assert_eq!(asked(&plan, "nota_right"), BTreeSet::from(["lung", "margin", "several"]));
    let (mut right_places, mut wrong_places) = (BTreeSet::new(), BTreeSet::new());
    for (attack, control) in of(&plan, "nota_right").zip(of(&plan, "nota_wrong")) {
        assert_eq!((attack.case, attack.item), (control.case, control.item));
        let ((removed, none), (kept, right)) = (shown(&plan, attack), shown(&plan, control));
        assert_eq!(removed.len(), kept.len());
        assert!(removed[none].starts_with("none of ") && !kept[right].starts_with("none of "), "{removed:?} {kept:?}");
        let added = kept.iter().position(|option| option.starts_with("none of ")).expect("added");
        assert!(!removed.contains(&"cannot tell".to_owned()) && !kept.contains(&"cannot tell".to_owned()));
        // Either one lung is right or the item is left out: both options would stay true without "both lungs".
        let item = plan.item(attack).1;
        assert!(item.id != "lung" || lungs[attack.case % 3] != "both lungs", "{removed:?}");
        if item.id == "lung" {
            right_places.insert(none);
            wrong_places.insert(added);
        }
    }
    assert_eq!((right_places.len(), wrong_places.len()), (3, 3));
}
