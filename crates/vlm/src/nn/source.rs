//! Where layers take their values from, and what can be wrong there.

use burn::tensor::{Device, Tensor};
use stepwise_ops::{Packed, Precision};

use super::parameter::Parameter;

/// What can go wrong with weights.
#[derive(Debug, thiserror::Error)]
pub enum WeightError {
    /// A file cannot be written.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("{path}: {problem}")]
    Format {
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A tensor is not there.
    #[error("tensor {name} is missing from {place}{} -> take config and weights from the same model", nearest.as_ref().map_or(String::new(), |nearest| format!(" (the nearest there is {nearest})")))]
    Missing {
        /// Its Hugging Face name.
        name: String,
        /// Where it was looked for.
        place: String,
        /// The most similar name there.
        nearest: Option<String>,
    },
    /// A tensor has another shape than the config asks for.
    #[error(
        "tensor {name} in {place} has shape {found:?}, the config asks for {expected:?} -> take config and weights from the same model"
    )]
    Shape {
        /// Its Hugging Face name.
        name: String,
        /// Where it was found.
        place: String,
        /// Its shape.
        found: Vec<usize>,
        /// The shape asked for.
        expected: Vec<usize>,
    },
}

/// Where the values of a model come from: a folder, or a seed.
pub trait Source {
    /// The values of one tensor, row by row.
    ///
    /// # Errors
    /// When there is none of that name and shape.
    fn values(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, WeightError>;

    /// Where the tensors shall live.
    fn device(&self) -> &Device;

    /// How frozen weights of linear layers shall be held where the device can choose.
    fn precision(&self) -> Precision {
        Precision::F32
    }
}

impl dyn Source + '_ {
    /// A vector.
    ///
    /// # Errors
    /// As [`Source::values`].
    pub fn vector(&mut self, name: &str, length: usize) -> Result<Tensor<1>, WeightError> {
        self.tensor(name, [length])
    }

    /// A matrix, `[out, in]` as in PyTorch.
    ///
    /// # Errors
    /// As [`Source::values`].
    pub fn matrix(&mut self, name: &str, sides: [usize; 2]) -> Result<Tensor<2>, WeightError> {
        self.tensor(name, sides)
    }

    /// A frozen weight of a linear layer, `[out, in]` as in PyTorch, in the form that the device multiplies fastest.
    ///
    /// # Errors
    /// As [`Source::values`].
    pub fn weight(&mut self, name: &str, sides: [usize; 2]) -> Result<Parameter<2>, WeightError> {
        if *self.device() != Device::flex() {
            return Ok(Parameter::frozen(self.matrix(name, sides)?));
        }
        let values = self.values(name, &sides)?;
        Ok(Parameter::packed(Packed::new(&values, sides, self.precision())))
    }

    /// A convolution kernel.
    ///
    /// # Errors
    /// As [`Source::values`].
    pub fn kernel(&mut self, name: &str, sides: [usize; 4]) -> Result<Tensor<4>, WeightError> {
        self.tensor(name, sides)
    }

    fn tensor<const D: usize>(&mut self, name: &str, shape: [usize; D]) -> Result<Tensor<D>, WeightError> {
        let values = self.values(name, &shape)?;
        Ok(Tensor::from_data(burn::tensor::TensorData::new(values, shape), self.device()))
    }
}
