//! Schedules of the objective's weights: how far they are at an optimiser step.

use stepwise_curriculum::run_plan::StepPosition;
use stepwise_recipe::Recipe;

/// Returns the share of the objective's schedules that is completed at the step at `place`, 0 at the first and 1 at the last
/// step, with `done` completed of `planned` steps of the run. Schedules in the objective of a phase span the phase, schedules
/// in `[objective]` the whole run as planned. A schedule of a single step stays at its beginning.
///
/// # Panics
/// When the recipe has no such phase.
#[must_use]
pub fn schedule_progress(recipe: &Recipe, place: StepPosition, (done, planned): (u64, u64)) -> f64 {
    let (at, of) = match recipe.curriculum.phase[place.phase].objective {
        Some(_) => (place.phase_step, place.phase_total),
        None => (done, planned),
    };
    at as f64 / of.saturating_sub(1).max(1) as f64
}

#[cfg(test)]
mod tests {
    use stepwise_curriculum::run_plan::RunPlan;
    use stepwise_testing::cases::synthetic;
    use stepwise_testing::recipe::recipe_on;

    use super::*;

    const RECIPE: &str = "[train]\ngradient_accumulation_steps = 4\nnum_train_epochs = 2\n\
        [objective]\nsimpo = { weight = { from = 0.0, to = 0.5 } }\n\
        [[curriculum.phase]]\nstages = [1]\n\
        [[curriculum.phase]]\nstages = [2]\nobjective = { cross_entropy = { from = 1, to = 0.25 }, dpo = { weight = { from = 2.0, to = 0.0 } } }\n\
        [[curriculum.phase]]\nstages = [3]\n";

    #[test]
    fn weights_have_their_ends_at_the_first_and_last_step_of_the_run_or_of_the_phase() {
        let recipe = recipe_on(40, RECIPE);
        let run_plan = RunPlan::new(&recipe, &synthetic(40)).expect("a plan");
        assert_eq!(
            (run_plan.total, run_plan.at(19).phase, run_plan.at(20).phase, run_plan.at(40).phase),
            (60, 0, 1, 2)
        );
        let weights = |done: u64| -> Vec<(&str, f64)> {
            let place = run_plan.at(done);
            let progress = schedule_progress(&recipe, place, (done, run_plan.planned));
            let weights = recipe.objective_of(place.phase).weights();
            weights.into_iter().map(|(name, weight)| (name, weight.at(progress))).collect()
        };
        let near = |done: u64, expected: &[(&str, f64)]| {
            let found = weights(done);
            let is_near = |((name, weight), (other, expected)): (&(&str, f64), &(&str, f64))| {
                name == other && (weight - expected).abs() < 1e-12
            };
            assert!(found.len() == expected.len() && found.iter().zip(expected).all(is_near), "step {done}: {found:?}");
        };
        // The schedule of `[objective]` goes on while a phase has an objective of its own.
        near(0, &[("cross_entropy", 1.0), ("simpo", 0.0)]);
        near(19, &[("cross_entropy", 1.0), ("simpo", 0.5 * 19.0 / 59.0)]);
        near(40, &[("cross_entropy", 1.0), ("simpo", 0.5 * 40.0 / 59.0)]);
        near(59, &[("cross_entropy", 1.0), ("simpo", 0.5)]);
        near(20, &[("cross_entropy", 1.0), ("dpo", 2.0)]);
        near(29, &[("cross_entropy", 1.0 - 0.75 * 9.0 / 19.0), ("dpo", 2.0 * 10.0 / 19.0)]);
        near(39, &[("cross_entropy", 0.25), ("dpo", 0.0)]);
    }

    #[test]
    fn an_earlier_end_of_a_phase_leaves_the_schedule_of_the_run_at_its_steps() {
        let recipe = recipe_on(40, RECIPE);
        let mut run_plan = RunPlan::new(&recipe, &synthetic(40)).expect("a plan");
        run_plan.cut(0, 10);
        assert_eq!((run_plan.at(10).phase, run_plan.at(30).phase, run_plan.planned), (1, 2, 60));
        let progress = |done: u64| schedule_progress(&recipe, run_plan.at(done), (done, run_plan.planned));
        assert_eq!((progress(10), progress(29), progress(30)), (0.0, 1.0, 30.0 / 59.0));
    }
}
