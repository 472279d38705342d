//! Connector between image encoder and decoder: pixel shuffle and one linear projection to the decoder's width.

use burn::tensor::Tensor;

use crate::encoder::EncoderShape;
use crate::nn::layers::Linear;
use crate::nn::parameter::{ParameterVisitor, Pass};
use crate::nn::source::{Source, WeightError};
use crate::pixel_shuffle::pixel_shuffle;

/// Connector between image encoder and decoder.
#[derive(Clone, Debug)]
pub(crate) struct Connector {
    /// Linear layer from `scale * scale` joined patches to the decoder's width.
    pub projection: Linear,
    /// Side of the square of neighbouring patches that pixel shuffle joins to one feature.
    scale: usize,
}

impl Connector {
    /// Reads the connector's weights from `source`.
    ///
    /// # Errors
    /// When a tensor is missing, cannot be read, or has another shape than `shape` and `text_width`, the width of
    /// the decoder, require.
    pub fn read(source: &mut dyn Source, shape: &EncoderShape, text_width: usize) -> Result<Self, WeightError> {
        let scale = shape.merge_size;
        let sides = [shape.hidden_size * scale * scale, text_width];
        let projection = Linear::read(source, "model.connector.modality_projection.proj".to_owned(), sides, false)?;
        Ok(Self { projection, scale })
    }

    /// Joins and projects patches: `x` is `[tiles * side * side, width]`, the result
    /// `[tiles * (side / scale)^2, text width]`. `side` is the number of patches along a side of a tile.
    pub fn forward(&self, x: Tensor<2>, side: usize, pass: &Pass) -> Tensor<2> {
        self.projection.forward(pixel_shuffle(x, side, self.scale), pass)
    }

    /// Calls `visitor` for the parameters of the projection.
    pub fn visit(&mut self, visitor: &mut impl ParameterVisitor) {
        self.projection.visit(visitor);
    }
}
