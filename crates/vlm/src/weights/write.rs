//! Atomic writing of safetensors files.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::TensorView;

use crate::nn::source::WeightError;

/// Tensor to write to a safetensors file.
#[derive(Clone, Debug)]
pub struct NamedTensor {
    /// Name in the file.
    pub name: String,
    /// Length of each dimension; the product is the number of values.
    pub shape: Vec<usize>,
    /// Values, row by row.
    pub values: Vec<f32>,
}

/// Writes `tensors` to `path` as f32, or with `bf16` rounded to the nearest bf16. The folder must exist; an existing
/// file is replaced. The metadata is `format: pt`, which PyTorch tools expect. The file is written under a temporary
/// name beside `path`, synced, and renamed, so that it is never incomplete.
///
/// # Errors
/// When the file cannot be written, or a tensor's number of values does not match its shape.
pub fn write_safetensors(path: &Path, tensors: &[NamedTensor], bf16: bool) -> Result<(), WeightError> {
    let failed = |error: std::io::Error| WeightError::File { path: path.display().to_string(), error };
    let format = |problem: String| WeightError::Format { path: path.display().to_string(), problem };
    let bytes: Vec<Vec<u8>> = tensors.iter().map(|tensor| to_bytes(&tensor.values, bf16)).collect();
    let dtype = if bf16 { Dtype::BF16 } else { Dtype::F32 };
    let views = tensors
        .iter()
        .zip(&bytes)
        .map(|(tensor, bytes)| Ok((&tensor.name, TensorView::new(dtype, tensor.shape.clone(), bytes)?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
        .map_err(|error| format(error.to_string()))?;
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let content = safetensors::serialize(views, Some(metadata)).map_err(|error| format(error.to_string()))?;
    let beside = path.with_extension(format!("safetensors.{}.tmp", std::process::id()));
    let mut file = File::create(&beside).map_err(failed)?;
    file.write_all(&content).and_then(|()| file.sync_all()).map_err(failed)?;
    std::fs::rename(&beside, path).map_err(failed)
}

fn to_bytes(values: &[f32], bf16: bool) -> Vec<u8> {
    if bf16 {
        values.iter().flat_map(|value| half::bf16::from_f32(*value).to_le_bytes()).collect()
    } else {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }
}
