//! Steps counted together where there are more of them than a drawing can tell apart.

use super::{PlanInput, PlannedLesson};

/// Most bins of a drawing.
const MOST: usize = 110;

/// Neighbouring steps.
pub struct Bin<'a> {
    /// The first step, from 0.
    pub start: usize,
    /// The step after the last one.
    pub end: usize,
    /// Their lessons.
    pub lessons: Vec<&'a PlannedLesson<'a>>,
}

/// All steps, in bins of equal length but for the last one.
pub fn bins<'a>(input: &PlanInput<'a>) -> Vec<Bin<'a>> {
    let length = input.steps.len().div_ceil(MOST).max(1);
    let bin = |(number, steps): (usize, &'a [super::PlannedStep<'a>])| Bin {
        start: number * length,
        end: number * length + steps.len(),
        lessons: steps.iter().flat_map(|step| &step.lessons).collect(),
    };
    input.steps.chunks(length).enumerate().map(bin).collect()
}
