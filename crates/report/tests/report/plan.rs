//! Page and CSV list of a plan: complete and escaped.

use stepwise_curriculum::planned::{PlannedExample, PlannedStep};
use stepwise_data::prompt::ContextKind;
use stepwise_report::plan::{PlanInput, render};

use crate::read::keep;

/// Returns two phases of 30 steps with four training examples each: stage 1, then stages 2 and 1 again, with
/// fading marks.
fn steps() -> Vec<PlannedStep<'static>> {
    let step = |step: usize| {
        let second = step >= 30;
        let example = |place: usize| {
            let replayed = second && place == 0;
            PlannedExample {
                case: (step * 4 + place) % 50,
                case_id: "case, \"<b>\"",
                question: "q1",
                stage: if second && !replayed { 2 } else { 1 },
                replayed,
                condition: (second && (step - 30) % 30 < 10 && place > 1).then_some("cue_true"),
                context: if place == 3 { ContextKind::Gold } else { ContextKind::Nothing },
                is_blank: false,
            }
        };
        PlannedStep {
            epoch: if second { 2 } else { 1 },
            learning_rate: 2e-3 * (1.0 - (step % 30) as f64 / 30.0),
            examples: (0..4).map(example).collect(),
        }
    };
    (0..60).map(step).collect()
}

#[test]
fn a_plan_is_drawn_and_listed() {
    let (steps, phases) = (steps(), [("orient".to_owned(), 30), ("<find>".to_owned(), 60)]);
    let facts = [("Recipe".to_owned(), "a & b.toml".to_owned())];
    let report = render(&PlanInput { title: "<run>", facts: &facts, cases: 50, phases: &phases, steps: &steps });
    keep("plan.html", &report.html);

    let [list] = report.tables.as_slice() else { panic!("one list") };
    let lines: Vec<&str> = list.text.lines().collect();
    assert_eq!(lines.len(), 1 + 60 * 4);
    assert_eq!(lines[0], "step,phase,epoch,learning_rate,case_id,question,stage,replayed,condition,context");
    assert_eq!(lines[1], "1,orient,1,0.002,\"case, \"\"<b>\"\"\",q1,1,0,,");
    assert_eq!(lines[1 + 30 * 4 + 3], "31,<find>,2,0.002,\"case, \"\"<b>\"\"\",q1,2,0,cue_true,gold");

    // Bars of stage 1 in all 60 steps and of stage 2 in the last 30, and a line at the end of the first phase in
    // three drawings.
    let count = |part: &str| report.html.matches(part).count();
    assert_eq!((count("class=\"bar c1\""), count("class=\"line trend\"")), (30, 3));
    assert_eq!((count("class=\"visit c0\""), count("class=\"visit c1\""), count("class=\"visit c2\"")), (1, 1, 0));
    for words in [
        "60 steps, 240 training examples, 50 cases",
        "replayed</text>",
        "under cue_true",
        "with gold answers",
        "12.5\u{202f}%",
    ] {
        assert!(report.html.contains(words), "{words}");
    }
    assert!(
        !report.html.contains("<run>") && report.html.contains("&lt;run&gt;") && report.html.contains("a &amp; b.toml")
    );
}

#[test]
fn a_long_plan_stays_small() {
    let example = |case| PlannedExample {
        case,
        case_id: "c",
        question: "q",
        stage: 1 + (case % 4) as u8,
        replayed: false,
        condition: None,
        context: ContextKind::Nothing,
        is_blank: false,
    };
    let steps: Vec<PlannedStep<'_>> = (0..9000)
        .map(|step| PlannedStep {
            epoch: 1,
            learning_rate: 0.0,
            examples: (0..8).map(|place| example(step * 8 + place)).collect(),
        })
        .collect();
    let report =
        render(&PlanInput { title: "t", facts: &[], cases: 72_000, phases: &[("p".to_owned(), 9000)], steps: &steps });
    assert!(report.html.len() < 500_000, "{}", report.html.len());
    assert!(report.html.contains("Every training example is the question as stored."));
}
