//! Groups neighbouring steps into bins where a plan has more steps than a chart can show.

use stepwise_curriculum::planned::{PlannedExample, PlannedStep};

use super::input::PlanInput;

/// Maximum number of bins.
const MOST: usize = 110;

/// Range of neighbouring steps, which a chart shows as one.
pub struct Bin<'a> {
    /// Index of the first step, from 0.
    pub start: usize,
    /// Index of the step after the last one.
    pub end: usize,
    /// Training examples of these steps, in their order.
    pub examples: Vec<&'a PlannedExample<'a>>,
}

/// Divides all steps of `input` into at most 110 bins of equal length, so that a chart can show them; the last bin may
/// be shorter. Empty without steps.
pub fn bins<'a>(input: &PlanInput<'a>) -> Vec<Bin<'a>> {
    let length = input.steps.len().div_ceil(MOST).max(1);
    let bin = |(number, steps): (usize, &'a [PlannedStep<'a>])| Bin {
        start: number * length,
        end: number * length + steps.len(),
        examples: steps.iter().flat_map(|step| &step.examples).collect(),
    };
    input.steps.chunks(length).enumerate().map(bin).collect()
}
