//! Fuzz target for recipes and training commands of other tools.

use std::path::Path;

use stepwise_recipe::{ConvertError, Recipe, Request, Tool, convert};

use crate::support::refused;

/// Translates a YAML recipe of a training tool, or a script that begins with `#!`. If the keys do not identify the tool,
/// each is tried.
///
/// # Errors
/// When a translation fails.
///
/// # Panics
/// When a translation is not a valid recipe, or an error gives no advice.
pub fn import(data: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(data);
    let path = Path::new("recipe.yaml");
    let of_tool = |from: Option<Tool>| convert(path, &text, &Request { from, ..Request::default() });
    let converted = match of_tool(None) {
        Err(ConvertError::Tool { .. }) => Tool::ALL.into_iter().map(|tool| of_tool(Some(tool))).collect(),
        of_one => of_one.map(|converted| vec![converted]),
    };
    for converted in converted.map_err(refused)? {
        Recipe::parse(Path::new("recipe.toml"), converted.recipe, &[]).expect("what was translated is a recipe");
    }
    Ok(())
}
