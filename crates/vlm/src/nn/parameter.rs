//! A tensor of the model with its name's owner: frozen, or a leaf of the gradient graph.

use std::sync::Arc;

use burn::tensor::{Device, Gradients, Shape, Tensor, TensorData};
use stepwise_ops::{Packed, Weight};

/// A weight. Frozen ones carry no gradient bookkeeping at all.
#[derive(Clone, Debug)]
pub struct Parameter<const D: usize> {
    value: Value<D>,
    /// What stands here with adapters off, where `value` is a copy that learns in its place (PEFT's `modules_to_save`).
    original: Option<Value<D>>,
}

#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // A few hundred bytes beside the weights themselves.
enum Value<const D: usize> {
    Tensor(Tensor<D>),
    /// Frozen on the CPU, laid out for products and held in no other form.
    Packed(Arc<Packed>),
}

impl Parameter<2> {
    /// A frozen weight of a linear layer, `[out, in]`, laid out for products.
    #[must_use]
    pub fn packed(weight: Packed) -> Self {
        Value::Packed(Arc::new(weight)).into()
    }

    /// The weight of a linear layer for a forward pass.
    #[must_use]
    pub fn weight(&self, pass: &Pass) -> Weight {
        match self.taking_part(pass) {
            Value::Tensor(_) => self.read(pass).into(),
            Value::Packed(weight) => Arc::clone(weight).into(),
        }
    }
}

impl<const D: usize> From<Value<D>> for Parameter<D> {
    fn from(value: Value<D>) -> Self {
        Self { value, original: None }
    }
}

impl<const D: usize> Value<D> {
    /// The values without a graph.
    fn plain(&self) -> Tensor<D> {
        match self {
            Self::Tensor(value) => value.clone().inner(),
            Self::Packed(weight) => {
                Tensor::from_data(TensorData::new(weight.unpacked(), weight.sides()), &Device::flex())
            }
        }
    }
}

impl<const D: usize> Parameter<D> {
    /// A frozen weight.
    #[must_use]
    pub fn frozen(value: Tensor<D>) -> Self {
        Value::Tensor(value.inner()).into()
    }

    /// A weight that learns.
    #[must_use]
    pub fn learning(value: Tensor<D>) -> Self {
        Value::Tensor(value.inner().autodiff().require_grad()).into()
    }

    /// Whether it learns.
    #[must_use]
    pub fn learns(&self) -> bool {
        matches!(&self.value, Value::Tensor(value) if value.is_require_grad())
    }

    /// Whether it learns from this pass, be it now or when a part of it is run again with a graph.
    #[must_use]
    pub fn learns_in(&self, pass: &Pass) -> bool {
        pass.dropout.is_some() && self.learns()
    }

    /// Starts or stops learning.
    pub fn set_learning(&mut self, learns: bool) {
        if learns != self.learns() {
            let value = self.values();
            self.value = if learns { Self::learning(value) } else { Self::frozen(value) }.value;
        }
    }

    /// The tensor for a forward pass.
    #[must_use]
    pub fn read(&self, pass: &Pass) -> Tensor<D> {
        match self.taking_part(pass) {
            Value::Tensor(value) if pass.gradients => value.clone(),
            value => value.plain(),
        }
    }

    fn taking_part(&self, pass: &Pass) -> &Value<D> {
        self.original.as_ref().filter(|_| !pass.adapters).unwrap_or(&self.value)
    }

    /// The values without a graph.
    #[must_use]
    pub fn values(&self) -> Tensor<D> {
        self.value.plain()
    }

    /// Lets a copy learn in its place; it stays what stands here with adapters off.
    pub(crate) fn learn_beside(&mut self, values: Tensor<D>) {
        let copy = Self::learning(values).value;
        let before = std::mem::replace(&mut self.value, copy);
        self.original.get_or_insert(before);
    }

    /// Whether a copy learns in its place.
    pub(crate) fn is_beside(&self) -> bool {
        self.original.is_some()
    }

    /// Ends that with what was there before, or else with the copy.
    pub(crate) fn end_beside(&mut self, keep_copy: bool) {
        if let Some(original) = self.original.take() {
            self.value = if keep_copy { Self::frozen(self.values()).value } else { original };
        }
    }

    /// Its shape.
    #[must_use]
    pub fn shape(&self) -> Shape {
        match &self.value {
            Value::Tensor(value) => value.shape(),
            Value::Packed(weight) => Shape::from(weight.sides().to_vec()),
        }
    }

    /// Its gradient, where it learns and took part.
    #[must_use]
    pub fn gradient(&self, gradients: &Gradients) -> Option<Tensor<D>> {
        match &self.value {
            Value::Tensor(value) => value.grad(gradients),
            Value::Packed(_) => None,
        }
    }

    /// New values; it goes on learning if it did.
    pub fn replace(&mut self, value: Tensor<D>) {
        self.value = if self.learns() { Self::learning(value) } else { Self::frozen(value) }.value;
    }
}

/// Sees every parameter of a model under its Hugging Face name, in a fixed order.
pub trait ParameterVisitor {
    /// One parameter.
    fn visit<const D: usize>(&mut self, name: &str, parameter: &mut Parameter<D>);
}

/// How a forward pass is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass {
    /// Whether adapters take part; without them the model is its untouched base.
    pub adapters: bool,
    /// Whether a graph for gradients is kept.
    pub gradients: bool,
    /// Key of this pass's dropout masks; none outside a training step.
    pub dropout: Option<u64>,
}

impl Pass {
    /// Adapted, for answers.
    pub const ANSWER: Self = Self { adapters: true, gradients: false, dropout: None };
    /// Untouched, for answers.
    pub const BASE: Self = Self { adapters: false, gradients: false, dropout: None };

    /// Adapted, for a training step whose dropout masks are drawn from `key`.
    #[must_use]
    pub fn training(key: u64) -> Self {
        Self { adapters: true, gradients: true, dropout: Some(key) }
    }

    /// To the bit the same values, without a graph.
    #[must_use]
    pub fn without_gradients(self) -> Self {
        Self { gradients: false, ..self }
    }
}
