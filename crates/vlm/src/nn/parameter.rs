//! Parameters of the model, frozen or trainable, and the settings of a forward pass.

use std::sync::Arc;

use burn::tensor::{DType, Device, FloatDType, Gradients, Shape, Tensor, TensorData};
use stepwise_ops::{Nf4Tensor, PackedWeight, Weight};

/// Tensor of the model. A trainable parameter is a leaf of the autodiff graph; a frozen one has no graph.
#[derive(Clone, Debug)]
pub struct Parameter<const D: usize> {
    value: Value<D>,
    /// Original values, used without adapters, if `value` is a trained copy (PEFT's `modules_to_save`). None
    /// without a copy.
    original: Option<Value<D>>,
}

#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // A few hundred bytes, little next to the weights.
enum Value<const D: usize> {
    /// In f32, or frozen in bf16 on a device other than the CPU.
    Tensor(Tensor<D>),
    /// Frozen weight on the CPU, packed for products and stored in no other form.
    Packed(Arc<PackedWeight>),
    /// Frozen weight in NF4 on a device other than the CPU.
    Nf4(Arc<Nf4Tensor>),
}

impl Parameter<2> {
    /// Makes a frozen weight of a linear layer, `[out, in]`, from a weight packed for products on the CPU.
    #[must_use]
    pub fn packed(weight: PackedWeight) -> Self {
        Value::Packed(Arc::new(weight)).into()
    }

    /// Makes a frozen weight of a linear layer, `[out, in]`, from a weight in NF4 on a device other than the CPU.
    #[must_use]
    pub fn nf4(weight: Nf4Tensor) -> Self {
        Value::Nf4(Arc::new(weight)).into()
    }

    /// Returns the weight of a linear layer, `[out, in]`, as the forward pass uses it: packed, in NF4, or as
    /// in [`Parameter::stored`].
    #[must_use]
    pub fn weight(&self, pass: &Pass) -> Weight {
        match self.taking_part(pass) {
            Value::Tensor(_) => self.stored(pass).into(),
            Value::Packed(weight) => Arc::clone(weight).into(),
            Value::Nf4(weight) => Arc::clone(weight).into(),
        }
    }
}

impl<const D: usize> From<Value<D>> for Parameter<D> {
    fn from(value: Value<D>) -> Self {
        Self { value, original: None }
    }
}

impl<const D: usize> Value<D> {
    /// Values in f32 without an autodiff graph.
    fn plain(&self) -> Tensor<D> {
        match self {
            Self::Tensor(value) => value.clone().inner().cast(FloatDType::F32),
            Self::Packed(weight) => {
                Tensor::from_data(TensorData::new(weight.unpacked(), weight.sides()), &Device::flex())
            }
            // Only matrices are stored in NF4.
            Self::Nf4(weight) => weight.values().reshape(Shape::from(weight.sides().to_vec())),
        }
    }
}

impl<const D: usize> Parameter<D> {
    /// Makes a frozen parameter in f32 or bf16, the type of `value`. An autodiff graph of `value` is dropped.
    #[must_use]
    pub fn frozen(value: Tensor<D>) -> Self {
        Value::Tensor(value.inner()).into()
    }

    /// Makes a trainable parameter of f32 values. An autodiff graph of `value` is dropped; the parameter becomes a leaf of its own.
    #[must_use]
    pub fn learning(value: Tensor<D>) -> Self {
        Value::Tensor(value.inner().autodiff().require_grad()).into()
    }

    /// Returns whether the parameter is trainable.
    #[must_use]
    pub fn learns(&self) -> bool {
        matches!(&self.value, Value::Tensor(value) if value.is_require_grad())
    }

    /// Returns whether the parameter is trainable and `pass` belongs to a training step. True also when the pass has no
    /// graph because gradient checkpointing runs it again later.
    #[must_use]
    pub fn learns_in(&self, pass: &Pass) -> bool {
        pass.dropout.is_some() && self.learns()
    }

    /// Makes the parameter trainable (true) or frozen (false); the values stay. A weight that is packed, in bf16 or in
    /// NF4 becomes an f32 tensor when it becomes trainable, and stays one afterwards.
    pub fn set_learning(&mut self, learns: bool) {
        if learns != self.learns() {
            let value = self.values();
            self.value = if learns { Self::learning(value) } else { Self::frozen(value) }.value;
        }
    }

    /// Returns the tensor as the forward pass uses it, in f32: with autodiff graph if the pass keeps gradients, else
    /// without. With `pass.adapters` unset, a parameter with a trained copy gives its original values.
    #[must_use]
    pub fn read(&self, pass: &Pass) -> Tensor<D> {
        match self.taking_part(pass) {
            Value::Tensor(value) if pass.gradients && value.dtype() == DType::F32 => value.clone(),
            value => value.plain(),
        }
    }

    /// Returns the tensor of [`Parameter::read`] in the type in which it is stored: a frozen one may be in bf16.
    #[must_use]
    pub fn stored(&self, pass: &Pass) -> Tensor<D> {
        match self.taking_part(pass) {
            Value::Tensor(value) if pass.gradients => value.clone(),
            Value::Tensor(value) => value.clone().inner(),
            value => value.plain(),
        }
    }

    fn taking_part(&self, pass: &Pass) -> &Value<D> {
        self.original.as_ref().filter(|_| !pass.adapters).unwrap_or(&self.value)
    }

    /// Returns the current values in f32 without an autodiff graph; the values of the trained copy if there is one.
    #[must_use]
    pub fn values(&self) -> Tensor<D> {
        self.value.plain()
    }

    /// Replaces the values by a trainable copy (PEFT's `modules_to_save`). Passes without adapters still
    /// use the original.
    pub(crate) fn learn_beside(&mut self, values: Tensor<D>) {
        let copy = Self::learning(values).value;
        let before = std::mem::replace(&mut self.value, copy);
        self.original.get_or_insert(before);
    }

    /// Returns whether a trained copy replaces the original values.
    pub(crate) fn is_beside(&self) -> bool {
        self.original.is_some()
    }

    /// Removes the copy: with `keep_copy` its values become the parameter's frozen values, else the original is
    /// restored. Does nothing without a copy.
    pub(crate) fn end_beside(&mut self, keep_copy: bool) {
        if let Some(original) = self.original.take() {
            self.value = if keep_copy { Self::frozen(self.values()).value } else { original };
        }
    }

    /// Returns the shape of the values.
    #[must_use]
    pub fn shape(&self) -> Shape {
        match &self.value {
            Value::Tensor(value) => value.shape(),
            Value::Packed(weight) => Shape::from(weight.sides().to_vec()),
            Value::Nf4(weight) => Shape::from(weight.sides().to_vec()),
        }
    }

    /// Returns the gradient of the parameter; None if it is frozen or did not take part in the pass.
    #[must_use]
    pub fn gradient(&self, gradients: &Gradients) -> Option<Tensor<D>> {
        match &self.value {
            Value::Tensor(value) => value.grad(gradients),
            Value::Packed(_) | Value::Nf4(_) => None,
        }
    }

    /// Replaces the values in place; a trainable parameter stays trainable and a frozen one frozen. A weight that is
    /// packed, in bf16 or in NF4 becomes a tensor in f32. `value` has the same shape and is in f32.
    pub fn replace(&mut self, value: Tensor<D>) {
        self.value = if self.learns() { Self::learning(value) } else { Self::frozen(value) }.value;
    }
}

/// Visitor of all parameters of a model in a fixed order, for example with [`Vlm::visit`](crate::model::Vlm::visit).
pub trait ParameterVisitor {
    /// Visits one parameter, which may be changed in place. `name` is its Hugging Face name. Parameters of adapters
    /// have the module name with `.lora_A.weight`, `.lora_B.weight` or `.lora_magnitude_vector`; PiSSA's frozen initial
    /// product has `.lora_A.initial` and `.lora_B.initial`.
    fn visit<const D: usize>(&mut self, name: &str, parameter: &mut Parameter<D>);
}

/// Settings of a forward pass: use of adapters, autodiff graph, and dropout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass {
    /// Whether adapters and trained copies are used; without them the model equals its base.
    pub adapters: bool,
    /// Whether an autodiff graph is built.
    pub gradients: bool,
    /// Seed of the dropout masks in a training step; None outside training, where nothing is dropped.
    pub dropout: Option<u64>,
}

impl Pass {
    /// Evaluation with adapters, without gradients and dropout.
    pub const ANSWER: Self = Self { adapters: true, gradients: false, dropout: None };
    /// Evaluation of the base model, without adapters, gradients and dropout.
    pub const BASE: Self = Self { adapters: false, gradients: false, dropout: None };

    /// Returns a training step with adapters, gradients, and dropout masks drawn from the seed `key`. Equal keys give
    /// equal masks.
    #[must_use]
    pub fn training(key: u64) -> Self {
        Self { adapters: true, gradients: true, dropout: Some(key) }
    }

    /// Returns the same pass without an autodiff graph. The computed values are bit-identical.
    #[must_use]
    pub fn without_gradients(self) -> Self {
        Self { gradients: false, ..self }
    }
}
