//! Queries of the benchmark and the responses to them. A model that implements [`Model`] can be evaluated.

use std::sync::Arc;

use image::RgbImage;
use stepwise_data::conversation::Conversation;

/// An image of a query, in one of the two forms in which it is shown to the model.
#[derive(Clone, Debug)]
pub enum QueryImage {
    /// Decoded image, before the model's own pixel pipeline.
    Image(Arc<RgbImage>),
    /// Attacked pixels on the model's input grid: after resizing and tiling, before normalisation, in `0..=1`. The
    /// model must not resize them again.
    Pixels(Arc<PixelGrid>),
}

/// Wraps decoded images as images of a query, in the same order.
pub(crate) fn decoded(images: Vec<Arc<RgbImage>>) -> Vec<QueryImage> {
    images.into_iter().map(QueryImage::Image).collect()
}

/// Pixels on a model's input grid, after resizing and tiling and before normalisation, or derivatives with respect to
/// them.
#[derive(Clone, Debug, PartialEq)]
pub struct PixelGrid {
    /// Shape `[tiles, 3, height, width]`; one tile for an image that is not divided.
    pub shape: Vec<usize>,
    /// Rows and columns of tiles; an overview of the whole image follows as the last tile. `[0, 0]` for an image
    /// of one tile.
    pub cut: [usize; 2],
    /// Feature rows and columns of padding that the model leaves out on each side of the joined tiles; `[0, 0]` without
    /// padding.
    pub margins: [usize; 2],
    /// Row-major values in `0..=1`, or derivatives with respect to them; their number is the product of `shape`.
    pub values: Vec<f32>,
}

impl PixelGrid {
    /// Converts an image into a grid of one tile without resizing: shape `[1, 3, height, width]`, values in `0..=1`, all
    /// red ones first, then green and blue.
    #[must_use]
    pub fn of_image(picture: &RgbImage) -> Self {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let values =
            (0..3).flat_map(|channel| picture.pixels().map(move |pixel| f32::from(pixel.0[channel]) / 255.0)).collect();
        Self { shape: vec![1, 3, height, width], cut: [0, 0], margins: [0, 0], values }
    }

    /// Converts a grid of one tile into an image, with values rounded to 8 bits. None for several tiles, or where shape
    /// and values disagree.
    #[must_use]
    pub fn to_image(&self) -> Option<RgbImage> {
        let &[1, 3, height, width] = self.shape.as_slice() else { return None };
        let area = height * width;
        if self.values.len() != 3 * area {
            return None;
        }
        let byte = |place: usize, channel: usize| (self.values[channel * area + place] * 255.0).round() as u8;
        let bytes = (0..area).flat_map(|place| [0, 1, 2].map(|channel| byte(place, channel))).collect();
        RgbImage::from_raw(width.try_into().ok()?, height.try_into().ok()?, bytes)
    }
}

/// Kind of response that a query requests: scores of given texts, or a generated text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Request {
    /// Log-likelihood of each text as the assistant's whole answer: the text and the end of the turn.
    Options(Vec<String>),
    /// Text generated greedily.
    Generate {
        /// Maximum number of generated tokens.
        max_new_tokens: usize,
    },
}

/// Query to the model: one question of a case under one condition of the suite.
#[derive(Clone, Debug)]
pub struct Query {
    /// Id of the case.
    pub case_id: String,
    /// Id of the item in the case.
    pub item_id: String,
    /// Id of the condition; `clean` is the question as stored.
    pub condition: String,
    /// Conversation that ends with a user turn; its image parts index [`Query::images`].
    pub conversation: Conversation,
    /// Images shown, in the order in which the conversation names them; empty where none is shown.
    pub images: Vec<QueryImage>,
    /// Kind of response requested.
    pub ask: Request,
}

/// Log-likelihood of one option as the whole answer, under the model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OptionLikelihood {
    /// Natural log-likelihood, summed over the tokens of the option and the end of its turn.
    pub loglikelihood: f64,
    /// Number of tokens summed, with the end of the turn.
    pub tokens: usize,
}

/// Response of the model to one query, of the kind that [`Query::ask`] requests.
#[derive(Clone, Debug, PartialEq)]
pub enum Response {
    /// One score per option, in the order of the query.
    Options(Vec<OptionLikelihood>),
    /// Generated text without special tokens.
    Text(String),
    /// No response: the request failed for good. The question is counted as not asked, and never judged.
    Missing,
}

/// Loss that an attack optimises; a larger loss means further from the answer it concerns. An attack raises the loss of
/// the right answer, or lowers the loss of the answer it targets.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Objective {
    /// `max over other options of log p(other) - log p(gold)`, with the log-likelihoods of [`OptionLikelihood`].
    Margin {
        /// The options, as in [`Request::Options`].
        options: Vec<String>,
        /// Index of the right option.
        gold: usize,
    },
    /// Negative log-likelihood of an answer, with the end of its turn.
    Nll {
        /// Text of the answer: the right answer, or the answer that a targeted attack aims at.
        target: String,
    },
}

/// Value of an [`Objective`] and its derivative with respect to the pixels shown, which attacks follow.
#[derive(Clone, Debug, PartialEq)]
pub struct PixelGradient {
    /// Value of the objective.
    pub loss: f64,
    /// Derivative, in the shape of [`Model::pixels`].
    pub gradient: PixelGrid,
}

/// Why a model returned no responses.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The model failed.
    #[error("the model failed: {0}")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The model was asked to stop, and stopped between two answers.
    #[error("the model was asked to stop")]
    Stopped,
}

impl ModelError {
    /// Wraps any error or message as [`ModelError::Failed`].
    pub fn new(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Failed(error.into())
    }
}

/// A model that can be evaluated: it answers queries and, where attacks are made on it, gives pixel gradients.
pub trait Model {
    /// Returns whether [`Model::pixel_gradients`] gives gradients; true by default. Attacks that need gradients are not
    /// made on a model without them, such as a served one, also where it gives a pixel grid.
    fn has_gradients(&self) -> bool {
        true
    }

    /// Answers all queries: returns one response each, in the same order. Queries about one case are adjacent, so that
    /// the shared prefix with the image can be computed once.
    ///
    /// # Errors
    /// [`ModelError::Failed`] when the model fails, [`ModelError::Stopped`] when it was asked to stop. An unusual
    /// answer is a [`Response::Text`] and not an error, and a single request that failed is a [`Response::Missing`].
    fn reply(&mut self, queries: &[Query]) -> Result<Vec<Response>, ModelError>;

    /// Returns the pixels that an attack may change: the query's first image, resized and tiled, before normalisation.
    /// An attack changes each pixel of all tiles and of the overview independently, so it is at least as strong as an
    /// attack on the image before tiling. `None` when the model gives no pixel gradients.
    ///
    /// # Errors
    /// [`ModelError::Failed`] when the model fails, [`ModelError::Stopped`] when it was asked to stop.
    fn pixels(&mut self, query: &Query) -> Result<Option<PixelGrid>, ModelError>;

    /// Returns value and pixel gradient of each objective at the pixels that its query shows, in the same order. The
    /// first image of every query must be [`QueryImage::Pixels`].
    ///
    /// # Errors
    /// [`ModelError::Failed`] when the model fails or gives no pixel gradients, [`ModelError::Stopped`] when it was
    /// asked to stop.
    fn pixel_gradients(&mut self, attacked: &[(Query, Objective)]) -> Result<Vec<PixelGradient>, ModelError>;
}
