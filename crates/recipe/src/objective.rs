//! Reads `[objective]`.

use stepwise_config::section::Section;
use stepwise_objectives::Objectives;

const ABOUT: &str = "Training objective: the weighted sum of cross-entropy and of losses on the log-likelihoods of answer options, each \
    with a table of its own. Such a loss is averaged over the questions of a step that it applies to. A phase can set an `objective` of its \
    own instead. A weight can have a schedule, as in `{ from = 0.0, to = 0.5 }`: the weight changes linearly from the first to the last \
    step, of the run in `[objective]` and of the phase in the `objective` of a phase. `docs/objectives.md` has the formulas.";

/// Reads the table `objective` of `section`; cross-entropy alone when it is not written. An objective that trains nothing is
/// reported.
pub(super) fn read(section: &mut Section<'_>) -> Objectives {
    let mut table = section.section("objective").about(ABOUT);
    let at = table.at("cross_entropy");
    let objectives = Objectives::read(&mut table);
    if objectives.cross_entropy.is_zero() && objectives.in_use().is_empty() {
        table.report(at.as_ref(), "the objective has no loss, so nothing is trained", "raise a weight");
    }
    table.finish();
    objectives
}

/// Reads the table `objective` of a phase; None when it is not written.
pub(super) fn read_of_phase(section: &mut Section<'_>) -> Option<Objectives> {
    let is_written = section.has("objective");
    let objectives = read(section);
    is_written.then_some(objectives)
}
