//! Runs one task in this process, as soon as no other process runs it.

use std::time::{Duration, Instant};

use stepwise_study::claim::{self, BEAT, Claim, Claimed, SILENCE};
use stepwise_study::holder::Holder;
use stepwise_study::task::TaskStatus;
use stepwise_study::{Study, Task};
use stepwise_trainer::interrupt::Interrupt;
use stepwise_trainer::train::{PreparedRun, TrainOptions};

use super::{claim_failed, clock, holder_name};
use crate::device;
use crate::exit::{self, CommandResult, Failure};
use crate::progress::Shown;

/// Interval between attempts to take the claim of another process.
const LOOK: Duration = Duration::from_secs(1);

/// Interval between lines on the waiting time.
const LINE: Duration = Duration::from_secs(60);

/// Claims the task, starts or resumes its run, and records that it is finished.
///
/// # Errors
///
/// [`Failure::Held`] when another process runs the task, [`Failure::Interrupted`] when the user interrupts the run,
/// [`Failure::Input`] for an invalid device, and [`Failure::Run`] when the run fails.
pub fn run(study: &Study, task: &Task, device: Option<&str>, no_wait: bool) -> CommandResult {
    let name = super::name(study, task);
    if is_finished(task, &name)? {
        return Ok(());
    }
    let interrupt =
        Interrupt::listen(|| tell!("\nfinishing the step and saving; again to leave at once")).map_err(Failure::run)?;
    let claim = claimed(task, &name, no_wait, &interrupt)?;
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
        resume: true,
        base_answers: base_answers.as_deref(),
    };
    let mut shown = Shown::new();
    let prepared = PreparedRun::new(&options, &mut shown).map_err(Failure::run)?;
    if let Some(preflight) = prepared.preflight() {
        shown.preflight(preflight);
    }
    let finished = prepared.train(&mut shown, &interrupt).map_err(Failure::run)?;
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
    let finished = task.stage().map_err(Failure::run)? == TaskStatus::Finished;
    if finished {
        tell!("{name}: finished before");
    }
    Ok(finished)
}

/// Takes the claim of a task. If another process holds the claim, the function waits until the claim is released or
/// stale, or until that process is known to be alive. A failed node leaves a claim that no process touches; the wait
/// lets a requeued task take it over once it is stale.
fn claimed(task: &Task, name: &str, no_wait: bool, interrupt: &Interrupt) -> Result<Claim, Failure> {
    let (began, mut said) = (Instant::now(), None::<Instant>);
    loop {
        match claim::claim(&task.claim(), leave(name)).map_err(|error| claim_failed(task, &error))? {
            Claimed::Ours { claim, stale } => {
                if let Some(holder) = stale {
                    tell!("{name}: left behind by {}, taken over", holder_name(&holder));
                }
                return Ok(claim);
            }
            Claimed::Theirs { holder, untouched } => {
                let who = holder_name(&holder);
                if no_wait || is_known_to_live(began.elapsed(), untouched) {
                    let advice = "wait for that process, or end it first";
                    return Err(Failure::Held(format!("{name}: is being run by {who} -> {advice}")));
                }
                if said.is_none_or(|said| said.elapsed() > LINE) {
                    let (waited, left) = (clock(began.elapsed()), clock(SILENCE.saturating_sub(untouched)));
                    tell!(
                        "{name}: is being run by {who}; waited {waited}, taken over after {left} without a sign of life"
                    );
                    said = Some(Instant::now());
                }
            }
        }
        std::thread::sleep(LOOK);
        if interrupt.requested() {
            return Err(Failure::Interrupted);
        }
    }
}

/// Returns whether the holder counts as alive: after a wait longer than [`SILENCE`], its claim was touched recently.
/// After twice [`SILENCE`] the wait ends in any case, because a suspended process touches its claim no more but is not
/// stale either.
fn is_known_to_live(waited: Duration, untouched: Duration) -> bool {
    (waited > SILENCE && untouched < 3 * BEAT) || waited > 2 * SILENCE
}

/// Returns the action for a lost claim: exit at once with code [`exit::HELD`], because another process
/// continues the run from its last checkpoint. Checkpoints are renamed into place, so that an exit at any
/// moment leaves none half-written.
fn leave(name: &str) -> impl FnOnce(Option<Holder>) + Send + 'static {
    let name = name.to_owned();
    move |taker| {
        let why = taker.map_or("the claim was removed".to_owned(), |taker| {
            format!(
                "{} has taken the task over, because this process did not touch its claim for too long",
                holder_name(&taker)
            )
        });
        tell!(
            "error: {name}: {why} -> no action is needed if the other process runs; this process writes nothing more"
        );
        std::process::exit(exit::HELD.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_silent_are_waited_for_and_the_living_are_not_for_ever() {
        let second = Duration::from_secs(1);
        assert!(!is_known_to_live(Duration::ZERO, Duration::ZERO), "the holder may be about to end");
        assert!(!is_known_to_live(SILENCE, second));
        assert!(is_known_to_live(SILENCE + second, BEAT));
        // A holder that was killed during the wait is silent, but not yet for long enough.
        assert!(!is_known_to_live(SILENCE + second, SILENCE / 2));
        assert!(is_known_to_live(2 * SILENCE + second, SILENCE * 2));
    }
}
