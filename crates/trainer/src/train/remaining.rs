//! Benchmarks that a run still has to make.

use stepwise_curriculum::run_plan::RunPlan;

/// Number of benchmarks after `done` steps, with the benchmark of an epoch that has just ended. There is one every
/// `every` epochs and one at the end of each phase.
pub(super) fn benchmarks_left(run_plan: &RunPlan, every: u32, done: u64) -> u64 {
    if done == 0 || done > run_plan.total {
        return due(run_plan, every, 0);
    }
    due(run_plan, every, done - 1)
}

/// Number of benchmarks at the ends of epochs from the epoch of step `from`, counted from 0.
fn due(run_plan: &RunPlan, every: u32, from: u64) -> u64 {
    if from >= run_plan.total {
        return 0;
    }
    let position = run_plan.at(from);
    let mut next = position.epochs_before + 1;
    let mut step = from;
    let mut count = 0;
    while step < run_plan.total {
        let end = run_plan.phase_end(step);
        let last = run_plan.at(end - 1).epochs_before + 1;
        count += (next..=last).filter(|epoch| *epoch == last || epoch.is_multiple_of(every)).count() as u64;
        (next, step) = (last + 1, end);
    }
    count
}
