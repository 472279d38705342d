//! A whole model folder in the Hugging Face layout.

use std::path::Path;

use super::{NamedTensor, WeightError, write_safetensors};
use crate::model::Vlm;
use crate::model::parameter::{Parameter, ParameterVisitor};

/// Writes the model's own weights (no adapters) to `folder/model.safetensors`, and copies beside it what else makes the
/// folder of its `base` loadable: configs, tokenizer, chat template.
///
/// # Errors
/// When a file cannot be read or written.
pub fn save_model(model: &mut Vlm, base: &Path, folder: &Path, bf16: bool) -> Result<(), WeightError> {
    let mut collected = Collect(Vec::new());
    model.visit(&mut collected);
    write_safetensors(&folder.join("model.safetensors"), &collected.0, bf16)?;
    let failed = |path: &Path, error: std::io::Error| WeightError::File { path: path.display().to_string(), error };
    for entry in std::fs::read_dir(base).map_err(|error| failed(base, error))? {
        let path = entry.map_err(|error| failed(base, error))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let describes = [".json", ".jinja", ".txt"].iter().any(|ending| name.ends_with(ending));
        let copy = folder.join(name);
        // A file copied onto itself would be emptied.
        if path.is_file() && describes && !name.ends_with(".index.json") && !copy.exists() {
            std::fs::copy(&path, copy).map_err(|error| failed(&path, error))?;
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
