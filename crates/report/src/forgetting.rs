//! Clean accuracy of every stage after every phase, as a matrix.

use stepwise_benchmark::forgetting::Forgetting;
use stepwise_benchmark::summary::Estimate;

use super::ReportInput;
use super::heat;
use super::markup::points;
use super::section::ReportSection;
use super::stage_curve::NAMES;
use super::table::{Cell, ReportTable};

/// Renders the section `forgetting`: the clean accuracy of every stage after every phase as a matrix, and the backward
/// transfer. `None` for a run without phases and before the end of the first phase.
pub fn section(input: &ReportInput<'_>) -> Option<ReportSection> {
    let forgetting = input.forgetting.filter(|forgetting| !forgetting.phases.is_empty())?;
    let transfer = match forgetting.backward_transfer {
        Some(transfer) => format!("<p class=\"tally\">Backward transfer {} percentage points</p>", points(transfer)),
        None => String::new(),
    };
    Some(ReportSection {
        id: "forgetting",
        title: "Accuracy after each phase",
        intro: "Clean accuracy of every stage after every phase. A frame marks the stages that the phase was trained on; the \
                colour shows the change from the base. Backward transfer is the mean change of a stage's accuracy since the \
                first phase trained on it; below zero, later phases reduced what earlier phases had reached."
            .into(),
        body: matrix(forgetting) + &transfer,
        tables: vec![table(forgetting)],
        half: true,
    })
}

/// Renders the matrix of clean accuracies as markup: a row for the base and each phase, a column for each stage. Cells
/// are tinted by their change from the base, and framed where the phase trained on the stage.
pub fn matrix(forgetting: &Forgetting) -> String {
    let values =
        |accuracy: &[Option<Estimate>; 4]| accuracy.map(|estimate| estimate.and_then(|estimate| estimate.value));
    let base = ("base".to_owned(), Vec::new(), values(&forgetting.base));
    let phases = forgetting.phases.iter();
    let rows = phases.map(|phase| (phase.phase.clone(), phase.stages.clone(), values(&phase.accuracy)));
    heat::stage_matrix("clean accuracy of each stage after each phase", std::iter::once(base).chain(rows).collect())
}

fn table(forgetting: &Forgetting) -> ReportTable {
    let row = |name: &str, step: u64, accuracy: &[Option<Estimate>; 4]| {
        let [first, second, third, fourth] = accuracy.map(Cell::Share);
        [Cell::text(name), Cell::Count(step as usize), first, second, third, fourth]
    };
    let base = row("base", 0, &forgetting.base);
    let rows = forgetting.phases.iter().map(|phase| row(&phase.phase, phase.step, &phase.accuracy));
    ReportTable::new(
        "forgetting",
        "clean accuracy by phase and stage",
        [
            ("after", "after"),
            ("step", "step"),
            ("stage_1", NAMES[0]),
            ("stage_2", NAMES[1]),
            ("stage_3", NAMES[2]),
            ("stage_4", NAMES[3]),
        ],
        std::iter::once(base).chain(rows),
    )
}
