//! What the model, the processor and the weights need to know about a family besides its code.

use std::sync::Arc;

use serde_json::Value;
use stepwise_data::box_format::BoxFormat;

use crate::images::processor::ImageProcessor;
use crate::images::settings::SettingError;

/// Facts of a model family.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FamilyFacts {
    /// Names of the models, for messages.
    pub name: &'static str,
    /// Values of `model_type` in `config.json`.
    pub model_types: &'static [&'static str],
    /// Values of `processor_class`, without the suffixes of implementations.
    pub processors: &'static [&'static str],
    /// Values of `image_processor_type`, without the suffixes of implementations.
    pub image_processors: &'static [&'static str],
    /// Makes the image preprocessing from its settings and, if the folder has one, `processor_config.json`.
    pub read_processor: ReadProcessor,
    /// Settings of [`ImageOptions`](crate::images::processor::ImageOptions) that the family has, by their names there, apart
    /// from `box_format`, which all families have.
    pub image_options: &'static [&'static str],
    /// Returns the unit in which the models were trained to give boxes. The argument is `model_type` of `config.json`, or
    /// `processor_class` in a folder without it.
    pub box_format: fn(&str) -> BoxFormat,
    /// Tokens that the tokenizer must have.
    pub tokens: &'static [&'static str],
    /// Says whether a token structures turns and images, even if it is not marked as special.
    pub is_structural: fn(&str) -> bool,
    /// Token that ends a turn.
    pub turn_end: &'static str,
    /// Names of tensors in checkpoints.
    pub names: TensorNames,
    /// Beginnings of the names of image encoder modules in transformers.
    pub encoder_modules: &'static [&'static str],
    /// Beginnings of the names of connector modules in transformers, which may be modules of the image encoder.
    pub connector_modules: &'static [&'static str],
}

/// Reader of image preprocessing settings.
pub(crate) type ReadProcessor = fn(&Value, Option<&Value>) -> Result<Arc<dyn ImageProcessor>, ProcessorSettingError>;

/// Error of the settings of a processor, with the file that they stand in.
#[derive(Debug)]
pub(crate) enum ProcessorSettingError {
    /// Image preprocessing settings.
    Images(SettingError),
    /// `processor_config.json`, with the problem.
    Processor(String),
}

impl From<SettingError> for ProcessorSettingError {
    fn from(error: SettingError) -> Self {
        Self::Images(error)
    }
}

/// Names of a family's tensors in checkpoints, which differ from the module names of transformers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TensorNames {
    /// Returns the module name of a stored tensor; a module name is returned unchanged.
    pub current: fn(&str) -> String,
    /// Returns the name of the tensor that can hold the last rows of a tensor; None if the tensor is never split.
    pub split_off: fn(&str) -> Option<&'static str>,
    /// Returns the name of a parameter in a PEFT file; most families have the module name there.
    pub in_adapters: fn(&str) -> String,
    /// Whether an exported model keeps the names of its base folder, as transformers does; else it has module names.
    pub kept_on_export: bool,
}

impl TensorNames {
    /// Names as they are stored, for files that hold one layout only.
    pub const STORED: Self =
        Self { current: str::to_owned, split_off: |_| None, in_adapters: str::to_owned, kept_on_export: true };
}
