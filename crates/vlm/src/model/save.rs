//! Writing a complete model folder in the Hugging Face layout.

use std::path::Path;

use crate::fault::Fault;
use crate::model::Vlm;
use crate::nn::parameter::{Parameter, ParameterVisitor};
use crate::nn::source::WeightError;
use crate::weights::{NamedTensor, SafetensorsSource, write_file, write_safetensors};

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
/// place of its original. Tensors have the names of `base`, in families whose released names are not the module names of
/// transformers. Configs, tokenizer and chat template are copied from the folder `base`; such files that exist
/// in `folder` are kept.
///
/// # Errors
/// When a file cannot be read or written.
pub fn save_model(model: &mut Vlm, base: &Path, folder: &Path, bf16: bool) -> Result<(), WeightError> {
    let mut collected = Collect(Vec::new());
    model.visit(&mut collected);
    if model.config().family.names.kept_on_export
        && let Ok(stored) = SafetensorsSource::open_model(base, model.config(), model.device())
    {
        let renamed = |tensor: &NamedTensor| stored.stored_name(&tensor.name).map(str::to_owned);
        collected.0.iter_mut().for_each(|tensor| tensor.name = renamed(tensor).unwrap_or_else(|| tensor.name.clone()));
    }
    write_safetensors(&folder.join("model.safetensors"), &collected.0, bf16)?;
    for name in COMPANIONS {
        let (from, to) = (base.join(name), folder.join(name));
        // `base` can be `folder` itself, and copying a file onto itself empties it.
        if from.is_file() && !to.exists() {
            let content = std::fs::read(&from)
                .map_err(|error| Fault::new(&from, error, "check that the file exists and can be read"))?;
            write_file(&to, &content)?;
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
            values: stepwise_ops::values_of(values),
        });
    }
}
