//! Values of `[lora]` that an adapter whose training continues already has.

use std::path::Path;

use serde_json::Value;
use stepwise_data::io::bounded;

/// Values of an `adapter_config.json`, which are the defaults of `[lora]` in a recipe that continues the adapter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ContinuedAdapter {
    /// Rank; None if unknown.
    pub r: Option<u32>,
    /// Numerator of the scale; None if unknown or not a whole number.
    pub lora_alpha: Option<u32>,
    /// Whether the scale is divided by the root of the rank.
    pub use_rslora: bool,
    /// Whether the adapter has magnitudes (DoRA).
    pub use_dora: bool,
}

impl ContinuedAdapter {
    /// Reads the values from the PEFT folder `folder`. They are unknown without a folder and for a file that cannot be read:
    /// the error is reported where the adapter is loaded.
    pub fn of(folder: Option<&Path>) -> Self {
        let text = folder.and_then(|folder| bounded::text(&folder.join("adapter_config.json")).ok());
        let config: Value = text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let whole = |key: &str| {
            let value = config.get(key).and_then(Value::as_f64).filter(|value| value.fract() == 0.0);
            value.filter(|value| (1.0..=65_536.0).contains(value)).map(|value| value as u32)
        };
        let flag = |key: &str| config.get(key).and_then(Value::as_bool).unwrap_or(false);
        Self {
            r: whole("r"),
            lora_alpha: whole("lora_alpha"),
            use_rslora: flag("use_rslora"),
            use_dora: flag("use_dora"),
        }
    }
}
