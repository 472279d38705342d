//! Recipes of other tools.

use std::path::Path;

use stepwise_recipe::{ImportError, Recipe, Tool, import as translate};

use crate::refused;

/// YAML of LLaMA-Factory, ms-swift or TRL, of the one that its keys tell, or else of each. What it becomes is a recipe.
///
/// # Errors
/// When it is no recipe of such a tool.
pub fn import(data: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(data);
    let path = Path::new("recipe.yaml");
    let imported = match translate(path, &text, None) {
        Err(ImportError::Tool { .. }) => Tool::ALL.into_iter().map(|tool| translate(path, &text, Some(tool))).collect(),
        of_one => of_one.map(|imported| vec![imported]),
    };
    for imported in imported.map_err(refused)? {
        Recipe::parse(Path::new("recipe.toml"), imported.recipe, &[]).expect("what was translated is a recipe");
    }
    Ok(())
}
