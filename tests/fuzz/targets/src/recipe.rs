//! Fuzz target for recipes.

use std::path::Path;

use stepwise_recipe::{Recipe, RecipeError};

use crate::support::{files, refused};

/// Parses a TOML recipe, followed by `--set` arguments, one per line. An accepted recipe is written with all its values
/// and read again.
///
/// # Errors
/// When the recipe or an argument is invalid.
///
/// # Panics
/// When the written recipe differs after reading, or a problem of a refused recipe has no advice.
pub fn recipe(data: &[u8]) -> Result<(), String> {
    let [text, overrides] = files(data).map(|part| String::from_utf8_lossy(part).into_owned());
    let overrides: Vec<String> = overrides.lines().map(str::to_owned).collect();
    let path = Path::new("recipe.toml");
    let recipe = Recipe::parse(path, text, &overrides).map_err(advised)?;
    let again = Recipe::parse(path, recipe.to_toml(), &[]).map_err(refused).expect("what was written can be read");
    assert_eq!(again, recipe);
    assert_eq!(again.digest(), recipe.digest());
    Ok(())
}

/// Returns the text of an error, all of whose problems have advice.
fn advised(error: RecipeError) -> String {
    if let RecipeError::Invalid { problems, .. } = &error {
        let without = problems.iter().find(|problem| problem.help.is_none());
        assert!(without.is_none(), "a problem gives no advice: {without:?}");
    }
    refused(error)
}
