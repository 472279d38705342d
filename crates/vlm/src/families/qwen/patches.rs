//! Embedding of patches: a convolution over squares of pixels and neighbouring frames.

use burn::tensor::Tensor;
use stepwise_ops::linear;

use crate::encoder::EncoderShape;
use crate::nn::parameter::{Parameter, ParameterVisitor, Pass};
use crate::nn::source::{Source, WeightError};
use crate::patches::patch_rows;

/// Module name.
const NAME: &str = "model.visual.patch_embed.proj";

/// Embedding of patches, one convolution without overlap.
#[derive(Clone, Debug)]
pub(crate) struct PatchEmbedding {
    /// Kernel, `[hidden, 3, frames, patch, patch]`.
    kernel: Parameter<5>,
    /// Bias, `[hidden]`, Qwen3-VL only.
    bias: Option<Parameter<1>>,
}

impl PatchEmbedding {
    /// Reads the kernel over `frames` frames and, with `bias`, the bias from `source`.
    ///
    /// # Errors
    /// When a tensor is missing, cannot be read or has another shape.
    pub fn read(source: &mut dyn Source, shape: &EncoderShape, frames: usize, bias: bool) -> Result<Self, WeightError> {
        let (width, patch) = (shape.hidden_size, shape.patch_size);
        let kernel = source.tensor(&format!("{NAME}.weight"), [width, 3, frames, patch, patch])?;
        let bias = match bias {
            true => Some(Parameter::frozen(source.vector(&format!("{NAME}.bias"), width)?)),
            false => None,
        };
        Ok(Self { kernel: Parameter::frozen(kernel), bias })
    }

    /// Returns the embedded patches of all tiles, `[patches, hidden]`, each tile row by row. Each tensor holds normalised
    /// pixels of tiles of one size, `[tiles, 3, height, width]`.
    pub fn forward(&self, pixels: &[Tensor<4>], pass: &Pass) -> Tensor<2> {
        let [hidden, channels, _, patch, _] = self.kernel.shape().dims();
        let patches = Tensor::cat(pixels.iter().map(|pixels| patch_rows(pixels, patch)).collect(), 0);
        // A still image is the same in all frames of a patch, so the kernel is summed over the frames.
        let kernel = self.kernel.read(pass).sum_dim(2).reshape([hidden, channels * patch * patch]);
        linear(patches, kernel, self.bias.as_ref().map(|bias| bias.read(pass)))
    }

    /// Calls `visitor` for kernel and bias.
    pub fn visit(&mut self, visitor: &mut impl ParameterVisitor) {
        visitor.visit(&format!("{NAME}.weight"), &mut self.kernel);
        if let Some(bias) = &mut self.bias {
            visitor.visit(&format!("{NAME}.bias"), bias);
        }
    }
}
