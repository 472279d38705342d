//! Recipes of tests.

use std::path::Path;

use stepwise_recipe::Recipe;

/// Parses a recipe. Panics with the problems of a recipe that is refused.
#[must_use]
pub fn recipe(text: impl Into<String>) -> Recipe {
    Recipe::parse(Path::new("r.toml"), text.into(), &[]).unwrap_or_else(|error| panic!("{error}"))
}

/// Parses a recipe on `cases` synthetic cases. `lines` follow the name of the model, which does not exist.
#[must_use]
pub fn recipe_on(cases: usize, lines: &str) -> Recipe {
    recipe(format!("model_name_or_path = \"m\"\ndata.synth = {{ cases = {cases} }}\n{lines}"))
}
