//! Merger: joins the patches of a cell and maps them to the width of the decoder.

use burn::tensor::Tensor;
use stepwise_ops::gelu;

use super::layer::EPSILON;
use crate::encoder::EncoderShape;
use crate::nn::layers::Linear;
use crate::nn::norm::Norm;
use crate::nn::parameter::{ParameterVisitor, Pass};
use crate::nn::source::{Source, WeightError};

/// Names and order of the parts of a merger.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MergerForm {
    /// Names of the norm and the two linear layers in the module.
    pub names: [&'static str; 3],
    /// Whether the norm is an RMS norm, else a layer norm.
    pub rms: bool,
    /// Whether the norm takes the joined patches of a cell, else each patch.
    pub norm_joined: bool,
}

/// Norm and two linear layers with an exact GELU between them.
#[derive(Clone, Debug)]
pub(crate) struct Merger {
    norm: Norm,
    linears: [Linear; 2],
    /// Patches of a cell.
    cell: usize,
    norm_joined: bool,
}

impl Merger {
    /// Reads the merger with the module name `prefix` from `source`. `text_width` is the width of the decoder.
    ///
    /// # Errors
    /// When a tensor is missing, cannot be read or has another shape.
    pub fn read(
        source: &mut dyn Source,
        prefix: &str,
        form: MergerForm,
        shape: &EncoderShape,
        text_width: usize,
    ) -> Result<Self, WeightError> {
        let cell = shape.merge_size.pow(2);
        let joined = shape.hidden_size * cell;
        let normed = if form.norm_joined { joined } else { shape.hidden_size };
        let [norm, first, second] = form.names.map(|name| format!("{prefix}.{name}"));
        Ok(Self {
            norm: Norm::read(source, norm, normed, form.rms, EPSILON)?,
            linears: [
                Linear::read(source, first, [joined, joined], true)?,
                Linear::read(source, second, [joined, text_width], true)?,
            ],
            cell,
            norm_joined: form.norm_joined,
        })
    }

    /// Returns the features, `[cells, text width]`, for `encoded`, `[patches, hidden]`, with the patches of a cell one
    /// after the other.
    pub fn forward(&self, encoded: Tensor<2>, pass: &Pass) -> Tensor<2> {
        let [patches, width] = encoded.dims();
        let joined = |x: Tensor<2>| x.reshape([patches / self.cell, self.cell * width]);
        let joined = match self.norm_joined {
            true => self.norm.forward(joined(encoded), pass),
            false => joined(self.norm.forward(encoded, pass)),
        };
        let [first, second] = &self.linears;
        second.forward(gelu(first.forward(joined, pass)), pass)
    }

    /// Calls `visitor` for every parameter.
    pub fn visit(&mut self, visitor: &mut impl ParameterVisitor) {
        self.norm.visit(visitor);
        self.linears.iter_mut().for_each(|linear| linear.visit(visitor));
    }

    /// Returns the linear layers in the order of computation.
    pub fn linears(&mut self) -> &mut [Linear; 2] {
        &mut self.linears
    }
}
