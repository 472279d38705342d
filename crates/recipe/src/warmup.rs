//! Reads `warmup_steps` and `warmup_ratio`, for the run and for single phases.

use stepwise_config::problem::Location;
use stepwise_config::section::Section;

use crate::lr_schedule::{LrScheduler, Warmup};

/// Reads the warm-up and returns it with its position; None when neither key is written. Two keys in one source are
/// reported; of two keys in different sources the later source counts: a `--set` argument replaces the file. `usual`
/// describes the defaults of `warmup_steps` and `warmup_ratio`.
pub(super) fn read(section: &mut Section<'_>, usual: [&'static str; 2]) -> Option<(Warmup, Location)> {
    let (steps_at, ratio_at) = (section.at("warmup_steps"), section.at("warmup_ratio"));
    let steps = section.integer_or(
        "warmup_steps",
        Some(usual[0]),
        0..,
        "Optimiser steps in which the learning rate rises linearly from 0. A schedule of a single step has no warm-up.",
    );
    let ratio = section.float_or(
        "warmup_ratio",
        Some(usual[1]),
        0.0..1.0,
        "Warm-up as a share of the schedule's steps: of the phase, or of the whole run with `lr_schedule_per_phase = false`.",
    );
    if let Some(at) = section.rivals(steps_at.as_ref(), ratio_at.as_ref()) {
        section.report(Some(&at), "`warmup_steps` and `warmup_ratio` are both given", "keep one of them");
    }
    let later = |at: &Option<Location>| at.as_ref().map(|at| at.source);
    let steps = steps.filter(|_| later(&steps_at) >= later(&ratio_at));
    let warmup = steps.map(Warmup::Steps).or(ratio.map(Warmup::Ratio))?;
    let at = if matches!(warmup, Warmup::Steps(_)) { steps_at } else { ratio_at };
    Some((warmup, at?))
}

/// Reports a warm-up above 0, written at `at`, with the schedule `constant`, which has none. Does nothing for other
/// schedules.
pub(super) fn check(section: &Section<'_>, shape: LrScheduler, warmup: Warmup, at: &Location) {
    if shape == LrScheduler::Constant && warmup.steps(u64::from(u32::MAX)) > 0 {
        section.report(
            Some(at),
            "the schedule `constant` has no warm-up",
            "set `lr_scheduler_type = \"constant_with_warmup\"`, or remove the warm-up",
        );
    }
}

/// Reads the warm-up of a phase with the schedule `shape`; None when the phase uses the warm-up of `[train]`. With
/// `lr_schedule_per_phase` false one schedule spans the run, and a warm-up of a phase is reported as an error, as is
/// one that fills the `max_steps` of the phase.
pub(super) fn read_of_phase(
    section: &mut Section<'_>,
    shape: LrScheduler,
    lr_schedule_per_phase: bool,
    max_steps: Option<u64>,
) -> Option<Warmup> {
    const USUAL: &str = "as in `[train]`";
    let (warmup, at) = read(section, [USUAL, USUAL])?;
    if !lr_schedule_per_phase {
        section.report(
            Some(&at),
            "the warm-up of a phase has no effect where one schedule spans the run",
            "set `lr_schedule_per_phase = true` in `[curriculum]`, or write the warm-up in `[train]`",
        );
    }
    check(section, shape, warmup, &at);
    if let (Warmup::Steps(steps), Some(max_steps)) = (warmup, max_steps)
        && steps >= max_steps
    {
        section.report(
            Some(&at),
            format!("the phase ends after {max_steps} steps, within the {steps} steps of warm-up"),
            "lower `warmup_steps` or raise `max_steps`",
        );
    }
    Some(warmup)
}
