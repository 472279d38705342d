//! Model in training: the base model with its adapter (or with trainable weights) and the optimiser.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::image_settings::ImageSettings;
use crate::recipe_to_model::{base_precision, initial_weights, is_frozen};
use burn::tensor::{Device, Shape, Tensor, TensorData};
use stepwise_recipe::{Freeze, LoraRecipe, Recipe, TargetModules, Tuning};
use stepwise_vlm::Precision;
use stepwise_vlm::adapter::{self, AdapterError, LoraConfig, Targets, load_adapter, save_adapter};
use stepwise_vlm::fault::Fault;
use stepwise_vlm::feature_cache::FeatureLimits;
use stepwise_vlm::model::ModelPart;
use stepwise_vlm::model::save_model;
use stepwise_vlm::nn::parameter::{Parameter, ParameterVisitor};
use stepwise_vlm::nn::source::WeightError;
use stepwise_vlm::pipeline::{PipelineError, VlmPipeline};
use stepwise_vlm::weights::SafetensorsSource;

use crate::optim::adamw::{AdamW, AdamWConfig};
use crate::parameters::TrainableParameters;
use crate::progress::Progress;

/// File of the optimiser's moments in a checkpoint.
pub(crate) const OPTIMIZER_FILE: &str = "optimizer.safetensors";

/// Why a model cannot be prepared for training, saved or restored.
#[derive(Debug, thiserror::Error)]
pub enum LearnerError {
    /// The base model cannot be loaded.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    /// The adapter cannot be attached, loaded or saved.
    #[error(transparent)]
    Adapter(#[from] AdapterError),
    /// A weight file cannot be read or written.
    #[error(transparent)]
    Weights(#[from] WeightError),
    /// `[lora]` differs from the adapter that training continues with.
    #[error(
        "{folder}: the adapter has {has}, but the recipe has {wanted} -> set the values of the adapter in `[lora]`"
    )]
    OtherAdapter {
        /// Folder of the adapter.
        folder: String,
        /// Settings of the adapter, in recipe syntax.
        has: String,
        /// Settings of the recipe.
        wanted: String,
    },
    /// The recipe freezes every part of the model.
    #[error("nothing is trained: every part of the model is frozen -> set one of the `freeze_*` keys to false")]
    Frozen,
    /// A phase freezes every trainable part.
    #[error(
        "nothing is trained in phase {0}: it freezes every trainable part of the model -> remove one of its \
         `freeze_*` keys, or choose other `target_modules`"
    )]
    FrozenPhase(String),
}

/// A model in training: base model, adapter and optimiser.
pub struct Learner {
    /// Model and processor.
    pub pipeline: VlmPipeline,
    /// Optimiser of the trainable parameters.
    pub optimizer: AdamW,
    /// Config of the adapter; None in full fine-tuning.
    pub lora: Option<LoraConfig>,
    base: std::path::PathBuf,
    precision: Precision,
    limits: FeatureLimits,
    /// Names of the parameters that the recipe trains in any phase.
    trained: BTreeSet<String>,
    /// Parts that the current phase freezes in addition.
    freeze: Freeze,
}

impl Learner {
    /// Loads the recipe's base model to `device`, attaches or loads its adapter, and makes trainable what the recipe
    /// trains. Parameters of the image encoder that no gradient reaches stay frozen, with a note.
    ///
    /// # Errors
    /// When the model or adapter cannot be loaded, a target module matches nothing, the adapter differs from `[lora]`,
    /// or nothing is trained in the run or in one of its phases.
    pub fn new(recipe: &Recipe, device: &Device, progress: &mut dyn Progress) -> Result<Self, LearnerError> {
        let precision = base_precision(&recipe.train);
        let mut pipeline = VlmPipeline::load_in(precision, &recipe.model_name_or_path, device)?;
        let options = ImageSettings::reported(recipe, progress).map_err(PipelineError::from)?;
        pipeline.processor.set_image_options(options).map_err(PipelineError::from)?;
        let never = recipe.tuning.freeze();
        let lora = match &recipe.tuning {
            Tuning::Lora { lora } => {
                let mut config = config(lora);
                if let Some(folder) = &recipe.adapter_name_or_path {
                    config.init_lora_weights = go_on_with(&mut pipeline, folder, &config)?;
                    progress.note(&format!("{}: training continues with {}", folder.display(), settings(&config)));
                } else {
                    let allowed = |name: &str| !is_frozen(never, ModelPart::of(name));
                    let mut slow = config.init_lora_weights == adapter::InitLoraWeights::Pissa;
                    adapter::attach_watched(&mut pipeline.model, &config, recipe.seed, allowed, &mut |done, all| {
                        progress.advance("adapters", done as u64, all as u64);
                        if std::mem::take(&mut slow) && done < all {
                            progress.note(&format!(
                                "PiSSA: computing principal singular vectors of {all} weights, {done} done"
                            ));
                        }
                    })?;
                }
                Some(config)
            }
            Tuning::Full { .. } => {
                pipeline.model.visit(&mut SetLearning(|name: &str| !is_frozen(never, ModelPart::of(name))));
                None
            }
        };
        let behind = pipeline.model.freeze_behind_features();
        if behind > 0 {
            progress.note(&format!(
                "{behind} tensors of the image encoder are not trained: they lie behind the last layer from which \
                 `vision_feature_layer` takes features, so no gradient reaches them, and they are saved as they are"
            ));
        }
        let train = &recipe.train;
        let bytes = |gibibytes: f64| (gibibytes * f64::from(1 << 30)) as u64;
        let limits = FeatureLimits {
            memory_bytes: bytes(train.feature_cache_gb),
            folder: train.feature_cache_dir.clone(),
            disk_bytes: bytes(train.feature_cache_disk_gb),
        };
        pipeline.remember(&limits);
        let optimizer = AdamW::new(AdamWConfig {
            beta1: train.adam_beta1,
            beta2: train.adam_beta2,
            epsilon: train.adam_epsilon,
            weight_decay: train.weight_decay,
        });
        let trainable = TrainableParameters::of(&mut pipeline.model);
        if trainable.groups.is_empty() {
            return Err(LearnerError::Frozen);
        }
        if let Some(phase) = recipe.curriculum.phase.iter().find(|phase| trainable.but(phase.freeze).groups.is_empty())
        {
            return Err(LearnerError::FrozenPhase(phase.name.clone()));
        }
        let mut trained = Trained::default();
        pipeline.model.visit(&mut trained);
        let (base, trained, freeze) = (recipe.model_name_or_path.clone(), trained.0, Freeze::default());
        Ok(Self { pipeline, optimizer, lora, base, precision, limits, trained, freeze })
    }

    /// Freezes the parts `freeze`, in place of those of the earlier call and in addition to what the recipe never
    /// trains, and empties the cache of image features and states. Returns whether anything changed. Frozen parameters take no
    /// optimiser step, and their moments stay unchanged.
    pub fn freeze(&mut self, freeze: Freeze) -> bool {
        if freeze == self.freeze {
            return false;
        }
        self.freeze = freeze;
        let trained = &self.trained;
        let learns = |name: &str| trained.contains(name) && !is_frozen(freeze, ModelPart::of(name));
        self.pipeline.model.visit(&mut SetLearning(learns));
        // Empties the cache: what it holds may come from earlier weights, and other blocks may be trained now.
        self.pipeline.remember(&self.limits);
        true
    }

    /// Returns the optimiser steps of the trained parts whose step count differs from `all`.
    #[must_use]
    pub fn steps_other_than(&self, all: u64) -> BTreeMap<ModelPart, u64> {
        let parts: BTreeSet<ModelPart> = self.trained.iter().map(|name| ModelPart::of(name)).collect();
        let steps = parts.into_iter().map(|part| (part, self.optimizer.steps(part)));
        steps.filter(|(_, steps)| *steps != all).collect()
    }

    /// Loads the untouched base as a second model. Needed in full fine-tuning only; returns None with an adapter,
    /// because the base is then available by switching the adapter off.
    ///
    /// # Errors
    /// When the base cannot be loaded again.
    pub fn other_base(&self) -> Result<Option<VlmPipeline>, LearnerError> {
        if self.lora.is_some() {
            return Ok(None);
        }
        let mut base = VlmPipeline::load_in(self.precision, &self.base, self.pipeline.model.device())?;
        base.processor = self.pipeline.processor.clone();
        Ok(Some(base))
    }

    /// Writes the trained weights and the optimiser's moments into `folder`, which must exist. The folder becomes a
    /// PEFT folder (adapter config and weights) or, in full fine-tuning, a complete model folder; the moments are in
    /// `optimizer.safetensors`. Existing files are replaced. If the recipe sets another image splitting
    /// than the base, the folder states it.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn save(&mut self, folder: &Path) -> Result<(), LearnerError> {
        match &self.lora {
            Some(config) => {
                save_adapter(&mut self.pipeline.model, config, &self.base.display().to_string(), folder)?;
            }
            None => save_model(&mut self.pipeline.model, &self.base, folder, false)?,
        }
        self.pipeline.processor.save_image_options(&self.base, folder).map_err(PipelineError::from)?;
        self.optimizer.save(&folder.join(OPTIMIZER_FILE))?;
        Ok(())
    }

    /// Restores weights and moments from the checkpoint `folder`, in place. `steps` are the optimiser steps of each
    /// part. Afterwards everything that the recipe trains is trainable.
    ///
    /// # Errors
    /// When a file of the checkpoint cannot be read, has other tensors or shapes, or holds values that are not finite.
    pub fn restore(&mut self, folder: &Path, steps: BTreeMap<ModelPart, u64>) -> Result<(), LearnerError> {
        let device = self.pipeline.model.device().clone();
        match &self.lora {
            Some(config) => {
                load_adapter(&mut self.pipeline.model, folder)?;
                if config.init_lora_weights == adapter::InitLoraWeights::Pissa {
                    adapter::take_apart(&mut self.pipeline.model, config)?;
                }
                self.pipeline.model.freeze_behind_features();
            }
            None => {
                let source = SafetensorsSource::open_model(folder, self.pipeline.model.config(), &device)?;
                let mut restore = Restore { source, place: folder.display().to_string(), problem: None };
                self.pipeline.model.visit(&mut restore);
                if let Some(problem) = restore.problem {
                    return Err(problem.into());
                }
            }
        }
        let moments = self.saved_moments(&folder.join(OPTIMIZER_FILE), &device)?;
        self.optimizer.restore(steps, moments, &device);
        // Empties the cache: what it holds may come from earlier weights.
        self.pipeline.remember(&self.limits);
        Ok(())
    }

    /// Reads the optimiser's moments of a checkpoint, which must belong to the trained parameters.
    fn saved_moments(&mut self, file: &Path, device: &Device) -> Result<Vec<(String, Vec<f32>)>, WeightError> {
        let mut sizes = Sizes::default();
        self.pipeline.model.visit(&mut sizes);
        let saved = SafetensorsSource::open(&[file.to_owned()], device)?;
        let moment = |name: &str| {
            let (found, values) = saved.any(name)?;
            let parameter = AdamW::parameter_of(name).filter(|parameter| self.trained.contains(*parameter));
            let Some(size) = parameter.and_then(|parameter| sizes.0.get(parameter)) else {
                let problem = format!("tensor {name} belongs to no parameter that the recipe trains");
                return Err(Fault::new(file, problem, "use an earlier checkpoint of the run").into());
            };
            if found != [*size] {
                let (name, place, expected) = (name.to_owned(), file.display().to_string(), vec![*size]);
                return Err(WeightError::Shape { name, place, found, expected });
            }
            Ok((name.to_owned(), values))
        };
        saved.names().map(moment).collect()
    }
}

/// Loads the adapter of a PEFT folder to continue its training. The adapter must match the recipe. Returns the
/// adapter's initialisation method.
fn go_on_with(
    pipeline: &mut VlmPipeline,
    folder: &Path,
    wanted: &LoraConfig,
) -> Result<adapter::InitLoraWeights, LearnerError> {
    let found = load_adapter(&mut pipeline.model, folder)?;
    adapter::set_dropout(&mut pipeline.model, wanted.lora_dropout);
    let (has, wanted) = (settings(&found), settings(wanted));
    if has != wanted {
        return Err(LearnerError::OtherAdapter { folder: folder.display().to_string(), has, wanted });
    }
    Ok(found.init_lora_weights)
}

/// The settings that decide an adapter's arithmetic, in recipe syntax.
fn settings(config: &LoraConfig) -> String {
    let LoraConfig { r, lora_alpha, use_rslora, .. } = config;
    let mut said = format!("r = {r}, lora_alpha = {lora_alpha}, use_rslora = {use_rslora}");
    if config.use_dora {
        said.push_str(", use_dora = true");
    }
    let patterns = [
        ("rank_pattern", config.rank_pattern.iter().map(|(name, rank)| format!("{name:?} = {rank}")).collect()),
        ("alpha_pattern", config.alpha_pattern.iter().map(|(name, alpha)| format!("{name:?} = {alpha}")).collect()),
    ];
    for (key, entries) in patterns.into_iter().filter(|(_, entries): &(_, Vec<String>)| !entries.is_empty()) {
        said.push_str(&format!(", {key} = {{ {} }}", entries.join(", ")));
    }
    if !config.modules_to_save.is_empty() {
        said.push_str(&format!(", modules_to_save = {:?}", config.modules_to_save));
    }
    said
}

/// Adapter config from the recipe's `[lora]` section.
fn config(lora: &LoraRecipe) -> LoraConfig {
    LoraConfig {
        lora_dropout: lora.lora_dropout as f32,
        exclude_modules: lora.exclude_modules.as_ref().map(targets),
        layers_to_transform: lora.layers_to_transform.iter().map(|index| *index as usize).collect(),
        layers_pattern: lora.layers_pattern.clone(),
        use_rslora: lora.use_rslora,
        use_dora: lora.use_dora,
        rank_pattern: lora.rank_pattern.iter().map(|(name, rank)| (name.clone(), *rank as usize)).collect(),
        alpha_pattern: lora.alpha_pattern.iter().map(|(name, alpha)| (name.clone(), *alpha as f32)).collect(),
        init_lora_weights: initial_weights(lora.init_lora_weights),
        modules_to_save: lora.modules_to_save.clone(),
        ..LoraConfig::new(lora.r as usize, lora.lora_alpha as f32, targets(&lora.target_modules))
    }
}

fn targets(modules: &TargetModules) -> Targets {
    match modules {
        TargetModules::Pattern(pattern) => Targets::Pattern(pattern.clone()),
        TargetModules::Suffixes(ends) => Targets::List(ends.clone()),
    }
}

/// Collects the number of values of every parameter.
#[derive(Default)]
struct Sizes(BTreeMap<String, usize>);

impl ParameterVisitor for Sizes {
    fn visit<const D: usize>(&mut self, name: &str, parameter: &mut Parameter<D>) {
        self.0.insert(name.to_owned(), parameter.shape().num_elements());
    }
}

struct SetLearning<F>(F);

impl<F: Fn(&str) -> bool> ParameterVisitor for SetLearning<F> {
    fn visit<const D: usize>(&mut self, name: &str, parameter: &mut Parameter<D>) {
        parameter.set_learning((self.0)(name));
    }
}

/// Collects the names of the trainable parameters.
#[derive(Default)]
struct Trained(BTreeSet<String>);

impl ParameterVisitor for Trained {
    fn visit<const D: usize>(&mut self, name: &str, parameter: &mut Parameter<D>) {
        if parameter.learns() {
            self.0.insert(name.to_owned());
        }
    }
}

/// Overwrites every parameter with the tensor of the same name in a model folder. Keeps the first problem; parameters
/// after it stay as they are.
struct Restore {
    source: SafetensorsSource,
    place: String,
    problem: Option<WeightError>,
}

impl Restore {
    fn read(&self, name: &str, shape: &Shape) -> Result<TensorData, WeightError> {
        let (found, values) = self.source.any(name)?;
        if found != shape.to_vec() {
            let (name, place, expected) = (name.to_owned(), self.place.clone(), shape.to_vec());
            return Err(WeightError::Shape { name, place, found, expected });
        }
        Ok(TensorData::new(values, found))
    }
}

impl ParameterVisitor for Restore {
    fn visit<const D: usize>(&mut self, name: &str, parameter: &mut Parameter<D>) {
        if self.problem.is_some() {
            return;
        }
        match self.read(name, &parameter.shape()) {
            Ok(data) => {
                let device = parameter.values().device();
                parameter.replace(Tensor::from_data(data, &device));
            }
            Err(problem) => self.problem = Some(problem),
        }
    }
}
