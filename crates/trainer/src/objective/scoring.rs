//! What the objectives need of a training example besides its supervised answer.

use std::sync::Arc;

use stepwise_data::conversation::Conversation;
use stepwise_objectives::{Objectives, View};
use stepwise_vlm::batch::EncodableExample;

/// Objectives of a training example, in a phase whose objective is not cross-entropy alone.
#[derive(Clone, Debug)]
pub struct Scoring {
    /// Objectives of the phase.
    pub objectives: Arc<Objectives>,
    /// Options to score; None for a question without a closed set of options or with several right ones, which only
    /// cross-entropy trains.
    pub options: Option<OptionsToScore>,
}

/// A question whose options are scored.
#[derive(Clone, Debug)]
pub struct OptionsToScore {
    /// Conversation of the training example without the answer.
    pub question: Conversation,
    /// Texts of the options, in the order shown.
    pub texts: Vec<String>,
    /// Index of the right option.
    pub gold: usize,
    /// Index of the wrong option that the condition names; None if it names none.
    pub named: Option<usize>,
    /// The other training example of a pair; None outside pairs.
    pub partner: Option<Partner>,
    /// Further views of the question that an objective of the phase needs, each with its example, which ends before the
    /// answer, and with the texts of the same options in the same order.
    pub views: Vec<(View, EncodableExample, Vec<String>)>,
    /// Log-probability of each option by answer counts of the training cases, in nats; None where no objective needs it.
    pub counts: Option<Vec<f64>>,
}

/// The other training example of a pair, which is a neighbour in the micro-batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partner {
    /// Whether the partner comes first.
    pub is_before: bool,
    /// Index of the option that is right on the partner's image.
    pub gold: usize,
}
