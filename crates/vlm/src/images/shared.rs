//! Settings that the files of the processor and `config.json` both state. They must be equal.

use serde_json::Value;

/// Key in `config.json` of the side of a tile, in pixels.
pub(crate) const IMAGE_SIZE: &str = "vision_config.image_size";
/// Key in `config.json` of the side of a patch, in pixels.
pub(crate) const PATCH_SIZE: &str = "vision_config.patch_size";

/// Value of `config.json` that the files of the processor state as well: its key there, or the formula by which it follows
/// from several keys, and the value.
pub(crate) type OfConfig = (&'static str, Value);

/// File with a setting of the processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingsFile {
    /// File of the image preprocessing settings: `preprocessor_config.json`, or `image_processor` of `processor_config.json`.
    Images,
    /// `processor_config.json`.
    Processor,
}

/// Setting of the processor that `config.json` states as well.
#[derive(Clone, Debug, PartialEq)]
pub struct SharedSetting {
    /// File of the setting.
    pub file: SettingsFile,
    /// Key in this file.
    pub key: &'static str,
    /// Value, or its default if the file does not state it.
    pub value: Value,
    /// Key in `config.json`, or the formula by which the value follows from several keys there.
    pub in_config: &'static str,
}

impl SharedSetting {
    /// Describes a setting of the image preprocessing, in [`SettingsFile::Images`].
    pub(crate) fn of_images(key: &'static str, value: impl Into<Value>, in_config: &'static str) -> Self {
        Self { file: SettingsFile::Images, key, value: value.into(), in_config }
    }

    /// Describes a setting of `processor_config.json`.
    pub(crate) fn of_processor(key: &'static str, value: impl Into<Value>, in_config: &'static str) -> Self {
        Self { file: SettingsFile::Processor, key, value: value.into(), in_config }
    }
}
