//! Planned steps with their training examples, for a preview of a run.

use stepwise_data::prompt::ContextKind;

/// One optimiser step of a plan, with its training examples.
#[derive(Clone, Debug)]
pub struct PlannedStep<'a> {
    /// Epoch of the run, from 1.
    pub epoch: usize,
    /// Learning rate of the decoder or, where it is frozen, of the last trainable part before it.
    pub learning_rate: f64,
    /// Training examples of the step, in the order of the batch.
    pub examples: Vec<PlannedExample<'a>>,
}

/// One planned training example: a supervised question and how it differs from the stored one.
#[derive(Clone, Debug)]
pub struct PlannedExample<'a> {
    /// Index of the case in the training data, from 0.
    pub case: usize,
    /// Id of the case.
    pub case_id: &'a str,
    /// Id of the question in the case.
    pub question: &'a str,
    /// Clinical stage, 1 to 4.
    pub stage: u8,
    /// Whether the example is replayed from an earlier phase.
    pub replayed: bool,
    /// Kind of the condition that changes the example, such as `hint_minus`; `None` for the stored question.
    pub condition: Option<&'static str>,
    /// Kind of the answers to earlier questions that are given as context, such as right or wrong ones.
    pub context: ContextKind,
    /// Whether the images are blanked.
    pub is_blank: bool,
}
