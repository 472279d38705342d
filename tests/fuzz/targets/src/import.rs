//! Fuzz target for recipes of other tools.

use std::path::Path;

use stepwise_recipe::{ConvertError, Recipe, Tool, convert};

use crate::support::refused;

/// Translates a YAML recipe of LLaMA-Factory, ms-swift or TRL. If the keys do not identify the tool, each is tried.
///
/// # Errors
/// When a translation fails.
///
/// # Panics
/// When a translation is not a valid recipe, or an error gives no advice.
pub fn import(data: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(data);
    let path = Path::new("recipe.yaml");
    let converted = match convert(path, &text, None) {
        Err(ConvertError::Tool { .. }) => Tool::ALL.into_iter().map(|tool| convert(path, &text, Some(tool))).collect(),
        of_one => of_one.map(|converted| vec![converted]),
    };
    for converted in converted.map_err(refused)? {
        Recipe::parse(Path::new("recipe.toml"), converted.recipe, &[]).expect("what was translated is a recipe");
    }
    Ok(())
}
