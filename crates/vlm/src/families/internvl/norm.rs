//! Norm of InternViT, which is a layer norm or an RMS norm.

use burn::tensor::Tensor;

use super::config::Config;
use crate::nn::layers::{LayerNorm, RmsNorm};
use crate::nn::parameter::{ParameterVisitor, Pass};
use crate::nn::source::{Source, WeightError};

/// Norm of one of the two kinds.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // A few hundred bytes, little next to the weights.
pub(super) enum Norm {
    Layer(LayerNorm),
    Rms(RmsNorm),
}

impl Norm {
    /// Reads the norm with the module name `name` over `width` values.
    ///
    /// # Errors
    /// When a tensor is missing, cannot be read or has another shape.
    pub fn read(source: &mut dyn Source, name: String, width: usize, config: &Config) -> Result<Self, WeightError> {
        Ok(match config.rms_norm {
            true => Self::Rms(RmsNorm::read(source, name, width, config.norm_eps)?),
            false => Self::Layer(LayerNorm::read(source, name, width, config.norm_eps)?),
        })
    }

    /// Returns the normalised rows of `x`, `[rows, width]`.
    pub fn forward(&self, x: Tensor<2>, pass: &Pass) -> Tensor<2> {
        match self {
            Self::Layer(norm) => norm.forward(x, pass),
            Self::Rms(norm) => norm.forward(x, pass),
        }
    }

    /// Calls `visitor` for every parameter.
    pub fn visit(&mut self, visitor: &mut impl ParameterVisitor) {
        match self {
            Self::Layer(norm) => norm.visit(visitor),
            Self::Rms(norm) => norm.visit(visitor),
        }
    }
}
