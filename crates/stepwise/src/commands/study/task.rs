//! Runs one task in this process, after claiming it.

use stepwise_study::task::TaskStatus;
use stepwise_study::waiting::{WaitError, WaitEvent, wait_for_claim};
use stepwise_study::{Study, Task};
use stepwise_trainer::interrupt::Interrupt;
use stepwise_trainer::train::{PreparedRun, TrainOptions};

use super::clock;
use crate::device;
use crate::exit::{CommandResult, Failure};
use crate::lost_claim::leave;
use crate::progress::ConsoleProgress;

/// Claims `task` of `study`, starts or resumes its run, and records that it is finished. Does nothing if it is finished
/// already. `device` is a name as in [`device::choose`]. If another process holds the claim, waits
/// until the claim is released or stale; with `no_wait`, fails at once.
///
/// # Errors
///
/// [`Failure::Held`] when another process runs the task, [`Failure::Interrupted`] when the user interrupts the wait or
/// the run, [`Failure::Input`] for an invalid device, and [`Failure::Run`] when the status or the claim cannot be read
/// or written, or the run fails.
pub fn run(study: &Study, task: &Task, device: Option<&str>, no_wait: bool) -> CommandResult {
    let name = study.task_name(task);
    if is_finished(task, &name)? {
        return Ok(());
    }
    let interrupt =
        Interrupt::listen(|| tell!("\nfinishing the step and saving; again to leave at once")).map_err(Failure::run)?;
    let claim =
        wait_for_claim(task, no_wait, &interrupt, &mut |event| show(&name, &event), leave(&name)).map_err(|error| {
            match error {
                WaitError::Claim(_) => Failure::run(error),
                WaitError::Held(_) => Failure::Held(format!("{name}: {error}")),
                WaitError::Interrupted => Failure::Interrupted,
            }
        })?;
    // The previous holder may have finished the task in the meantime.
    if is_finished(task, &name)? {
        return Ok(());
    }
    let chosen = device::choose(device)?;
    let base_answers = study.base_answers(task);
    let options = TrainOptions {
        recipe: &task.recipe,
        recipe_text: &study.base_text,
        device: chosen.device,
        device_name: &chosen.name,
        adapter: chosen.adapter.as_ref(),
        resume: true,
        base_answers: base_answers.as_deref(),
        render: stepwise_report::render,
        leaks: study.leaks,
    };
    let mut progress = ConsoleProgress::new("loading cases and model");
    let prepared = PreparedRun::new(&options, &mut progress).map_err(Failure::run)?;
    if let Some(preflight) = prepared.preflight() {
        progress.preflight(preflight);
    }
    let finished = prepared.train(&mut progress, &interrupt).map_err(Failure::run)?;
    if finished.interrupted {
        tell!("{name}: interrupted after step {}; run the same command again to continue", finished.global_step);
        return Err(Failure::Interrupted);
    }
    task.finish(finished.global_step).map_err(Failure::run)?;
    drop(claim);
    tell!("{name}: finished after step {}", finished.global_step);
    Ok(())
}

fn is_finished(task: &Task, name: &str) -> Result<bool, Failure> {
    let finished = task.status().map_err(Failure::run)? == TaskStatus::Finished;
    if finished {
        tell!("{name}: finished before");
    }
    Ok(finished)
}

fn show(name: &str, event: &WaitEvent<'_>) {
    match event {
        WaitEvent::TakenOver { holder } => tell!("{name}: left behind by {holder}, taken over"),
        WaitEvent::Held { holder, waited, left } => tell!(
            "{name}: is being run by {holder}; waited {}, taken over after {} without a sign of life",
            clock(*waited),
            clock(*left)
        ),
    }
}
