//! Benchmarks that a run still has to make.

use stepwise_curriculum::run_plan::RunPlan;

/// Returns the number of benchmarks left after `done` steps, with the benchmark of an epoch that has just ended. There
/// is one every `every` epochs and one at the end of each phase.
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

#[cfg(test)]
mod tests {
    use stepwise_testing::cases::synthetic;
    use stepwise_testing::recipe::recipe_on;

    use super::*;

    #[test]
    fn benchmarks_follow_every_second_epoch_and_every_phase() {
        let phases = "[train]\nper_device_train_batch_size = 2\ngradient_accumulation_steps = 1\n\
            [[curriculum.phase]]\nstages = [1, 2]\nnum_train_epochs = 3\n\
            [[curriculum.phase]]\nstages = [3, 4]\nnum_train_epochs = 2\n";
        let recipe = recipe_on(6, phases);
        let run_plan = RunPlan::new(&recipe, &synthetic(6)).expect("a plan");
        // Epochs 2, 3 (end of the phase), 4 and 5 (end of the run).
        assert_eq!(benchmarks_left(&run_plan, 2, 0), 4);
        assert_eq!(benchmarks_left(&run_plan, 1, 0), 5);
        let first = run_plan.phase_end(0);
        let epoch = first / 3;
        assert_eq!(benchmarks_left(&run_plan, 2, epoch), 4, "no benchmark is due after epoch 1");
        assert_eq!(benchmarks_left(&run_plan, 2, 2 * epoch), 4, "the benchmark of epoch 2 is still to come");
        assert_eq!(benchmarks_left(&run_plan, 2, 2 * epoch + 1), 3);
        assert_eq!(benchmarks_left(&run_plan, 2, run_plan.total), 1);
    }
}
