//! Recipes.

use std::path::Path;

use stepwise_recipe::Recipe;

use crate::{files, refused};

/// A recipe in TOML and, after it, `--set` arguments, one a line. One that is taken reads again as the same from the form in
/// which all its values are written out.
///
/// # Errors
/// When it is no recipe.
pub fn recipe(data: &[u8]) -> Result<(), String> {
    let [text, overrides] = files(data).map(|part| String::from_utf8_lossy(part).into_owned());
    let overrides: Vec<String> = overrides.lines().map(str::to_owned).collect();
    let path = Path::new("recipe.toml");
    let recipe = Recipe::parse(path, text, &overrides).map_err(|error| error.to_string())?;
    let again = Recipe::parse(path, recipe.to_toml(), &[]).map_err(refused).expect("what was written can be read");
    assert_eq!(again, recipe);
    assert_eq!(again.digest(), recipe.digest());
    Ok(())
}
