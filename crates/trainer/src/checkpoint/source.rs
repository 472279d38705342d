//! Model source: the path of a run, a checkpoint, a PEFT folder or a model folder, and how to load it.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use crate::image_settings::of_table;
use crate::recipe_to_model::precision;
use burn::tensor::Device;
use serde_json::Value;
use stepwise_data::io::bounded;
use stepwise_vlm::Precision;
use stepwise_vlm::adapter::{AdapterError, load_adapter};
use stepwise_vlm::fault::Fault;
use stepwise_vlm::images::processor::ImageOptions;
use stepwise_vlm::json_file::parse;
use stepwise_vlm::misplaced::{Wanted, misplaced};
use stepwise_vlm::pipeline::{PipelineError, VlmPipeline};
use stepwise_vlm::processor::stated_options;

use crate::checkpoint::{self, CheckpointError, Delivered, STATE_FILE, TrainerState};
use crate::train::prompt_digest;

/// A model source on disk, with the folders that belong to it.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelSource {
    /// Folder of the adapter; None if there is no adapter.
    pub adapter: Option<PathBuf>,
    /// Folder of the model, to which the adapter is applied if there is one.
    pub model: PathBuf,
    /// Folder of the untouched base; None if it is the same as `model` or unknown.
    pub base: Option<PathBuf>,
    /// Resolved recipe of the run that produced the model; None if there is no such file.
    pub recipe: Option<PathBuf>,
    /// Folder of the checkpoint; None if the path is not a checkpoint.
    pub checkpoint: Option<PathBuf>,
    /// Which checkpoint of a run was taken, and why; None if the path is not the folder of a run.
    pub delivered: Option<Delivered>,
}

/// Why a model source cannot be found or loaded.
#[derive(Debug, thiserror::Error)]
pub enum ModelSourceError {
    /// The path is a link to nothing.
    #[error("{0}: leads to {1}, which does not exist -> restore that folder, or name the run or another checkpoint")]
    Nowhere(String, String),
    /// The run has no complete checkpoint.
    #[error("{0}: the run has no complete checkpoint yet -> start the training, or continue it with `--resume`")]
    NoCheckpoint(String),
    /// The path is none of the accepted kinds, or a file is missing or invalid.
    #[error(transparent)]
    File(#[from] Fault),
    /// The checkpoint was trained with the other image splitting.
    #[error(
        "{path}: the model was trained with `do_image_splitting = {trained}`, and is loaded with {} -> leave \
         `--do_image_splitting` out, or set it to {trained}",
        !trained
    )]
    Splitting {
        /// Folder of the checkpoint.
        path: String,
        /// Image splitting in training.
        trained: bool,
    },
    /// The checkpoint was trained with other prompts, another tokenizer or another pixel pipeline.
    #[error(
        "{path}: the model was trained with other prompts, another tokenizer or another pixel pipeline than the present one -> use the version of stepwise and the base model of the training"
    )]
    Digest {
        /// Folder of the checkpoint.
        path: String,
    },
    /// The checkpoint cannot be read or is damaged.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The model cannot be loaded.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    /// The adapter cannot be loaded.
    #[error(transparent)]
    Adapter(#[from] AdapterError),
}

/// Name of the resolved recipe in a run's folder.
const RECIPE: &str = "recipe.resolved.toml";

impl ModelSource {
    /// Determines what `path` is: a run, a checkpoint, a PEFT folder or a model folder. For a run, the delivered
    /// checkpoint is taken ([`Delivered::of_run`]). `base` overrides the base model that the adapter or the run names.
    /// No weights are read.
    ///
    /// # Errors
    /// When the path is none of the accepted kinds, the run has no checkpoint, or the recipe or adapter config cannot
    /// be read.
    pub fn find(path: &Path, base: Option<&Path>) -> Result<Self, ModelSourceError> {
        if path.join(RECIPE).is_file() {
            let delivered = Delivered::of_run(path);
            let delivered = delivered.ok_or_else(|| ModelSourceError::NoCheckpoint(path.display().to_string()))?;
            let found = Self::find(&delivered.folder, base)?;
            return Ok(Self { delivered: Some(delivered), ..found });
        }
        if let Some(target) = std::fs::read_link(path).ok().filter(|_| !path.exists()) {
            return Err(ModelSourceError::Nowhere(path.display().to_string(), target.display().to_string()));
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
            return Ok(Self {
                adapter: Some(path.to_path_buf()),
                model,
                base: None,
                recipe,
                checkpoint,
                delivered: None,
            });
        }
        if path.join("config.json").is_file() {
            let base = trained_from.filter(|base| base != path);
            return Ok(Self { adapter: None, model: path.to_path_buf(), base, recipe, checkpoint, delivered: None });
        }
        Err(misplaced(path, Wanted::Source).into())
    }

    /// Returns the folder of the untouched base: [`ModelSource::base`], or with an adapter [`ModelSource::model`]. None
    /// where no base is known.
    #[must_use]
    pub fn untouched(&self) -> Option<&Path> {
        self.base.as_ref().or(self.adapter.as_ref().map(|_| &self.model)).map(PathBuf::as_path)
    }

    /// Returns the folder of the adapter from which the training of the run started. None where it started a new adapter,
    /// and without a run.
    ///
    /// # Errors
    /// When the recipe cannot be read.
    pub fn starting_adapter(&self) -> Result<Option<PathBuf>, ModelSourceError> {
        let Some(recipe) = &self.recipe else { return Ok(None) };
        let table = read_recipe(recipe)?;
        Ok(table.get("adapter_name_or_path").and_then(toml::Value::as_str).map(PathBuf::from))
    }

    /// Returns the image settings that replace settings of the model folder: those of the run's recipe, or else those that
    /// an adapter folder states.
    ///
    /// # Errors
    /// When a file that states them cannot be read.
    pub fn image_options(&self) -> Result<ImageOptions, ModelSourceError> {
        let of_adapter = match &self.adapter {
            Some(adapter) => stated_options(adapter).map_err(PipelineError::from)?,
            None => ImageOptions::default(),
        };
        let Some(recipe) = &self.recipe else { return Ok(of_adapter) };
        Ok(of_table(&read_recipe(recipe)?).or(of_adapter))
    }

    /// Verifies the checkpoint, if it is one, and loads the model and its adapter to `device`, in the precision of the
    /// run's recipe (f32 without a recipe). `stated` overrides [`ModelSource::image_options`].
    ///
    /// # Errors
    /// When a file is missing or invalid, or when the checkpoint was trained with other prompts, another tokenizer or
    /// another pixel pipeline.
    pub fn load(&self, device: &Device, stated: ImageOptions) -> Result<VlmPipeline, ModelSourceError> {
        if let Some(checkpoint) = &self.checkpoint {
            checkpoint::verify(checkpoint)?;
        }
        let precision = match &self.recipe {
            Some(recipe) => precision_of_recipe(recipe)?,
            None => Precision::F32,
        };
        let mut pipeline = VlmPipeline::load_in(precision, &self.model, device)?;
        let options = stated.or(self.image_options()?);
        pipeline.processor.set_image_options(options).map_err(PipelineError::from)?;
        if let Some(adapter) = &self.adapter {
            load_adapter(&mut pipeline.model, adapter)?;
            pipeline.refresh();
        }
        if let Some(checkpoint) = &self.checkpoint {
            check_digest(checkpoint, &mut pipeline)?;
        }
        Ok(pipeline)
    }
}

/// Checks that the model is loaded with the prompts, the tokenizer and the pixel pipeline of its training.
fn check_digest(checkpoint: &Path, pipeline: &mut VlmPipeline) -> Result<(), ModelSourceError> {
    let trained = TrainerState::read(checkpoint)?.prompt_digest;
    if trained == prompt_digest(pipeline) {
        return Ok(());
    }
    let path = checkpoint.display().to_string();
    if let Some(splitting) = pipeline.processor.image_splitting() {
        pipeline.processor.set_image_splitting(Some(!splitting));
        if trained == prompt_digest(pipeline) {
            return Err(ModelSourceError::Splitting { path, trained: !splitting });
        }
    }
    Err(ModelSourceError::Digest { path })
}

/// Advice for a resolved recipe that cannot be read.
const CHANGED: &str = "the file was changed after the run: restore it, or train again";

fn read_recipe(path: &Path) -> Result<toml::Table, Fault> {
    let text = bounded::text(path).map_err(|error| Fault::new(path, error, "check its permissions"))?;
    text.parse().map_err(|error: toml::de::Error| Fault::new(path, error.message(), CHANGED))
}

fn base_of_recipe(path: &Path) -> Result<PathBuf, Fault> {
    let table = read_recipe(path)?;
    let base = table.get("model_name_or_path").and_then(toml::Value::as_str).map(PathBuf::from);
    base.ok_or_else(|| Fault::new(path, "model_name_or_path is missing", CHANGED))
}

/// Precision of the base in the run, so that the evaluation uses the same arithmetic.
fn precision_of_recipe(path: &Path) -> Result<Precision, Fault> {
    let table = read_recipe(path)?;
    let flag = |key: &str| table.get("train").and_then(|train| train.get(key)).and_then(toml::Value::as_bool);
    let flag = |key: &str| flag(key).unwrap_or(false);
    Ok(precision(flag("bf16"), flag("load_in_4bit"), flag("bnb_4bit_use_double_quant")))
}

fn base_of_adapter(path: &Path) -> Result<PathBuf, Fault> {
    let unread = |error: &dyn Display| Fault::new(path, error, "name a folder that PEFT saved, complete");
    let text = bounded::text(path).map_err(|error| unread(&error))?;
    let json: Value = parse(&text).map_err(|error| unread(&error))?;
    let base = json.get("base_model_name_or_path").and_then(Value::as_str);
    match base.map(|base| (base, stepwise_config::path::resolved(Path::new(base)))) {
        Some((_, Ok(folder))) if folder.is_dir() => Ok(folder),
        Some((base, _)) => Err(Fault::new(
            path,
            format!("the base model {base} is not a folder on this machine, and nothing is downloaded"),
            "name its folder with `--base DIR`",
        )),
        None => Err(Fault::new(
            path,
            "base_model_name_or_path is missing",
            "name the folder of the base model with `--base DIR`",
        )),
    }
}
