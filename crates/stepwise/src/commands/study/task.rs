//! Runs one task in this process, once no other runs it.

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

/// How often somebody else's claim is asked for again.
const LOOK: Duration = Duration::from_secs(1);

/// How often a line says how long it has been waited for.
const LINE: Duration = Duration::from_secs(60);

/// Claims the task, goes on where it was left, and notes that it is done.
pub fn run(study: &Study, task: &Task, device: Option<&str>, no_wait: bool) -> CommandResult {
    let name = super::name(study, task);
    if is_finished(task, &name)? {
        return Ok(());
    }
    let interrupt =
        Interrupt::listen(|| tell!("\nfinishing the step and saving; again to leave at once")).map_err(Failure::run)?;
    let claim = claimed(task, &name, no_wait, &interrupt)?;
    // Whoever held it until now may have finished it.
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
        tell!("{name}: interrupted after step {}; the same command goes on", finished.global_step);
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

/// The claim of a task. Where another process holds it, it is waited for until it is given back or stale, or that process is known
/// to live: a node that failed leaves a claim that nobody touches, and its task is started anew at once.
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
                    let advice = "leave it to that, or end that first";
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

/// Whether a holder that was waited for lives: after as long as makes a claim stale it still touches its own. One whose process
/// is there but stopped never does, and is not waited for without end.
fn is_known_to_live(waited: Duration, untouched: Duration) -> bool {
    (waited > SILENCE && untouched < 3 * BEAT) || waited > 2 * SILENCE
}

/// What is done once the claim is lost: another process goes on with the run from its last checkpoint, so nothing is written
/// any more. Checkpoints are renamed into place, so leaving at any moment tears none.
fn leave(name: &str) -> impl FnOnce(Option<Holder>) + Send + 'static {
    let name = name.to_owned();
    move |taker| {
        let why = taker.map_or("its claim was removed".to_owned(), |taker| {
            format!("{} has taken it over, as this process was silent for too long", holder_name(&taker))
        });
        tell!("error: {name}: {why} -> leave it to whoever runs it now; nothing more is written from here");
        std::process::exit(exit::HELD.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_silent_are_waited_for_and_the_living_are_not_for_ever() {
        let second = Duration::from_secs(1);
        assert!(!is_known_to_live(Duration::ZERO, Duration::ZERO), "it may be ending");
        assert!(!is_known_to_live(SILENCE, second));
        assert!(is_known_to_live(SILENCE + second, BEAT));
        // One that was killed while it was waited for is silent, but not yet for long enough.
        assert!(!is_known_to_live(SILENCE + second, SILENCE / 2));
        assert!(is_known_to_live(2 * SILENCE + second, SILENCE * 2));
    }
}
