//! Gradients by parameter name, summed over the micro-batches of a step.

use std::collections::BTreeMap;

use burn::tensor::{Gradients, Tensor};
use stepwise_vlm::model::Vlm;
use stepwise_vlm::nn::parameter::{Parameter, ParameterVisitor};

/// Gradients of the trainable parameters by name, each flattened to `[values]`.
#[derive(Clone, Debug, Default)]
pub struct GradientSum {
    pub(crate) by_name: BTreeMap<String, Tensor<1>>,
}

impl GradientSum {
    /// Adds the gradients of one backward pass to the sums. `model` is the model of the pass; its parameters are not
    /// changed.
    pub fn add(&mut self, model: &mut Vlm, gradients: &Gradients) {
        model.visit(&mut Collect { gradients, sum: self });
    }

    /// Returns the gradient of the parameter `name`, flattened to `[values]`. None if no gradient reached it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Tensor<1>> {
        self.by_name.get(name)
    }
}

struct Collect<'a> {
    gradients: &'a Gradients,
    sum: &'a mut GradientSum,
}

impl ParameterVisitor for Collect<'_> {
    fn visit<const D: usize>(&mut self, name: &str, parameter: &mut Parameter<D>) {
        if !parameter.learns() {
            return;
        }
        if let Some(gradient) = parameter.gradient(self.gradients) {
            let gradient = gradient.flatten::<1>(0, D - 1);
            let sum = match self.sum.by_name.remove(name) {
                Some(sum) => sum + gradient,
                None => gradient,
            };
            self.sum.by_name.insert(name.to_owned(), sum);
        }
    }
}
