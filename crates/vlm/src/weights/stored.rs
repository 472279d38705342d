//! What the headers of a model folder's safetensors files say, before any value is read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use burn::tensor::Device;

use super::files;
use super::read::SafetensorsSource;
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
    /// Stored names of the lists of layers, such as `language_model.model.layers`, sorted.
    pub layer_lists: Vec<String>,
    /// Whether all tensors have the module names of transformers; false for older names.
    pub has_module_names: bool,
    /// Sum of input and output features of these layers: LoRA's values for each unit of rank.
    pub lora_width: u64,
}

impl StoredWeights {
    /// Reads the headers of the weights in `folder` and checks them as [`SafetensorsSource::check`] does.
    ///
    /// # Errors
    /// When a file is absent, cannot be read or is malformed, and errors of [`SafetensorsSource::check`].
    pub fn of(folder: &Path, config: &ModelConfig) -> Result<Self, WeightError> {
        let source = SafetensorsSource::open_model(folder, config, &Device::flex())?;
        source.check(config)?;
        let mut values = BTreeMap::new();
        let (mut layer_lists, mut has_module_names) = (BTreeSet::new(), true);
        let (mut in_linears, mut decoder_linears, mut lora_width, mut tensors) = (0, 0, 0, 0);
        source.headers(|name, of_type, shape| {
            tensors += 1;
            let stored = source.stored_name(name).unwrap_or(name);
            has_module_names &= stored == name;
            layer_lists.extend(layer_of(stored).map(|(list, ..)| list.to_owned()));
            let count = shape.iter().map(|side| *side as u64).product::<u64>();
            *values.entry(of_type).or_default() += count;
            if let (Some(_), [out, input]) = (layer_of(name), shape) {
                in_linears += count;
                if ModelPart::of(name) == ModelPart::Decoder {
                    decoder_linears += 1;
                    lora_width += (out + input) as u64;
                }
            }
        });
        let files = source.paths();
        let bytes = source.bytes();
        let layer_lists = layer_lists.into_iter().collect();
        Ok(Self {
            files,
            bytes,
            tensors,
            values,
            in_linears,
            decoder_linears,
            layer_lists,
            has_module_names,
            lora_width,
        })
    }

    /// Returns the names of the weight files that `folder` lacks: the file of a whole model, or absent shards of its index.
    /// Empty if none is missing.
    #[must_use]
    pub fn missing_files(folder: &Path) -> Vec<String> {
        files::absent(folder)
    }

    /// Returns the number of values of all tensors.
    #[must_use]
    pub fn parameters(&self) -> u64 {
        self.values.values().sum()
    }
}

/// Returns name of the list of layers, number of the layer and rest of the name; None for a tensor outside a layer.
pub(super) fn layer_of(name: &str) -> Option<(&str, usize, &str)> {
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
