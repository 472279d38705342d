//! What the headers of a model folder's safetensors files say, before any value is read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use burn::tensor::Device;

use super::read::{SafetensorsSource, nearest};
use crate::families::ModelConfig;
use crate::model::ModelPart;
use crate::nn::source::WeightError;

/// Files and tensors of a model folder, from the headers of the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredWeights {
    /// Files in the order of reading.
    pub files: Vec<PathBuf>,
    /// Size of all files together in bytes.
    pub bytes: u64,
    /// Number of tensors.
    pub tensors: usize,
    /// Number of values by stored type, such as `BF16`.
    pub values: BTreeMap<String, u64>,
    /// Number of values in the linear layers of all layers, which `bf16` and `load_in_4bit` store in fewer bits.
    pub in_linears: u64,
    /// Number of linear layers in the decoder's layers, to which `target_modules = "all-linear"` adds LoRA.
    pub decoder_linears: usize,
    /// Sum of input and output features of these layers: LoRA's values for each unit of rank.
    pub lora_width: u64,
}

impl StoredWeights {
    /// Reads the headers of the weights in `folder` and checks that no layer lacks a tensor.
    ///
    /// # Errors
    /// When a file is absent, cannot be read or is malformed, or a layer of image encoder or decoder lacks a tensor that
    /// most layers have.
    pub fn of(folder: &Path, config: &ModelConfig) -> Result<Self, WeightError> {
        let source = SafetensorsSource::open_model(folder, config, &Device::flex())?;
        complete(&source, config)?;
        let mut values = BTreeMap::new();
        let (mut in_linears, mut decoder_linears, mut lora_width, mut tensors) = (0, 0, 0, 0);
        source.headers(|name, of_type, shape| {
            tensors += 1;
            let count = shape.iter().map(|side| *side as u64).product::<u64>();
            *values.entry(of_type).or_default() += count;
            if let (Some(_), [out, input]) = (layer_of(name), shape) {
                in_linears += count;
                if ModelPart::of(name) == ModelPart::Decoder {
                    decoder_linears += 1;
                    lora_width += (out + input) as u64;
                }
            }
        })?;
        let files = source.paths();
        let bytes = source.bytes();
        Ok(Self { files, bytes, tensors, values, in_linears, decoder_linears, lora_width })
    }

    /// Returns the number of values of all tensors.
    #[must_use]
    pub fn parameters(&self) -> u64 {
        self.values.values().sum()
    }
}

/// Checks that every layer of image encoder and decoder has the tensors that most layers have. Finds a missing tensor
/// before any is read.
///
/// # Errors
/// [`WeightError::Missing`] for the first missing tensor.
pub(super) fn complete(source: &SafetensorsSource, config: &ModelConfig) -> Result<(), WeightError> {
    let missing = |name: String| {
        let nearest = nearest(&name, source.names());
        Err(WeightError::Missing { place: source.folder().to_owned(), nearest, name })
    };
    // Suffixes of each layer by the name of the list of layers.
    let mut lists: BTreeMap<&str, BTreeMap<usize, BTreeSet<&str>>> = BTreeMap::new();
    for name in source.names() {
        if let Some((list, layer, suffix)) = layer_of(name) {
            lists.entry(list).or_default().entry(layer).or_default().insert(suffix);
        }
    }
    let wanted =
        [(ModelPart::Vision, config.vision.num_hidden_layers), (ModelPart::Decoder, config.text.num_hidden_layers)];
    for (part, layers) in wanted {
        // Other lists of a part, such as the mergers of deepstack features, are shorter.
        let longest = lists.iter().filter(|(list, _)| ModelPart::of(&format!("{list}.")) == part);
        let Some((list, found)) = longest.max_by_key(|(_, found)| found.len()) else { continue };
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        found.values().flatten().for_each(|suffix| *counts.entry(suffix).or_default() += 1);
        let usual: Vec<&str> = counts
            .into_iter()
            .filter(|(_, count)| *count * 2 > layers.min(found.len()))
            .map(|(name, _)| name)
            .collect();
        for layer in 0..layers {
            let lacking = usual.iter().find(|suffix| !found.get(&layer).is_some_and(|has| has.contains(*suffix)));
            if let Some(suffix) = lacking {
                return missing(format!("{list}.{layer}.{suffix}"));
            }
        }
    }
    Ok(())
}

/// Name of the list of layers, number of the layer and rest of the name; None for a tensor outside a layer.
fn layer_of(name: &str) -> Option<(&str, usize, &str)> {
    let mut start = 0;
    for part in name.split('.') {
        if let (Ok(layer), true) = (part.parse(), start > 0) {
            return Some((&name[..start - 1], layer, name.get(start + part.len() + 1..)?));
        }
        start += part.len() + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart_at_the_first_number() {
        let name = "model.language_model.layers.12.mlp.experts.3.weight";
        assert_eq!(layer_of(name), Some(("model.language_model.layers", 12, "mlp.experts.3.weight")));
        assert_eq!(layer_of("lm_head.weight"), None);
        assert_eq!(layer_of("3.weight"), None);
        assert_eq!(layer_of("layers.3"), None);
    }
}
