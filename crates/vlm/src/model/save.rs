//! Writing a complete model folder in the Hugging Face layout.

use std::path::Path;

use crate::fault::Fault;
use crate::model::Vlm;
use crate::nn::parameter::{Parameter, ParameterVisitor};
use crate::nn::source::WeightError;
use crate::weights::{SafetensorsSource, SafetensorsWriter, write_file};

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
    let mut shapes = Shapes(Vec::new());
    model.visit(&mut shapes);
    if model.config().family.names.kept_on_export
        && let Ok(stored) = SafetensorsSource::open_model(base, model.config(), model.device())
    {
        for (name, _) in &mut shapes.0 {
            if let Some(renamed) = stored.stored_name(name) {
                *name = renamed.to_owned();
            }
        }
    }
    let writer = SafetensorsWriter::create(&folder.join("model.safetensors"), &shapes.0, bf16)?;
    let mut write = Write { writer, result: Ok(()) };
    model.visit(&mut write);
    write.result?;
    write.writer.finish()?;
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

/// Returns whether a parameter is a part of the complete model.
fn is_written(name: &str) -> bool {
    !name.contains(".lora_")
}

/// Names and shapes of the written parameters.
struct Shapes(Vec<(String, Vec<usize>)>);

impl ParameterVisitor for Shapes {
    fn visit<const D: usize>(&mut self, name: &str, parameter: &mut Parameter<D>) {
        if is_written(name) {
            self.0.push((name.to_owned(), parameter.shape().dims::<D>().to_vec()));
        }
    }
}

/// Writes one parameter after another, until one fails.
struct Write {
    writer: SafetensorsWriter,
    result: Result<(), WeightError>,
}

impl ParameterVisitor for Write {
    fn visit<const D: usize>(&mut self, name: &str, parameter: &mut Parameter<D>) {
        if is_written(name) && self.result.is_ok() {
            self.result = self.writer.write(&stepwise_ops::values_of(parameter.values()));
        }
    }
}
