//! Parameters of a model as plain values, by name.

use std::collections::BTreeMap;

use burn::tensor::{Device, Gradients, Tensor, TensorData};
use stepwise_vlm::model::Vlm;
use stepwise_vlm::nn::parameter::{Parameter, ParameterVisitor};

/// Values of tensors in row order, by the name of the parameter.
pub type Values = BTreeMap<String, Vec<f32>>;

/// Returns the values of an `f32` tensor in row order, without an autodiff graph.
///
/// # Panics
/// When the tensor has another type.
#[must_use]
pub fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.inner().into_data().try_to_vec().expect("f32 values")
}

/// Makes a tensor of `shape` on the CPU from values in row order.
///
/// # Panics
/// When the number of values is not the product of `shape`.
#[must_use]
pub fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

/// Returns the values of every parameter, adapters included, by name.
pub fn parameters(model: &mut Vlm) -> Values {
    collect(model, |_| true)
}

/// Returns the values of every trainable parameter, by name.
pub fn trainable_parameters(model: &mut Vlm) -> Values {
    collect(model, |learns| learns)
}

fn collect(model: &mut Vlm, wanted: fn(bool) -> bool) -> Values {
    struct Collect(Values, fn(bool) -> bool);
    impl ParameterVisitor for Collect {
        fn visit<const D: usize>(&mut self, name: &str, parameter: &mut Parameter<D>) {
            if self.1(parameter.learns()) {
                self.0.insert(name.to_owned(), read(parameter.values()));
            }
        }
    }
    let mut collect = Collect(Values::new(), wanted);
    model.visit(&mut collect);
    collect.0
}

/// Returns the gradient of every parameter that has one in `gradients`, by name.
pub fn gradients_of(model: &mut Vlm, gradients: &Gradients) -> Values {
    struct Collect<'a>(&'a Gradients, Values);
    impl ParameterVisitor for Collect<'_> {
        fn visit<const D: usize>(&mut self, name: &str, parameter: &mut Parameter<D>) {
            if let Some(gradient) = parameter.gradient(self.0) {
                self.1.insert(name.to_owned(), read(gradient));
            }
        }
    }
    let mut collect = Collect(gradients, Values::new());
    model.visit(&mut collect);
    collect.1
}

/// Replaces, in place, the values of every parameter for which `new_values` returns some. `new_values` receives name
/// and present values; None keeps them. A trainable parameter stays trainable and a frozen one frozen.
///
/// # Panics
/// When the number of new values differs from that of the old ones.
pub fn replace(model: &mut Vlm, new_values: impl FnMut(&str, &[f32]) -> Option<Vec<f32>>) {
    struct Replace<F>(F);
    impl<F: FnMut(&str, &[f32]) -> Option<Vec<f32>>> ParameterVisitor for Replace<F> {
        fn visit<const D: usize>(&mut self, name: &str, parameter: &mut Parameter<D>) {
            let present = parameter.values();
            let (device, shape) = (present.device(), present.shape());
            if let Some(values) = self.0(name, &read(present)) {
                parameter.replace(Tensor::from_data(TensorData::new(values, shape), &device));
            }
        }
    }
    model.visit(&mut Replace(new_values));
}

/// Adds `by` in place to every value of the parameters that `chosen` selects by name.
pub fn shift(model: &mut Vlm, by: f32, chosen: impl Fn(&str) -> bool) {
    replace(model, |name, values| chosen(name).then(|| values.iter().map(|value| value + by).collect()));
}

/// Makes the parameters that `chosen` selects by name trainable, or frozen when `trainable` is false. Others stay as
/// they are.
pub fn set_trainable(model: &mut Vlm, trainable: bool, chosen: impl Fn(&str) -> bool) {
    struct Set<F>(F, bool);
    impl<F: Fn(&str) -> bool> ParameterVisitor for Set<F> {
        fn visit<const D: usize>(&mut self, name: &str, parameter: &mut Parameter<D>) {
            if self.0(name) {
                parameter.set_learning(self.1);
            }
        }
    }
    model.visit(&mut Set(chosen, trainable));
}
