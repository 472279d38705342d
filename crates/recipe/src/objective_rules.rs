//! Rules between objectives and the examples that they apply to.

use stepwise_config::section::Section;
use stepwise_objectives::{Objectives, Rejected, View};

use crate::curriculum::{Curriculum, ExampleKeys};
use crate::finetuning::Tuning;

/// Reports objectives that cannot be computed or never apply: of the run where a phase has none of its own, and of phases.
pub(super) fn check(section: &Section<'_>, objective: &Objectives, curriculum: &Curriculum, tuning: &Tuning) {
    for phase in &curriculum.phase {
        let of_phase = phase.objective.as_ref().unwrap_or(objective);
        if let Some((message, help)) = fault(of_phase, &phase.examples, tuning) {
            section.report(None, format!("phase `{}`: {message}", phase.name), help);
        }
    }
}

/// Returns what is wrong with `objectives` in a phase with these examples, and what to do.
fn fault(objectives: &Objectives, examples: &ExampleKeys, tuning: &Tuning) -> Option<(String, &'static str)> {
    let needs = objectives.needs();
    let names: Vec<&str> = objectives.in_use().into_iter().map(|(name, _)| name).collect();
    if (needs.reference || needs.blind) && matches!(tuning, Tuning::Full { .. }) {
        return Some((
            format!("{} compare with the base, which `finetuning_type = \"full\"` changes", names.join(", ")),
            "train an adapter, or use objectives without the base, such as `simpo` or a prior of `counts`",
        ));
    }
    if needs.has(View::Other) && examples.pairs.is_none() {
        return Some((
            "an objective applies to pairs, and there are none".to_owned(),
            "set `pairs = { kind = \"swap\" }` in `[curriculum]`",
        ));
    }
    if needs.has(View::Clean) && examples.augment.is_empty() {
        return Some((
            "`consistency` applies to training examples under a condition, and there is none".to_owned(),
            "set `augment` in `[curriculum]`, as in `augment = { hint_minus = 0.3 }`",
        ));
    }
    let rejects_named = [
        ("unlikelihood", objectives.unlikelihood.is_some()),
        ("dpo", objectives.dpo.is_some_and(|dpo| dpo.objective.rejected == Rejected::Named)),
        ("simpo", objectives.simpo.is_some_and(|simpo| simpo.objective.rejected == Rejected::Named)),
    ];
    let unmet = rejects_named.into_iter().find(|(_, is_used)| *is_used && examples.augment.is_empty());
    let unmet = unmet.map(|(name, _)| {
        let help = "set such a condition in `augment` of `[curriculum]`, as in `augment = { hint_minus = 0.3 }`";
        (format!("`{name}` applies to answers that a condition names, and there is no condition"), help)
    });
    let is_blind = examples.blank_images && (needs.has(View::Masked) || needs.has(View::WithoutImage));
    unmet.or_else(|| {
        is_blind.then(|| {
            let message = "an objective compares images, and `blank_images` blanks them".to_owned();
            (message, "remove one of them")
        })
    })
}
