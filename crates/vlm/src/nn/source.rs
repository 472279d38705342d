//! Where layers take their values from, and what can be wrong there.

use burn::tensor::{DType, Device, Tensor, TensorData};
use stepwise_ops::{Nf4Tensor, PackedWeight, Precision};

use super::parameter::Parameter;
use crate::fault::Fault;

/// Errors of reading and writing weights.
#[derive(Debug, thiserror::Error)]
pub enum WeightError {
    /// A file cannot be written or copied.
    #[error("{path}: {error} -> check that the folder is writable and the disk has room")]
    File {
        /// Path of the file.
        path: String,
        /// Error of the operating system.
        error: std::io::Error,
    },
    /// A file is missing, unreadable or malformed.
    #[error(transparent)]
    Format(#[from] Fault),
    /// A tensor is missing.
    #[error("{place}: tensor {name} is missing{} -> use config and weights of the same model", nearest.as_ref().map_or(String::new(), |nearest| format!(" (most similar: {nearest})")))]
    Missing {
        /// Hugging Face name of the tensor.
        name: String,
        /// File or folder that lacks the tensor.
        place: String,
        /// Most similar name in that place; None if no name is similar.
        nearest: Option<String>,
    },
    /// A tensor has another shape than the config requires.
    #[error(
        "{place}: tensor {name} has shape {found:?}, the config requires {expected:?} -> use config and weights of the \
         same model, and an adapter on the base that it was trained on"
    )]
    Shape {
        /// Hugging Face name of the tensor.
        name: String,
        /// File or folder of the tensor.
        place: String,
        /// Shape in the file.
        found: Vec<usize>,
        /// Shape that the config requires.
        expected: Vec<usize>,
    },
    /// `config.json` and the tensors of a folder describe different models.
    #[error("{place}: tensor {name} {problem} -> {advice}, or use config and weights of the same model")]
    Contradiction {
        /// Hugging Face name of the tensor.
        name: String,
        /// Folder of the tensor.
        place: String,
        /// Contradiction, with the key of `config.json`.
        problem: String,
        /// How to correct `config.json`.
        advice: String,
    },
    /// A tensor has values that are NaN or infinite.
    #[error(
        "{path}: tensor {name} has {count} values that are not finite, the first is {value} at {index:?} -> use an \
         earlier checkpoint, or download or convert the file again (in float32 or bfloat16 if float16 is too narrow)"
    )]
    NotFinite {
        /// Path of the file.
        path: String,
        /// Name of the tensor in the file.
        name: String,
        /// Number of such values.
        count: usize,
        /// First such value.
        value: f32,
        /// Index of the first such value in each dimension of the tensor.
        index: Vec<usize>,
    },
}

/// Source of a model's weights, such as a folder or a random seed.
pub trait Source {
    /// Returns the values of the tensor with the Hugging Face name `name`, row by row.
    ///
    /// # Errors
    /// When the tensor is missing, cannot be read, or has another shape than `shape`.
    fn values(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, WeightError>;

    /// Returns the values of a norm's gain of `width` values, to which the norm adds 1. Sources of stored tensors return the
    /// values of [`Source::values`]; a source of initial values returns zeros.
    ///
    /// # Errors
    /// When [`Source::values`] fails.
    fn offset_gains(&mut self, name: &str, width: usize) -> Result<Vec<f32>, WeightError> {
        self.values(name, &[width])
    }

    /// Returns whether the source checks names and shapes only. [`Source::values`] then returns no values, and every tensor
    /// has its shape, but is one zero in memory. The default is false.
    fn only_checks(&self) -> bool {
        false
    }

    /// Returns the device on which the tensors are made.
    fn device(&self) -> &Device;

    /// Returns the number format for frozen weights of linear layers. On devices other than the CPU, embedding table
    /// and output head are in bf16 if products are. The default is f32.
    fn precision(&self) -> Precision {
        Precision::F32
    }
}

impl dyn Source + '_ {
    /// Reads the vector with the Hugging Face name `name`, `[length]`.
    ///
    /// # Errors
    /// When [`Source::values`] fails.
    pub fn vector(&mut self, name: &str, length: usize) -> Result<Tensor<1>, WeightError> {
        self.tensor(name, [length])
    }

    /// Reads the gain of a norm that adds 1 to it, with the Hugging Face name `name`, `[length]`.
    ///
    /// # Errors
    /// When [`Source::offset_gains`] fails.
    pub fn offset_gain(&mut self, name: &str, length: usize) -> Result<Tensor<1>, WeightError> {
        let values = self.offset_gains(name, length)?;
        Ok(self.made(values, [length]))
    }

    /// Reads the matrix with the Hugging Face name `name` and the shape `sides`, `[out, in]` as in PyTorch.
    ///
    /// # Errors
    /// When [`Source::values`] fails.
    pub fn matrix(&mut self, name: &str, sides: [usize; 2]) -> Result<Tensor<2>, WeightError> {
        self.tensor(name, sides)
    }

    /// Reads the frozen weight of a linear layer with the shape `sides`, `[out, in]` as in PyTorch, in
    /// [`Source::precision`]: packed on the CPU, a tensor on other devices.
    ///
    /// # Errors
    /// When [`Source::values`] fails.
    pub fn weight(&mut self, name: &str, sides: [usize; 2]) -> Result<Parameter<2>, WeightError> {
        let (device, precision) = (self.device().clone(), self.precision());
        if device == Device::flex() && !self.only_checks() {
            let values = self.values(name, &sides)?;
            return Ok(Parameter::packed(PackedWeight::new(&values, sides, precision)));
        }
        match precision {
            Precision::F32 => Ok(Parameter::frozen(self.matrix(name, sides)?)),
            Precision::Bf16 => Ok(Parameter::frozen(self.in_bf16(name, sides)?)),
            Precision::Nf4 { double_quant, bf16 } => {
                let values = self.values(name, &sides)?;
                Ok(Parameter::nf4(Nf4Tensor::new(&values, sides, double_quant, bf16, &device)))
            }
        }
    }

    /// Reads the embedding table or output head with the Hugging Face name `name` and the shape `sides`,
    /// `[vocabulary, width]`. On devices other than the CPU the tensor is in bf16 if products are.
    ///
    /// # Errors
    /// When [`Source::values`] fails.
    pub fn words(&mut self, name: &str, sides: [usize; 2]) -> Result<Tensor<2>, WeightError> {
        if self.in_bf16_on_device() { self.in_bf16(name, sides) } else { self.matrix(name, sides) }
    }

    /// Returns whether the device is another one than the CPU and products round their operands to bf16.
    pub fn in_bf16_on_device(&self) -> bool {
        *self.device() != Device::flex() && computes_in_bf16(self.precision(), self.device())
    }

    fn in_bf16(&mut self, name: &str, sides: [usize; 2]) -> Result<Tensor<2>, WeightError> {
        let values = self.values(name, &sides)?;
        let values: Vec<half::bf16> = values.into_iter().map(half::bf16::from_f32).collect();
        Ok(Tensor::from_data(TensorData::new(values, sides), (self.device(), DType::BF16)))
    }

    /// Reads the convolution kernel with the Hugging Face name `name` and the shape `sides`,
    /// `[out, in, height, width]`.
    ///
    /// # Errors
    /// When [`Source::values`] fails.
    pub fn kernel(&mut self, name: &str, sides: [usize; 4]) -> Result<Tensor<4>, WeightError> {
        self.tensor(name, sides)
    }

    /// Reads the tensor with the Hugging Face name `name` and the given shape.
    ///
    /// # Errors
    /// When [`Source::values`] fails.
    pub fn tensor<const D: usize>(&mut self, name: &str, shape: [usize; D]) -> Result<Tensor<D>, WeightError> {
        let values = self.values(name, &shape)?;
        Ok(self.made(values, shape))
    }

    fn made<const D: usize>(&self, values: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
        match self.only_checks() {
            true => Tensor::<D>::zeros([1; D], self.device()).expand(shape),
            false => Tensor::from_data(TensorData::new(values, shape), self.device()),
        }
    }
}

/// Returns whether products with frozen weights in `precision` round their operands to bf16 on `device`.
#[must_use]
pub fn computes_in_bf16(precision: Precision, device: &Device) -> bool {
    matches!(precision, Precision::Bf16 | Precision::Nf4 { bf16: true, .. }) && device.supports_dtype(DType::BF16)
}
