//! Safetensors files written whole or not at all.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::TensorView;

use crate::nn::source::WeightError;

/// A tensor to be written.
#[derive(Clone, Debug)]
pub struct NamedTensor {
    /// Its name in the file.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its values, row by row.
    pub values: Vec<f32>,
}

/// Writes `tensors` to `path` as f32, or as bf16 rounded to nearest, with `format: pt` as PyTorch's tools expect. The file
/// appears complete or not at all: it is written beside, synced, and renamed.
///
/// # Errors
/// When the file cannot be written.
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
