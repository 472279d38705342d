//! Basic layers of the model: linear layers, normalisations and embedding tables. Inputs are `[tokens, features]`.

use burn::tensor::{FloatDType, Int, Tensor};
use stepwise_ops::linear;

use super::lora::LoraLayer;
use super::parameter::{Parameter, ParameterVisitor, Pass};
use crate::nn::source::{Source, WeightError};

/// Linear layer with an optional adapter.
#[derive(Clone, Debug)]
pub struct Linear {
    name: String,
    /// Weight, `[out, in]`.
    pub(crate) weight: Parameter<2>,
    bias: Option<Parameter<1>>,
    /// LoRA adapter of the layer; None without one.
    pub(crate) adapter: Option<LoraLayer>,
}

impl Linear {
    /// Reads `name.weight`, `[out, in]`, and, if `bias`, `name.bias`, `[out]`, from `source`. The sizes are given as
    /// `[in, out]`. The parameters are frozen, and there is no adapter.
    ///
    /// # Errors
    /// When a tensor is missing, cannot be read or has another shape.
    pub(crate) fn read(
        source: &mut dyn Source,
        name: String,
        [inputs, outputs]: [usize; 2],
        bias: bool,
    ) -> Result<Self, WeightError> {
        let weight = source.weight(&format!("{name}.weight"), [outputs, inputs])?;
        let bias = match bias {
            true => Some(Parameter::frozen(source.vector(&format!("{name}.bias"), outputs)?)),
            false => None,
        };
        Ok(Self { name, weight, bias, adapter: None })
    }

    /// Returns the Hugging Face module name, for example `model.text_model.layers.0.self_attn.q_proj`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the sizes `[in, out]`, the reverse of the weight's shape.
    #[must_use]
    pub fn sides(&self) -> [usize; 2] {
        let shape = self.weight.shape();
        [shape[1], shape[0]]
    }

    /// Returns the output of the layer, `[tokens, out]`, for `x`, `[tokens, in]`. The adapter takes part if
    /// `pass.adapters` is set.
    pub(crate) fn forward(&self, x: Tensor<2>, pass: &Pass) -> Tensor<2> {
        let (weight, bias) = (self.weight.weight(pass), self.bias.as_ref().map(|bias| bias.read(pass)));
        match self.adapter.as_ref().filter(|_| pass.adapters) {
            Some(adapter) => adapter.forward(&self.name, x, weight, bias, pass),
            None => linear(x, weight, bias),
        }
    }

    /// Calls `visitor` for weight, bias and adapter parameters, in this order.
    pub(crate) fn visit(&mut self, visitor: &mut impl ParameterVisitor) {
        visitor.visit(&format!("{}.weight", self.name), &mut self.weight);
        if let Some(bias) = &mut self.bias {
            visitor.visit(&format!("{}.bias", self.name), bias);
        }
        if let Some(adapter) = &mut self.adapter {
            adapter.visit(&self.name, visitor);
        }
    }
}

/// Layer normalisation (Ba et al. 2016) with gain and bias.
#[derive(Clone, Debug)]
pub(crate) struct LayerNorm {
    name: String,
    gain: Parameter<1>,
    bias: Parameter<1>,
    epsilon: f32,
}

impl LayerNorm {
    /// Reads `name.weight` and `name.bias`, each `[width]`, from `source` as frozen parameters. `epsilon` is added to
    /// the variance.
    ///
    /// # Errors
    /// When a tensor is missing, cannot be read or has another shape.
    pub fn read(source: &mut dyn Source, name: String, width: usize, epsilon: f32) -> Result<Self, WeightError> {
        let gain = Parameter::frozen(source.vector(&format!("{name}.weight"), width)?);
        let bias = Parameter::frozen(source.vector(&format!("{name}.bias"), width)?);
        Ok(Self { name, gain, bias, epsilon })
    }

    /// Returns the normalised rows of `x`, `[tokens, features]`.
    pub fn forward(&self, x: Tensor<2>, pass: &Pass) -> Tensor<2> {
        let learns = self.gain.learns_in(pass) || self.bias.learns_in(pass);
        stepwise_ops::layer_norm(x, self.gain.read(pass), self.bias.read(pass), self.epsilon, learns)
    }

    /// Calls `visitor` for gain and bias.
    pub fn visit(&mut self, visitor: &mut impl ParameterVisitor) {
        visitor.visit(&format!("{}.weight", self.name), &mut self.gain);
        visitor.visit(&format!("{}.bias", self.name), &mut self.bias);
    }
}

/// RMS normalisation (Zhang and Sennrich 2019) with gain.
#[derive(Clone, Debug)]
pub(crate) struct RmsNorm {
    name: String,
    gain: Parameter<1>,
    epsilon: f32,
    /// Whether rows are multiplied by 1 plus the gain, as in Gemma's models, else by the gain.
    offset: bool,
}

impl RmsNorm {
    /// Reads `name.weight`, `[width]`, from `source` as a frozen parameter. `epsilon` is added to the mean square.
    ///
    /// # Errors
    /// When the tensor is missing, cannot be read or has another shape.
    pub fn read(source: &mut dyn Source, name: String, width: usize, epsilon: f32) -> Result<Self, WeightError> {
        let gain = Parameter::frozen(source.vector(&format!("{name}.weight"), width)?);
        Ok(Self { name, gain, epsilon, offset: false })
    }

    /// Reads a norm like [`RmsNorm::read`] that multiplies by 1 plus its gain.
    ///
    /// # Errors
    /// Errors of [`RmsNorm::read`].
    pub fn read_offset(source: &mut dyn Source, name: String, width: usize, epsilon: f32) -> Result<Self, WeightError> {
        let gain = Parameter::frozen(source.offset_gain(&format!("{name}.weight"), width)?);
        Ok(Self { name, gain, epsilon, offset: true })
    }

    /// Returns the normalised rows of `x`, `[tokens, features]`.
    pub fn forward(&self, x: Tensor<2>, pass: &Pass) -> Tensor<2> {
        let gain = self.gain.read(pass);
        // Added here, so that the parameter keeps its stored values.
        let gain = if self.offset { gain + 1.0 } else { gain };
        stepwise_ops::rms_norm(x, gain, self.epsilon, self.gain.learns_in(pass))
    }

    /// Calls `visitor` for the gain.
    pub fn visit(&mut self, visitor: &mut impl ParameterVisitor) {
        visitor.visit(&format!("{}.weight", self.name), &mut self.gain);
    }
}

/// Embedding table, or output head of the same form.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    name: String,
    /// One row per entry, `[rows, width]`.
    pub weight: Parameter<2>,
}

impl Table {
    /// Reads `name.weight`, `[rows, width]`, from `source` as a frozen parameter.
    ///
    /// # Errors
    /// When the tensor is missing, cannot be read or has another shape.
    pub fn read(source: &mut dyn Source, name: String, [rows, width]: [usize; 2]) -> Result<Self, WeightError> {
        let weight = Parameter::frozen(source.matrix(&format!("{name}.weight"), [rows, width])?);
        Ok(Self { name, weight })
    }

    /// Reads an embedding table of words or an output head, as [`Table::read`] does; on devices other than the CPU in
    /// bf16 if products are.
    ///
    /// # Errors
    /// Errors of [`Table::read`].
    pub fn read_words(source: &mut dyn Source, name: String, sides: [usize; 2]) -> Result<Self, WeightError> {
        let weight = Parameter::frozen(source.words(&format!("{name}.weight"), sides)?);
        Ok(Self { name, weight })
    }

    /// Returns the rows of `entries`, `[entries, width]`, in f32.
    pub fn rows(&self, entries: Tensor<1, Int>, pass: &Pass) -> Tensor<2> {
        self.weight.stored(pass).select(0, entries).cast(FloatDType::F32)
    }

    /// Calls `visitor` for the table.
    pub fn visit(&mut self, visitor: &mut impl ParameterVisitor) {
        visitor.visit(&format!("{}.weight", self.name), &mut self.weight);
    }
}
