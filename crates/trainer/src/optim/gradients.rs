//! Gradients by parameter name, summed over the micro-batches of a step.

use std::collections::BTreeMap;

use burn::tensor::{Gradients, Tensor};
use stepwise_vlm::model::Vlm;
use stepwise_vlm::nn::parameter::{Parameter, ParameterVisitor};
use stepwise_vlm::values_of;

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

    /// Computes the Euclidean norm over all parameters together; squares of each tensor are summed in f32, the tensors
    /// in f64.
    #[must_use]
    pub fn norm(&self) -> f64 {
        let squares = self.by_name.values().map(|gradient| f64::from(scalar(gradient.clone().square().sum())));
        squares.sum::<f64>().sqrt()
    }

    /// Clips the gradients, whose norm over all parameters is `norm`, to the norm `most`, in place, by the formula of
    /// `torch.nn.utils.clip_grad_norm_`: all are multiplied by `min(1, most / (norm + 1e-6))`. A `most` of 0 clips
    /// nothing.
    pub fn clip(&mut self, norm: f64, most: f64) {
        if most <= 0.0 {
            return;
        }
        let factor = (most / (norm + 1e-6)).min(1.0);
        for gradient in self.by_name.values_mut() {
            *gradient = gradient.clone() * factor;
        }
    }
}

/// Returns the value of a tensor with one element.
pub(crate) fn scalar(tensor: Tensor<1>) -> f32 {
    values_of(tensor.inner())[0]
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
