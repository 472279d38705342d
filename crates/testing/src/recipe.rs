//! Recipes of tests.

use std::path::Path;

use stepwise_recipe::Recipe;

/// Parses the text of a recipe.
///
/// # Panics
/// When the recipe is refused; the message lists its problems.
#[must_use]
pub fn recipe(text: impl Into<String>) -> Recipe {
    Recipe::parse(Path::new("r.toml"), text.into(), &[]).unwrap_or_else(|error| panic!("{error}"))
}

/// Parses a recipe on `cases` synthetic cases. The TOML text `lines` follows the name of the model, `m`, which does
/// not exist.
///
/// # Panics
/// When the recipe is refused; the message lists its problems.
#[must_use]
pub fn recipe_on(cases: usize, lines: &str) -> Recipe {
    recipe(format!("model_name_or_path = \"m\"\ndata.synth = {{ cases = {cases} }}\n{lines}"))
}
