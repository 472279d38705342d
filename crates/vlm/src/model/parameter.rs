//! A tensor of the model with its name's owner: frozen, or a leaf of the gradient graph.

use std::sync::Arc;

use burn::tensor::{Device, Gradients, Shape, Tensor, TensorData};
use stepwise_ops::{Packed, Weight};

/// A weight. Frozen ones carry no gradient bookkeeping at all.
#[derive(Clone, Debug)]
pub struct Parameter<const D: usize> {
    value: Value<D>,
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
        Self { value: Value::Packed(Arc::new(weight)) }
    }

    /// The weight of a linear layer for a forward pass.
    #[must_use]
    pub fn weight(&self, pass: &Pass) -> Weight {
        match &self.value {
            Value::Tensor(_) => self.read(pass).into(),
            Value::Packed(weight) => Arc::clone(weight).into(),
        }
    }
}

impl<const D: usize> Parameter<D> {
    /// A frozen weight.
    #[must_use]
    pub fn frozen(value: Tensor<D>) -> Self {
        Self { value: Value::Tensor(value.inner()) }
    }

    /// A weight that learns.
    #[must_use]
    pub fn learning(value: Tensor<D>) -> Self {
        Self { value: Value::Tensor(value.inner().autodiff().require_grad()) }
    }

    /// Whether it learns.
    #[must_use]
    pub fn learns(&self) -> bool {
        matches!(&self.value, Value::Tensor(value) if value.is_require_grad())
    }

    /// Starts or stops learning.
    pub fn set_learning(&mut self, learns: bool) {
        if learns != self.learns() {
            let value = self.values();
            *self = if learns { Self::learning(value) } else { Self::frozen(value) };
        }
    }

    /// The tensor for a forward pass.
    #[must_use]
    pub fn read(&self, pass: &Pass) -> Tensor<D> {
        match &self.value {
            Value::Tensor(value) if pass.gradients => value.clone(),
            _ => self.values(),
        }
    }

    /// The values without a graph.
    #[must_use]
    pub fn values(&self) -> Tensor<D> {
        match &self.value {
            Value::Tensor(value) => value.clone().inner(),
            Value::Packed(weight) => {
                Tensor::from_data(TensorData::new(weight.unpacked(), self.shape()), &Device::flex())
            }
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
        *self = if self.learns() { Self::learning(value) } else { Self::frozen(value) };
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
    /// Key of this pass's dropout masks; none outside training.
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
}
