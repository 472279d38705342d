//! What the benchmark asks and what it gets back. A model takes part by implementing [`Respondent`].

use std::sync::Arc;

use image::RgbImage;
use stepwise_data::conversation::Conversation;

/// A picture as the respondent is to see it.
#[derive(Clone, Debug)]
pub enum Shown {
    /// A decoded picture that still has to go through the respondent's own pixel pipeline.
    Picture(Arc<RgbImage>),
    /// Pixels already on the respondent's input grid: after resizing and tiling, before normalisation, in `0..=1`.
    /// Only attacks show these; no further resizing may touch them.
    Pixels(Arc<PixelGrid>),
}

/// Pixels on a model's own input grid.
#[derive(Clone, Debug, PartialEq)]
pub struct PixelGrid {
    /// `[tiles, 3, height, width]`.
    pub shape: Vec<usize>,
    /// Rows and columns of tiles that the picture is cut into, whose overview comes last; both 0 where it is one tile.
    pub cut: [usize; 2],
    /// Row-major, as many as `shape` says.
    pub values: Vec<f32>,
}

/// What kind of reply a probe wants.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Ask {
    /// The log-likelihood of each of these, each as the assistant's whole answer.
    Options(Vec<String>),
    /// Greedy generation.
    Generate {
        /// Tokens after which generation stops.
        max_new_tokens: usize,
    },
}

/// One question under one condition.
#[derive(Clone, Debug)]
pub struct Probe {
    /// The case asked about.
    pub case_id: String,
    /// The item of the case.
    pub item_id: String,
    /// Id of the condition, `clean` for the question as it is stored.
    pub condition: String,
    /// Ends with a user turn. Image parts index [`Probe::images`].
    pub conversation: Conversation,
    /// The pictures shown.
    pub images: Vec<Shown>,
    /// What is wanted.
    pub ask: Ask,
}

/// How likely one option is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OptionScore {
    /// Natural logarithm, summed over the option's tokens.
    pub loglikelihood: f64,
    /// How many tokens were summed.
    pub tokens: usize,
}

/// What came back for one probe.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// One score an option, in the order asked.
    Options(Vec<OptionScore>),
    /// The generated words.
    Text(String),
}

/// What an attack drives at. Both are losses: larger means further from the answer they are about. It is raised to drive a
/// reader away from the right answer, and lowered to drive it to another one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Objective {
    /// `max over other options of log p(other) - log p(gold)`, each log-likelihood divided by its token count.
    Margin {
        /// The options, as in [`Ask::Options`].
        options: Vec<String>,
        /// Index of the right one.
        gold: usize,
    },
    /// Mean negative log-likelihood over the tokens of an answer.
    Nll {
        /// Its words: the right answer's, or those a targeted attack drives at.
        target: String,
    },
}

/// The derivative of an objective with respect to the pixels shown.
#[derive(Clone, Debug, PartialEq)]
pub struct PixelGradient {
    /// The objective's value.
    pub loss: f64,
    /// Of the shape of [`Respondent::pixels`].
    pub gradient: PixelGrid,
}

/// Why a respondent did not answer.
#[derive(Debug, thiserror::Error)]
pub enum RespondentError {
    /// It could not.
    #[error("the respondent failed: {0}")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It was asked to stop, and did so between two answers.
    #[error("the respondent was asked to stop")]
    Stopped,
}

impl RespondentError {
    /// Wraps any error or message.
    pub fn new(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Failed(error.into())
    }
}

/// Whatever answers probes.
pub trait Respondent {
    /// Answers all probes: one reply each, in the same order. Probes about one case stand together, so the image prefix
    /// can be shared.
    ///
    /// # Errors
    /// When the respondent itself fails; a strange answer is a [`Reply::Text`], not an error.
    fn reply(&mut self, probes: &[Probe]) -> Result<Vec<Reply>, RespondentError>;

    /// The pixels an attack may change, as this probe would show them: the first picture, resized and tiled, before
    /// normalisation. All its tiles and the overview are moved, each pixel for itself: nobody who changes the picture before
    /// it is tiled can do more. `None` when the respondent cannot be attacked.
    ///
    /// # Errors
    /// When the respondent itself fails.
    fn pixels(&mut self, probe: &Probe) -> Result<Option<PixelGrid>, RespondentError>;

    /// Loss and pixel gradient of each objective at the pixels its probe shows: one each, in the same order. Called only
    /// with probes whose first picture is [`Shown::Pixels`].
    ///
    /// # Errors
    /// When the respondent itself fails.
    fn pixel_gradients(&mut self, attacked: &[(Probe, Objective)]) -> Result<Vec<PixelGradient>, RespondentError>;
}
