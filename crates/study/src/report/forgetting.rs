//! Clean accuracy of every stage after every phase of each arm, as means over seeds.

use std::fmt::Write;

use stepwise_benchmark::forgetting::Forgetting;
use stepwise_benchmark::summary::Estimate;
use stepwise_report::heat;
use stepwise_report::markup::{breakable, points};
use stepwise_report::section::ReportSection;
use stepwise_report::stage_curve::NAMES;
use stepwise_report::table::{Cell, ReportTable};

use super::input::StudyInput;
use crate::summary::ArmRuns;

/// Row of a matrix: name of the phase, stages that it trained on, and mean accuracy of each stage.
type Row = (String, Vec<u8>, [Option<f64>; 4]);

/// Renders the section `forgetting`: the clean accuracy of every stage after every phase, as means over seeds, with one
/// matrix per arm, and the backward transfer. `None` where no run recorded its phases.
pub fn section(input: &StudyInput<'_>) -> Option<ReportSection> {
    let arms: Vec<(&ArmRuns, Vec<Row>)> =
        input.runs.arms.iter().map(|arm| (arm, rows(arm))).filter(|(_, rows)| !rows.is_empty()).collect();
    if arms.is_empty() {
        return None;
    }
    let mut panels = String::new();
    for (arm, rows) in &arms {
        let drawn = heat::stage_matrix(&format!("clean accuracy by phase and stage, {}", arm.name), rows.clone());
        let transfer = transfers(arm);
        let words = match mean(&transfer) {
            Some(value) => {
                let each: Vec<String> = transfer.iter().flatten().map(|value| points(*value)).collect();
                format!("backward transfer {} percentage points ({})", points(value), each.join(", "))
            }
            None => "backward transfer is not defined: no stage was trained on before the last phase".to_owned(),
        };
        let _ = write!(
            panels,
            "<div><h3 class=\"panel\">{}</h3>{drawn}<p class=\"about\">{words}</p></div>",
            breakable(&arm.name)
        );
    }
    let table = arms.iter().flat_map(|(arm, rows)| {
        rows.iter().map(|(name, _, accuracy)| {
            let share =
                |value: Option<f64>| Cell::Share(Some(Estimate { value, n: arm.runs.len(), ..Estimate::default() }));
            let [first, second, third, fourth] = accuracy.map(share);
            [Cell::text(arm.name.as_str()), Cell::text(name.as_str()), first, second, third, fourth]
        })
    });
    Some(ReportSection {
        id: "forgetting",
        title: "Accuracy after each phase",
        intro: "Clean accuracy of every stage after every phase, as the mean over seeds. A frame marks the stages that the phase was \
                trained on; the colour shows the change from the base. Backward transfer is the mean change of a stage's accuracy \
                since the first phase trained on it; brackets hold the value of each seed. Denominators in the table count seeds."
            .into(),
        body: format!("<div class=\"panels\">{panels}</div>"),
        tables: vec![ReportTable::new(
            "forgetting",
            "clean accuracy by arm, phase and stage",
            [
                ("arm", "arm"),
                ("after", "after"),
                ("stage_1", NAMES[0]),
                ("stage_2", NAMES[1]),
                ("stage_3", NAMES[2]),
                ("stage_4", NAMES[3]),
            ],
            table,
        )],
        half: false,
    })
}

fn ledgers(arm: &ArmRuns) -> Vec<&Forgetting> {
    arm.runs.iter().filter_map(|run| run.forgetting.as_ref()).collect()
}

fn transfers(arm: &ArmRuns) -> Vec<Option<f64>> {
    ledgers(arm).into_iter().map(|forgetting| forgetting.backward_transfer).collect()
}

/// Returns the rows of the base and of every phase that all seeds have. Where the seeds differ in a phase, as with a
/// random order of stages, the row is named by the phase's number and has no frames.
fn rows(arm: &ArmRuns) -> Vec<Row> {
    let ledgers = ledgers(arm);
    let phases = ledgers.iter().map(|ledger| ledger.phases.len()).min().unwrap_or_default();
    if phases == 0 {
        return Vec::new();
    }
    let means = |of: &dyn Fn(&Forgetting) -> [Option<Estimate>; 4]| {
        [0, 1, 2, 3].map(|stage| {
            let values: Vec<Option<f64>> =
                ledgers.iter().map(|ledger| of(ledger)[stage].and_then(|estimate| estimate.value)).collect();
            mean(&values)
        })
    };
    let mut rows = vec![("base".to_owned(), Vec::new(), means(&|ledger| ledger.base))];
    for place in 0..phases {
        let first = &ledgers[0].phases[place];
        let same = ledgers.iter().all(|ledger| ledger.phases[place].phase == first.phase);
        let (name, stages) = if same {
            (first.phase.clone(), first.stages.clone())
        } else {
            (format!("phase {}", place + 1), Vec::new())
        };
        rows.push((name, stages, means(&|ledger| ledger.phases[place].accuracy)));
    }
    rows
}

fn mean(values: &[Option<f64>]) -> Option<f64> {
    let sum = values.iter().copied().sum::<Option<f64>>()?;
    (!values.is_empty()).then(|| sum / values.len() as f64)
}
