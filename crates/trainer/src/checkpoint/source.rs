//! What a command is pointed at: a run, a checkpoint, a PEFT folder, or a model folder.

use std::path::{Path, PathBuf};

use crate::recipe_to_model::precision;
use burn::tensor::Device;
use serde_json::Value;
use stepwise_vlm::Precision;
use stepwise_vlm::adapter::{AdapterError, load_adapter};
use stepwise_vlm::pipeline::{Reader, ReaderError};

use crate::checkpoint::{self, BEST, CheckpointError, LAST, STATE_FILE, TrainerState};
use crate::train::prompt_digest;

/// What a path turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Folder of the adapter, where there is one.
    pub adapter: Option<PathBuf>,
    /// Folder of the model that answers (under the adapter, if there is one).
    pub model: PathBuf,
    /// Folder of the untouched base it is compared with, where that is another one than `model`.
    pub base: Option<PathBuf>,
    /// The resolved recipe of the run it came from.
    pub recipe: Option<PathBuf>,
    /// The checkpoint, where it is one.
    pub checkpoint: Option<PathBuf>,
}

/// Why a path cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum SubjectError {
    /// It is none of the things expected.
    #[error(
        "{0}: neither a run, a checkpoint, a PEFT folder nor a model folder -> a folder with recipe.resolved.toml, adapter_config.json or config.json is expected"
    )]
    Unknown(String),
    /// A run without a complete checkpoint.
    #[error("{0}: the run has no complete checkpoint yet -> train it first, or go on with `--resume`")]
    NoCheckpoint(String),
    /// A file is not what it should be.
    #[error("{path}: {problem}")]
    File {
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A checkpoint trained with other prompts or pixels.
    #[error(
        "{path}: trained with other prompts, tokenizer or pixels than it would be tested with now -> use the version of stepwise and the base model it was trained with"
    )]
    Digest {
        /// The checkpoint.
        path: String,
    },
    /// The checkpoint's folder.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The model.
    #[error(transparent)]
    Reader(#[from] ReaderError),
    /// The adapter.
    #[error(transparent)]
    Adapter(#[from] AdapterError),
}

/// The resolved recipe in a run's folder.
const RECIPE: &str = "recipe.resolved.toml";

impl Subject {
    /// Finds out what `path` is; `base` overrides the base model that an adapter or a run names.
    ///
    /// # Errors
    /// When it is nothing known.
    pub fn find(path: &Path, base: Option<&Path>) -> Result<Self, SubjectError> {
        if path.join(RECIPE).is_file() {
            let linked = [BEST, LAST].iter().filter_map(|name| checkpoint::linked(path, name));
            let step = linked.into_iter().find(|step| path.join(checkpoint::name(*step)).is_dir());
            let step = step.ok_or_else(|| SubjectError::NoCheckpoint(path.display().to_string()))?;
            return Self::find(&path.join(checkpoint::name(step)), base);
        }
        let recipe = path.canonicalize().ok().and_then(|path| Some(path.parent()?.join(RECIPE)));
        let recipe = recipe.filter(|recipe| recipe.is_file());
        let trained_from = match (&recipe, base) {
            (_, Some(base)) => Some(base.to_path_buf()),
            (Some(recipe), None) => Some(base_of_recipe(recipe)?),
            (None, None) => None,
        };
        let checkpoint = path.join(STATE_FILE).is_file().then(|| path.to_path_buf());
        if path.join("adapter_config.json").is_file() {
            let model = match trained_from {
                Some(base) => base,
                None => base_of_adapter(&path.join("adapter_config.json"))?,
            };
            return Ok(Self { adapter: Some(path.to_path_buf()), model, base: None, recipe, checkpoint });
        }
        if path.join("config.json").is_file() {
            let base = trained_from.filter(|base| base != path);
            return Ok(Self { adapter: None, model: path.to_path_buf(), base, recipe, checkpoint });
        }
        Err(SubjectError::Unknown(path.display().to_string()))
    }

    /// Loads the model, and its adapter if it has one. A checkpoint is refused where its prompts differ from today's.
    ///
    /// # Errors
    /// When a file is missing or malformed, or the checkpoint's prompts differ.
    pub fn load(&self, device: &Device, image_splitting: Option<bool>) -> Result<Reader, SubjectError> {
        if let Some(checkpoint) = &self.checkpoint {
            checkpoint::verify(checkpoint)?;
        }
        let precision = match &self.recipe {
            Some(recipe) => precision_of_recipe(recipe)?,
            None => Precision::F32,
        };
        let mut reader = Reader::load_in(precision, &self.model, device)?;
        reader.processor.set_image_splitting(image_splitting);
        if let Some(adapter) = &self.adapter {
            load_adapter(&mut reader.model, adapter)?;
            reader.refresh();
        }
        if let Some(checkpoint) = &self.checkpoint
            && TrainerState::read(checkpoint)?.prompt_digest != prompt_digest(&reader)
        {
            return Err(SubjectError::Digest { path: checkpoint.display().to_string() });
        }
        Ok(reader)
    }
}

fn read_recipe(path: &Path) -> Result<toml::Table, SubjectError> {
    let failed = |problem: String| SubjectError::File { path: path.display().to_string(), problem };
    let text = std::fs::read_to_string(path).map_err(|error| failed(format!("{error} -> see that it may be read")))?;
    text.parse().map_err(|error: toml::de::Error| {
        failed(format!("{} -> it is not what the run has written: restore it, or train again", error.message()))
    })
}

fn base_of_recipe(path: &Path) -> Result<PathBuf, SubjectError> {
    let table = read_recipe(path)?;
    match table.get("model_name_or_path").and_then(toml::Value::as_str) {
        Some(base) => Ok(base.into()),
        None => Err(SubjectError::File {
            path: path.display().to_string(),
            problem: "model_name_or_path is missing -> it is not the recipe that the run has written: train again"
                .to_owned(),
        }),
    }
}

/// How the run held its base: what it trained is answered for in the same arithmetic.
fn precision_of_recipe(path: &Path) -> Result<Precision, SubjectError> {
    let table = read_recipe(path)?;
    let flag = |key: &str| table.get("train").and_then(|train| train.get(key)).and_then(toml::Value::as_bool);
    let flag = |key: &str| flag(key).unwrap_or(false);
    Ok(precision(flag("bf16"), flag("load_in_4bit"), flag("bnb_4bit_use_double_quant")))
}

fn base_of_adapter(path: &Path) -> Result<PathBuf, SubjectError> {
    let failed = |problem: String| SubjectError::File { path: path.display().to_string(), problem };
    let unread = |error: &dyn std::fmt::Display| failed(format!("{error} -> name a folder that PEFT saved, complete"));
    let text = std::fs::read_to_string(path).map_err(|error| unread(&error))?;
    let json: Value = serde_json::from_str(&text).map_err(|error| unread(&error))?;
    match json.get("base_model_name_or_path").and_then(Value::as_str) {
        Some(base) if Path::new(base).is_dir() => Ok(base.into()),
        Some(base) => Err(failed(format!(
            "its base {base} is not a folder here -> name the base model's folder, as in `--base DIR`"
        ))),
        None => Err(failed(
            "base_model_name_or_path is missing -> name the base model's folder, as in `--base DIR`".to_owned(),
        )),
    }
}
