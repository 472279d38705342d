//! Writing a complete model folder in the Hugging Face layout.

use std::path::Path;

use crate::idefics3::Vlm;
use crate::nn::parameter::{Parameter, ParameterVisitor};
use crate::nn::source::WeightError;
use crate::weights::{NamedTensor, write_safetensors};

/// Files that a loadable folder has in addition to its weights.
const COMPANIONS: [&str; 12] = [
    "config.json",
    "generation_config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "chat_template.json",
    "chat_template.jinja",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
];

/// Writes the model's weights without LoRA parameters to `folder/model.safetensors`, as f32 or, with `bf16`, rounded to
/// bf16. `folder` must exist; an existing weight file is replaced. A trained copy (`modules_to_save`) is written in
/// place of its original. Configs, tokenizer and chat template are copied from the folder `base`; such files that exist
/// in `folder` are kept.
///
/// # Errors
/// When a file cannot be read or written.
pub fn save_model(model: &mut Vlm, base: &Path, folder: &Path, bf16: bool) -> Result<(), WeightError> {
    let mut collected = Collect(Vec::new());
    model.visit(&mut collected);
    write_safetensors(&folder.join("model.safetensors"), &collected.0, bf16)?;
    for name in COMPANIONS {
        let (from, to) = (base.join(name), folder.join(name));
        // `base` can be `folder` itself, and copying a file onto itself empties it.
        if from.is_file() && !to.exists() {
            std::fs::copy(&from, to).map_err(|error| WeightError::File { path: from.display().to_string(), error })?;
        }
    }
    Ok(())
}

struct Collect(Vec<NamedTensor>);

impl ParameterVisitor for Collect {
    fn visit<const D: usize>(&mut self, name: &str, parameter: &mut Parameter<D>) {
        if name.contains(".lora_") {
            return;
        }
        let values = parameter.values();
        self.0.push(NamedTensor {
            name: name.to_owned(),
            shape: values.dims().to_vec(),
            values: values.into_data().convert::<f32>().try_to_vec().unwrap_or_default(),
        });
    }
}
