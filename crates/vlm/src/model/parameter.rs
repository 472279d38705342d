//! A tensor of the model with its name's owner: frozen, or a leaf of the gradient graph.

use burn::tensor::Tensor;

/// A weight. Frozen ones carry no gradient bookkeeping at all.
#[derive(Clone, Debug)]
pub struct Parameter<const D: usize> {
    value: Tensor<D>,
}

impl<const D: usize> Parameter<D> {
    /// A frozen weight.
    #[must_use]
    pub fn frozen(value: Tensor<D>) -> Self {
        Self { value: value.inner() }
    }

    /// A weight that learns.
    #[must_use]
    pub fn learning(value: Tensor<D>) -> Self {
        Self { value: value.inner().autodiff().require_grad() }
    }

    /// Whether it learns.
    #[must_use]
    pub fn learns(&self) -> bool {
        self.value.is_require_grad()
    }

    /// Starts or stops learning.
    pub fn set_learning(&mut self, learns: bool) {
        let value = self.value.clone();
        *self = if learns { Self::learning(value) } else { Self::frozen(value) };
    }

    /// The tensor for a forward pass.
    #[must_use]
    pub fn read(&self, pass: &Pass) -> Tensor<D> {
        if pass.gradients { self.value.clone() } else { self.values() }
    }

    /// The values without a graph.
    #[must_use]
    pub fn values(&self) -> Tensor<D> {
        self.value.clone().inner()
    }

    /// The leaf, to look its gradient up with.
    #[must_use]
    pub fn leaf(&self) -> &Tensor<D> {
        &self.value
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
