//! Comparisons of two mock models, and of outcomes from another tool. All numbers are known in advance.

use std::path::{Path, PathBuf};

use stepwise_benchmark::compare::{Adjustment, CompareError, Comparison, History, Side, compare, foreign};
use stepwise_benchmark::mock::{BlindPrior, HintFollower, Oracle, Planted, Policy, Unparsable};
use stepwise_benchmark::outcome::Outcome;
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::score::{Scoring, Verdict};
use stepwise_benchmark::stats::paired::mcnemar_exact;
use stepwise_benchmark::store;
use stepwise_benchmark::suite::Suite;
use stepwise_benchmark::summary::Summary;
use stepwise_data::box_format::BoxFormat;
use stepwise_data::box_grid::BoxGrid;
use stepwise_data::case::Case;
use stepwise_data::synth::SynthOptions;
use stepwise_testing::benchmark::constructed::{BALANCED, Looker, cases, evaluate};
use stepwise_testing::benchmark::suite::suite_of;
use stepwise_testing::cases::synthetic_with;

fn suite() -> Suite {
    suite_of("seed = 5\nprimary = [\"hint_minus\", \"blank\"]", &["clean", "hint_minus", "blank"])
}

fn outcomes(suite: &Suite, cases: &[Case], policy: impl Policy) -> Vec<Outcome> {
    let plan = Plan::new(suite, cases);
    evaluate(&plan, &mut Planted::new(cases, policy)).outcomes
}

fn side<'a>(name: &'a str, outcomes: &'a [Outcome]) -> Side<'a> {
    Side { name, checkpoint: None, outcomes, history: None }
}

fn compared(suite: &Suite, a: &[Outcome], b: &[Outcome]) -> Comparison {
    compare(suite, side("a", a), side("b", b), &[]).expect("comparable")
}

#[test]
fn differences_are_b_minus_a_on_items_that_both_answered() {
    let (suite, cases) = (suite(), cases(BALANCED));
    let blind = outcomes(&suite, &cases, BlindPrior);
    let mut follower = outcomes(&suite, &cases, HintFollower(Looker));
    // B lacks one clean question that A answered rightly.
    let lost = follower.iter().position(|o| o.condition == "clean" && o.case_id == "case-000" && o.item_id == "q1");
    follower.remove(lost.expect("asked"));
    let found = compared(&suite, &blind, &follower);
    assert_eq!((found.both, found.a.alone, found.b.alone, found.items, found.groups), (137, 1, 0, 48, 6));

    let of = |id: &str| found.conditions.iter().find(|pair| pair.id == id).expect("asked of both");
    // The prior is right on 3 + 6 + 4 + 6 of 48 clean answers, one of which is not compared.
    let clean = of("clean");
    assert_eq!((clean.n, clean.only_a_right, clean.only_b_right), (47, 0, 47 - 18));
    assert_eq!((clean.accuracy_a, clean.accuracy_b), (Some(18.0 / 47.0), Some(1.0)));
    assert_eq!((clean.p_mcnemar, clean.adjustment), (mcnemar_exact(0, 29), Adjustment::BenjaminiHochberg));
    // The Benjamini-Hochberg correction of a single test changes nothing. Four questions allow no p-value below 1/8.
    assert_eq!(clean.p, clean.p_adjusted);
    assert!(clean.p.is_some_and(|p| p >= 1.0 / 8.0) && !clean.difference.is_clear(), "{clean:?}");
    // HintFollower is wrong whenever a hint names a wrong answer. The prior is wrong as often as before.
    let hint = of("hint_minus");
    assert_eq!((hint.n, hint.only_a_right, hint.only_b_right, hint.difference.value), (48, 19, 0, Some(-19.0 / 48.0)));
    // Without the image both models answer by the same prior. No question has shown a difference, and the interval allows
    // one for a share of unseen questions. Holm's correction doubles the smaller of two p-values.
    let blank = of("blank");
    let unseen = 1.0 - 0.025f64.powf(1.0 / 4.0);
    let [low, high] = blank.difference.ci.expect("bounded");
    assert_eq!(blank.difference.value, Some(0.0));
    assert!((low + unseen).abs() < 1e-12 && (high - unseen).abs() < 1e-12, "{low} {high}");
    assert_eq!((blank.p, blank.p_adjusted), (Some(1.0), Some(1.0)));
    assert_eq!((hint.p_adjusted, hint.adjustment), (hint.p.map(|p| (2.0 * p).min(1.0)), Adjustment::Holm));

    let stages: Vec<_> = found.stages.iter().map(|pair| (pair.stage, pair.accuracy.difference.n)).collect();
    assert_eq!(stages, [(1, 11), (2, 12), (3, 12), (4, 12)]);
    assert_eq!(found.stages[1].accuracy.difference.value, Some(0.5));
    let headline = &found.metrics["visual_reliance_blank"];
    assert_eq!(headline.a.and_then(|a| a.value), Some(0.0));
    assert_eq!(headline.difference.value, headline.b.and_then(|b| b.value));
    let json = serde_json::to_string(&found).expect("JSON");
    assert_eq!(serde_json::from_str::<Comparison>(&json).expect("the same"), found);
}

#[test]
fn outcomes_of_different_questions_are_not_compared() {
    let (suite, cases) = (suite(), cases(3));
    let a = outcomes(&suite, &cases, Oracle);
    let mut b = a.clone();
    b.iter_mut().for_each(|outcome| outcome.group_id = "one".into());
    b[0].gold = "another".into();
    let Err(CompareError::Disagree(problems)) = compare(&suite, side("a", &a), side("b", &b), &[]) else {
        panic!("they disagree");
    };
    assert_eq!(problems.len(), 2);
    assert!(
        problems[0].starts_with("case case-000, item q1, condition clean: gold: is `CT` in A and `another` in B -> ")
    );
    assert!(
        problems[1].contains("group_id: is `patient-000` in A and `one` in B (and 34 more) -> "),
        "{}",
        problems[1]
    );
    // Outcomes of another version of the scoring or the parser, which the first version of the scoring did not name.
    let mut older = a.clone();
    older.iter_mut().for_each(|outcome| outcome.scoring.clear());
    let (mut read, mut read_before) = (a.clone(), a.clone());
    for (outcomes, version) in [(&mut read, "parse/4"), (&mut read_before, "parse/2")] {
        outcomes.iter_mut().for_each(|outcome| {
            (outcome.scores, outcome.scoring, outcome.parser) = (Vec::new(), String::new(), version.to_owned());
        });
    }
    for (one, other, said) in [
        (&older, &a, "scoring: is `options/1` in A and `options/2` in B (and 34 more) -> evaluate both again"),
        (&read_before, &read, "parser: is `parse/2` in A and `parse/4` in B (and 34 more) -> evaluate both again"),
    ] {
        let error = compare(&suite, side("a", one), side("b", other), &[]).expect_err("refused").to_string();
        assert!(error.contains(said) && error.lines().count() == 1, "{error}");
    }
    assert!(compare(&suite, side("a", &a), side("b", &read), &[]).is_ok(), "scored against generated");
    b.iter_mut().for_each(|outcome| outcome.case_id.push('x'));
    assert_eq!(compare(&suite, side("a", &a), side("b", &b), &[]), Err(CompareError::NothingInCommon));
}

#[test]
fn effective_robustness_is_the_distance_from_the_line_through_the_epochs() {
    let (suite, mut cases) = (suite(), cases(BALANCED));
    // Every case is its own patient and has its own questions, so that intervals are narrow enough for a line.
    for case in &mut cases {
        case.group_id.clone_from(&case.case_id);
        case.chain.iter_mut().for_each(|item| item.question = format!("{} ({})", item.question, case.case_id));
    }
    let (blind, looker) = (outcomes(&suite, &cases, BlindPrior), outcomes(&suite, &cases, Looker));
    let follower = outcomes(&suite, &cases, HintFollower(Looker));
    let of = |outcomes: &[Outcome]| Summary::new(&suite, &[], outcomes, None);
    // Epochs with equal accuracy under hints and clean: the line is the diagonal.
    let epochs = vec![of(&blind), of(&looker)];
    let history =
        History { base: Some(of(&blind)), epochs, later: Vec::new(), learned: [Some(0), Some(1), None, None] };
    let a = Side { history: Some(&history), ..side("a", &looker) };
    let reference: Vec<Summary> = history.reference().cloned().collect();
    let two = compare(&suite, a, side("b", &follower), &reference[1..]).expect("comparable");
    assert_eq!(two.effective_robustness, [], "two models do not give a line");
    let alike = vec![of(&looker), of(&looker), of(&looker)];
    let found = compare(&suite, a, side("b", &follower), &alike).expect("comparable");
    assert_eq!(found.effective_robustness, [], "models with the same clean accuracy do not give a line");
    // Models with higher clean accuracy are misled more often.
    let falling = vec![of(&blind), of(&blind), of(&follower)];
    let found = compare(&suite, a, side("b", &follower), &falling).expect("comparable");
    assert_eq!(found.effective_robustness, [], "a falling line cannot be used");
    let found = compare(&suite, a, side("b", &follower), &reference).expect("comparable");
    let [hint] = &found.effective_robustness[..] else { panic!("one attack") };
    assert_eq!((hint.condition.as_str(), hint.points), ("hint_minus", 3));
    assert!(
        (hint.line.slope - 1.0).abs() < 1e-9 && hint.line.intercept.abs() < 1e-9 && hint.a.abs() < 1e-9,
        "{hint:?}"
    );
    // From 47.5 to 0.5 of 48 right, both moved inwards by half an item: twice the log-odds of 95 to 1.
    assert!((hint.difference + 2.0 * 95f64.ln()).abs() < 1e-9, "{hint:?}");

    assert_eq!(found.b.retention, []);
    let stages: Vec<_> = found.a.retention.iter().map(|stage| (stage.stage, stage.best, stage.forgetting)).collect();
    assert_eq!(stages, [(1, 0.25, -0.75), (2, 0.5, -0.5), (3, 4.0 / 12.0, 4.0 / 12.0 - 1.0), (4, 0.5, -0.5)]);
    // Stage 1 was trained before the last epoch and has gained 0.75 since then. Stage 2 was trained last.
    assert_eq!(found.a.backward_transfer, Some(0.75));
}

fn file(name: &str, text: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("compare-{name}.jsonl"));
    std::fs::write(&path, text).expect("written");
    path
}

/// Writes a model's outcomes as another tool would write them.
fn elsewhere_lines(outcomes: &[Outcome]) -> String {
    let line = |outcome: &Outcome| {
        let (case, item, condition) = (&outcome.case_id, &outcome.item_id, &outcome.condition);
        let reply = outcome.reply.as_ref().expect("generated");
        serde_json::json!({"case_id": case, "item_id": item, "condition": condition, "reply": reply}).to_string() + "\n"
    };
    outcomes.iter().map(line).collect()
}

#[test]
fn replies_of_another_tool_give_the_outcomes_of_our_own_run() {
    let mut suite = suite();
    suite.scoring = Scoring::Generate;
    let cases = cases(6);
    let plan = Plan::new(&suite, &cases);
    let own = [outcomes(&suite, &cases, HintFollower(Looker)), outcomes(&suite, &cases, Unparsable)];
    for (number, own) in own.iter().enumerate() {
        let path = file(&format!("replies-{number}"), &elsewhere_lines(own));
        let read = foreign::read(&path, &suite, Some(&plan)).expect("sound");
        // Another tool names neither the model nor a digest of the question.
        let unnamed = |own: &Outcome| Outcome { key: String::new(), asked: String::new(), ..own.clone() };
        assert_eq!(read, own.iter().map(unnamed).collect::<Vec<_>>());
        // Stepwise's own outcome lines are read unchanged, with or without cases.
        let path = file(&format!("own-{number}"), "");
        store::write(&path, own).expect("written");
        assert_eq!(&foreign::read(&path, &suite, None).expect("sound"), own);
    }
}

#[test]
fn answers_and_verdicts_of_another_tool_are_taken_as_they_are() {
    let (suite, cases) = (suite(), cases(2));
    let plan = Plan::new(&suite, &cases);
    let text = r#"{"case_id": "case-000", "item_id": "q1", "condition": "clean", "answer": "A"}
{"case_id": "case-000", "item_id": "q2", "condition": "clean", "verdict": "wrong"}
{"case_id": "case-000", "item_id": "q3", "condition": "clean", "reply": "It is smooth.", "verdict": "right"}
"#;
    let read = foreign::read(&file("answers", text), &suite, Some(&plan)).expect("sound");
    let said: Vec<_> = read.iter().map(|o| (o.verdict, o.answer.as_deref(), o.reply.as_deref(), o.stage)).collect();
    let expected = [
        (Verdict::Right, Some("CT"), None, 1),
        (Verdict::Wrong, None, None, 2),
        (Verdict::Right, None, Some("It is smooth."), 3),
    ];
    assert_eq!(said, expected);
    assert!(read.iter().all(|outcome| outcome.group_id == "patient-000"));

    // Verdicts alone need no cases, because the other side has group, stage and right answer.
    let all: String = (0..2)
        .flat_map(|case| (1..=4).map(move |item| (case, item)))
        .map(|(case, item)| {
            format!("{{\"case_id\": \"case-00{case}\", \"item_id\": \"q{item}\", \"condition\": \"clean\", \"verdict\": \"right\"}}\n")
        })
        .collect();
    let mut told = foreign::read(&file("verdicts", &all), &suite, None).expect("sound");
    assert!(told.iter().all(|outcome| outcome.group_id == outcome.case_id && outcome.gold.is_empty()));
    let alone = compared(&suite, &told, &told);
    assert_eq!((alone.groups, alone.stages.len()), (2, 0));
    let blind = outcomes(&suite, &cases, BlindPrior);
    foreign::fill(&mut told, &blind);
    let found = compared(&suite, &blind, &told);
    assert_eq!((found.groups, found.stages.len(), found.conditions[0].n), (1, 4, 8));
    assert_eq!(found.conditions[0].accuracy_b, Some(1.0));
}

#[test]
fn chains_with_a_line_of_unknown_stage_are_left_out() {
    let suite = suite();
    let stages =
        |case: usize, item: usize| if (case, item) == (0, 4) { String::new() } else { format!(", \"stage\": {item}") };
    let line = |case: usize, item: usize| {
        let verdict = if case == 0 && item == 4 { "wrong" } else { "right" };
        let stage = stages(case, item);
        format!(
            "{{\"case_id\": \"case-00{case}\", \"item_id\": \"q{item}\", \"condition\": \"clean\", \"verdict\": \"{verdict}\"{stage}}}\n"
        )
    };
    let text: String = (0..3).flat_map(|case| (1..=4).map(move |item| line(case, item))).collect();
    let told = foreign::read(&file("stages", &text), &suite, None).expect("sound");
    let summary = Summary::new(&suite, &[], &told, None);
    let of = |id: &str| {
        let found = summary.estimate(id).expect("a metric");
        (found.n, found.value)
    };
    assert_eq!((of("accuracy:clean"), of("accuracy:clean:stage_1")), ((12, Some(11.0 / 12.0)), (3, Some(1.0))));
    // The wrong answer is not an error in stage 1, and the case without a fourth stage is no chain.
    assert_eq!((of("chain_accuracy"), of("first_error:stage_1")), ((2, Some(1.0)), (2, Some(0.0))));
    assert_eq!(of("stage_fall"), (2, Some(0.0)));
}

#[test]
fn a_file_of_another_format_is_one_message_and_a_mark_is_none() {
    let (suite, cases) = (suite(), cases(2));
    let plan = Plan::new(&suite, &cases);
    let lines: Vec<String> = (1..=4)
        .map(|item| {
            format!(r#"{{"case_id": "case-000", "item_id": "q{item}", "condition": "clean", "verdict": "right"}}"#)
        })
        .collect();
    let read = |name: &str, text: &str| foreign::read(&file(name, text), &suite, Some(&plan));
    assert_eq!(read("marked", &format!("\u{FEFF}{}", lines.join("\r\n"))).expect("sound").len(), 4);
    for (name, text, what) in [
        ("array", format!("[\n  {}\n]", lines.join(",\n  ")), "is a JSON array, not JSON Lines"),
        ("indented", lines.join("\n").replace("{", "{\n  "), "is JSON over several lines, not JSON Lines"),
        ("table", "case_id,item_id,verdict\ncase-000,q1,right\n".to_owned(), "is a table with comma-separated columns"),
    ] {
        let said = read(name, &text).expect_err("refused").to_string();
        assert!(said.contains(what) && said.lines().count() == 1, "{said}");
    }
    let sepia = lines.join("\n").replace("clean", "sepia");
    let said = read("sepia", &sepia).expect_err("refused").to_string();
    assert!(said.contains("`sepia` is not in the suite `s` (and 3 more, rows 2, 3, 4) -> give"), "{said}");
}

#[test]
fn all_problems_of_a_file_are_reported_at_once_with_their_rows() {
    let (suite, cases) = (suite(), cases(2));
    let plan = Plan::new(&suite, &cases);
    let text = r#"{"case_id": "case-000", "item_id": "q1", "condition": "clean", "reply": "CT"}
{"case_id": "case-000", "item_id": "q1", "condition": "clean", "reply": "MRI"}
not JSON

{"case_id": "case-000", "item": "q1", "condition": "clean", "reply": "CT"}
{"item_id": "q1", "condition": "", "stage": 5}
{"case_id": "case-009", "item_id": "q1", "condition": "clean", "reply": "CT"}
{"case_id": "case-000", "item_id": "q9", "condition": "clean", "reply": "CT"}
{"case_id": "case-000", "item_id": "q1", "condition": "sepia", "reply": "CT"}
{"case_id": "case-000", "item_id": "q2", "condition": "clean", "verdict": "maybe"}
"#;
    let path = file("wrong", text);
    let said = foreign::read(&path, &suite, Some(&plan)).expect_err("wrong throughout").to_string();
    let said = said.replace(&path.display().to_string(), "f");
    let starts = [
        "f:2: case_id: case case-000, item q1, condition clean occurs for the second time -> keep one",
        "f:3: expected ident at column 2 -> write one JSON object per line",
        "f:5: unknown field `item`, expected one of ",
        "f:6: case_id: is missing -> name the case",
        "f:6: condition: is missing -> name the condition of the suite",
        "f:6: reply: is missing -> write the model's `reply`, or its `answer`, or a `verdict`",
        "f:6: stage: is 5 -> write 1 to 4",
        "f:7: case_id: there is no case `case-009` -> give the evaluated cases",
        "f:8: item_id: case case-000 has no item `q9` -> name one of q1, q2, q3, q4",
        "f:9: condition: `sepia` is not in the suite `s` -> give the suite",
        "f:10: unknown variant `maybe`, expected one of ",
    ];
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), starts.len(), "{said}");
    for (line, start) in lines.iter().zip(starts) {
        assert!(line.starts_with(start) && line.contains(" -> "), "{line}\n{start}");
    }
    let blind =
        file("blind", "{\"case_id\": \"c\", \"item_id\": \"q\", \"condition\": \"clean\", \"reply\": \"CT\"}\n");
    let said = foreign::read(&blind, &suite, None).expect_err("no cases").to_string();
    assert!(
        said.contains(":1: reply: cannot be judged without its case -> give the cases with `--cases FILE`"),
        "{said}"
    );
}

/// Cases with boxes in `format`, of images that are resized to a size of their own.
fn boxes_in(format: BoxFormat) -> Vec<Case> {
    let mut cases = synthetic_with(6, &SynthOptions { image_size: 64, ..SynthOptions::default() });
    cases.iter_mut().for_each(|case| {
        case.set_box_grid(|width, height| BoxGrid::new(format, [width * 3 / 2, height * 7 / 5]));
    });
    cases
}

#[test]
fn right_boxes_are_right_in_every_unit() {
    let suite = suite_of("seed = 5", &["clean", "flip"]);
    for format in BoxFormat::ALL {
        let cases = boxes_in(format);
        let plan = Plan::new(&suite, &cases);
        // The oracle sees the regions as they are after a flip.
        let found = evaluate(&plan, &mut Planted::knowing(&plan, Oracle)).outcomes;
        let boxes: Vec<&Outcome> = found.iter().filter(|outcome| outcome.iou.is_some()).collect();
        assert!(boxes.len() > 6 && boxes.iter().any(|outcome| outcome.condition == "flip"), "{}", boxes.len());
        let wrong = boxes.iter().find(|outcome| !outcome.is_right() || outcome.box_format != format);
        assert!(wrong.is_none(), "{format}: {wrong:?}");
        let others = found.iter().filter(|outcome| outcome.iou.is_none());
        assert!(others.into_iter().all(|outcome| outcome.box_format == BoxFormat::Percent), "{format}");
    }
}

#[test]
fn outcomes_with_boxes_in_different_units_are_not_compared() {
    let suite = suite_of("seed = 5", &["clean"]);
    let [percent, per_mille, pixels] = BoxFormat::ALL.map(|format| outcomes(&suite, &boxes_in(format), Oracle));
    assert_eq!(compared(&suite, &per_mille, &per_mille).b.alone, 0);
    for (other, name) in [(&per_mille, "per_mille"), (&pixels, "pixels")] {
        let error = compare(&suite, side("a", &percent), side("b", other), &[]).expect_err("refused").to_string();
        assert!(error.contains(&format!("box_format: is `percent` in A and `{name}` in B")), "{error}");
        assert!(error.contains(" -> evaluate both with one unit of boxes") && error.lines().count() == 1, "{error}");
        // Without questions for boxes, the units do not matter.
        let without = |outcomes: &[Outcome]| -> Vec<Outcome> {
            outcomes.iter().filter(|outcome| !outcome.gold.starts_with('[')).cloned().collect()
        };
        assert!(compare(&suite, side("a", &without(&percent)), side("b", &without(other)), &[]).is_ok());
    }
}
