//! Tables of a run plan: training examples by phase, and how they differ from the stored questions.

use stepwise_data::prompt::ContextKind;
use stepwise_recipe::Freeze;
use stepwise_trainer::preflight::plan_summary::{PhaseSummary, PlanSummary};

use crate::table::aligned;

/// Formats two tables as text: the phases with their training examples by stage, and the counts of examples that differ
/// from the stored questions, by condition, context and blank images.
pub fn text(plan_summary: &PlanSummary) -> String {
    let head = ["phase", "steps", "epochs", "rate", "stage 1", "stage 2", "stage 3", "stage 4", "examples"];
    let mut rows = vec![head.map(str::to_owned)];
    for phase in &plan_summary.phases {
        let [first, second, third, fourth] = phase.stages.map(|count| count.to_string());
        rows.push([
            phase.name.clone(),
            phase.steps.to_string(),
            shortest(phase.epochs),
            phase.learning_rate.to_string(),
            first,
            second,
            third,
            fourth,
            phase.examples().to_string(),
        ]);
    }
    let sum = |count: &dyn Fn(&PhaseSummary) -> usize| plan_summary.phases.iter().map(count).sum::<usize>().to_string();
    rows.push([
        "all".into(),
        plan_summary.phases.iter().map(|phase| phase.steps).sum::<u64>().to_string(),
        String::new(),
        String::new(),
        sum(&|phase| phase.stages[0]),
        sum(&|phase| phase.stages[1]),
        sum(&|phase| phase.stages[2]),
        sum(&|phase| phase.stages[3]),
        sum(&|phase| phase.examples()),
    ]);

    let mut shows = vec![["phase", "examples with", "count", "share"].map(str::to_owned)];
    for phase in &plan_summary.phases {
        let context = phase.context.iter().filter_map(|(context, count)| match context {
            ContextKind::Nothing => None,
            ContextKind::Gold => Some(("right answers to earlier questions", *count)),
            ContextKind::Wrong => Some(("a wrong answer to an earlier question", *count)),
            ContextKind::Predicted => Some(("the model's own answers to earlier questions", *count)),
        });
        let blank = (phase.blank > 0).then_some(("blank images", phase.blank));
        for (what, count) in phase.conditions.iter().map(|(kind, count)| (*kind, *count)).chain(context).chain(blank) {
            let share = format!("{:.1} %", 100.0 * count as f64 / phase.examples().max(1) as f64);
            shows.push([phase.name.clone(), what.to_owned(), count.to_string(), share]);
        }
    }
    let shows = match shows.len() {
        1 => "every example is the question as it is stored".to_owned(),
        _ => aligned(&shows),
    };
    let freezing = plan_summary.phases.iter().filter(|phase| phase.freeze != Freeze::default());
    let frozen: String = freezing.map(|phase| format!("\n{} freezes: {}", phase.name, phase.freeze.names())).collect();
    format!("{}{frozen}\n\n{shows}", aligned(&rows))
}

/// Formats a number with at most two decimals.
fn shortest(value: f64) -> String {
    ((value * 100.0).round() / 100.0).to_string()
}
