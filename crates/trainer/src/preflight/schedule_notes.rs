//! Notes on learning-rate schedules that are hardly longer than their warm-up.

use stepwise_curriculum::run_plan::RunPlan;
use stepwise_recipe::Recipe;
use stepwise_recipe::lr_schedule::{LrScheduler, Warmup};

use crate::optim::part_rates::Rates;

/// A learning-rate schedule of a run.
struct Schedule<'a> {
    /// Name of the phase, or "the run".
    name: &'a str,
    warmup: Warmup,
    /// Number of steps.
    steps: u64,
}

/// Schedules with a warm-up, as `run_plan` stands: one for each phase that gets steps, or one for the run.
fn warmed<'a>(recipe: &'a Recipe, run_plan: &RunPlan) -> Vec<Schedule<'a>> {
    let mut schedules = Vec::new();
    if recipe.curriculum.lr_schedule_per_phase {
        for (index, phase) in recipe.curriculum.phase.iter().enumerate() {
            let (warmup, steps) = (phase.warmup.unwrap_or(recipe.train.warmup), run_plan.beginning(index).phase_total);
            schedules.push(Schedule { name: &phase.name, warmup, steps });
        }
    } else {
        schedules.push(Schedule { name: "the run", warmup: recipe.train.warmup, steps: run_plan.planned });
    }
    let has_warmup = |warmup| !matches!(warmup, Warmup::Steps(0) | Warmup::Ratio(0.0));
    schedules.retain(|schedule| {
        recipe.train.lr_scheduler_type != LrScheduler::Constant && schedule.steps > 0 && has_warmup(schedule.warmup)
    });
    schedules
}

/// Says which schedules have no warm-up because they have a single step. `None` if there are none.
#[must_use]
pub fn single_steps(recipe: &Recipe, run_plan: &RunPlan) -> Option<String> {
    let schedules = warmed(recipe, run_plan);
    let names: Vec<&str> = schedules.iter().filter(|one| one.steps == 1).map(|one| one.name).collect();
    (!names.is_empty()).then(|| {
        let names = names.join(", ");
        format!("{names}: a schedule of a single step has no warm-up; the step has the peak learning rate")
    })
}

/// Warnings about schedules that end within their warm-up, and about epochs whose learning rate is 0.
#[must_use]
pub fn warnings(recipe: &Recipe, run_plan: &RunPlan) -> Vec<String> {
    let schedules = warmed(recipe, run_plan);
    let unfinished = schedules.iter().filter(|one| one.warmup.steps(one.steps) >= one.steps && one.steps > 1);
    let mut warnings: Vec<String> = unfinished
        .map(|Schedule { name, steps, .. }| {
            format!(
                "{name}: all {steps} steps are warm-up, so the learning rate stays below its peak -> lower \
                 `warmup_steps` or `warmup_ratio`, or train more steps"
            )
        })
        .collect();
    let mut epoch = 0..0;
    for done in 0..run_plan.total {
        let place = run_plan.at(done);
        epoch.end = done + 1;
        if !place.ends_epoch {
            continue;
        }
        if !Rates::train_within(recipe, run_plan, epoch.clone()) {
            let (number, phase) = (place.epochs_before + 1, &recipe.curriculum.phase[place.phase].name);
            warnings.push(format!(
                "epoch {number} ({phase}) trains nothing: its only step is the begin of the warm-up, where the learning \
                 rate is 0 -> set `warmup_steps = 0`, or use smaller batches, so that an epoch has more steps"
            ));
        }
        epoch.start = done + 1;
    }
    warnings
}

/// Returns all notes and warnings about the schedule of a run, warnings first; empty if there is nothing to note.
#[must_use]
pub fn all(recipe: &Recipe, run_plan: &RunPlan) -> Vec<String> {
    warnings(recipe, run_plan).into_iter().chain(single_steps(recipe, run_plan)).collect()
}

#[cfg(test)]
mod tests {
    use stepwise_testing::cases::synthetic;
    use stepwise_testing::recipe::recipe_on;

    use super::*;

    /// Learning rates of all steps in units of the peak, the note on single steps and the warnings.
    fn planned(lines: &str) -> (Vec<f64>, Option<String>, Vec<String>) {
        let small = "[train]\nper_device_train_batch_size = 1\ngradient_accumulation_steps = 1\n";
        let lines = if lines.contains(WHOLE) { lines.to_owned() } else { lines.replacen("[train]\n", small, 1) };
        let recipe = recipe_on(8, &lines);
        let run_plan = RunPlan::new(&recipe, &synthetic(8)).expect("a run plan");
        let rate = |done| Rates::at(&recipe, run_plan.at(done), (done, run_plan.planned)).decoder;
        let peak = recipe.train.learning_rate;
        let rates = (0..run_plan.total).map(|done| (rate(done) / peak * 1000.0).round() / 1000.0).collect();
        (rates, single_steps(&recipe, &run_plan), warnings(&recipe, &run_plan))
    }

    const WHOLE: &str = "gradient_accumulation_steps = 8\nper_device_train_batch_size = 1\n";

    #[test]
    fn a_run_of_one_step_trains_at_the_peak_and_says_so() {
        for keys in ["", "warmup_ratio = 0.9\n", "lr_scheduler_type = \"linear\"\n"] {
            let (rates, single, warnings) = planned(&format!("[train]\nmax_steps = 1\n{keys}"));
            assert_eq!((rates, warnings), (vec![1.0], vec![]), "{keys}");
            assert!(single.expect("a note").contains("s1234: a schedule of a single step has no warm-up"), "{keys}");
        }
        for keys in ["warmup_steps = 0\n", "warmup_ratio = 0.0\n", "lr_scheduler_type = \"constant\"\n"] {
            let planned = planned(&format!("[train]\nmax_steps = 1\n{keys}"));
            assert_eq!(planned, (vec![1.0], None, vec![]), "{keys}");
        }
        let (rates, single, _) =
            planned("[train]\nmax_steps = 1\n[curriculum]\nlr_schedule_per_phase = false\norder = [1]\n");
        assert_eq!(rates, [1.0]);
        assert!(single.expect("a note").starts_with("the run: "));
    }

    #[test]
    fn phases_of_one_and_two_steps_train_with_a_schedule_of_their_own() {
        let phases = "[[curriculum.phase]]\nstages = [1]\nmax_steps = 1\n[[curriculum.phase]]\nstages = [2]\nmax_steps = 2\n\
            [[curriculum.phase]]\nstages = [3]\nmax_steps = 1\n";
        let (rates, single, warnings) = planned(&format!("[train]\n{phases}"));
        assert_eq!((rates, warnings), (vec![1.0, 0.0, 1.0, 1.0], vec![]));
        assert!(single.expect("a note").starts_with("s1, s3: "));
        let (rates, single, warnings) = planned("[train]\nmax_steps = 4\n[curriculum]\norder = \"stepwise\"\n");
        assert_eq!((rates, warnings.len()), (vec![1.0; 4], 0));
        assert!(single.expect("a note").starts_with("s1, s2, s3, s4: "));
        // `max_steps` leaves one step to the second phase.
        let cut = "[train]\nmax_steps = 3\n[[curriculum.phase]]\nstages = [1]\nmax_steps = 2\n[[curriculum.phase]]\nstages = [2]\n";
        assert_eq!(planned(cut).0, [0.0, 1.0, 1.0]);
    }

    #[test]
    fn epochs_without_a_learning_rate_and_unfinished_warm_ups_are_named() {
        let (rates, single, warnings) = planned(&format!("[train]\n{WHOLE}num_train_epochs = 3\n"));
        assert_eq!((rates, single), (vec![0.0, 1.0, 0.5], None));
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].starts_with("epoch 1 (s1234) trains nothing: "), "{warnings:?}");
        let (_, _, warnings) =
            planned("[train]\nmax_steps = 4\n[curriculum]\nlr_schedule_per_phase = false\norder = \"stepwise\"\n");
        assert!(warnings.len() == 1 && warnings[0].starts_with("epoch 1 (s1) trains nothing"), "{warnings:?}");
        let (rates, _, warnings) = planned("[train]\nmax_steps = 4\nwarmup_ratio = 0.9\n");
        assert_eq!(rates, [0.0, 0.25, 0.5, 0.75]);
        assert!(warnings.len() == 1 && warnings[0].starts_with("s1234: all 4 steps are warm-up"), "{warnings:?}");
    }
}
