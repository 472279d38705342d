//! Norm that is a layer norm or an RMS norm, for families with models of both kinds.

use burn::tensor::Tensor;

use super::layers::{LayerNorm, RmsNorm};
use super::parameter::{ParameterVisitor, Pass};
use super::source::{Source, WeightError};

/// Norm of one of the two kinds.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // A few hundred bytes, little next to the weights.
pub(crate) enum Norm {
    /// Layer norm with gain and bias (Ba et al. 2016).
    Layer(LayerNorm),
    /// RMS norm with gain (Zhang and Sennrich 2019).
    Rms(RmsNorm),
}

impl Norm {
    /// Reads the norm with the module name `name` over `width` values; `rms` chooses the kind.
    ///
    /// # Errors
    /// When a tensor is missing, cannot be read or has another shape.
    pub fn read(
        source: &mut dyn Source,
        name: String,
        width: usize,
        rms: bool,
        epsilon: f32,
    ) -> Result<Self, WeightError> {
        Ok(match rms {
            true => Self::Rms(RmsNorm::read(source, name, width, epsilon)?),
            false => Self::Layer(LayerNorm::read(source, name, width, epsilon)?),
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
