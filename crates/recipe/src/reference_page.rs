//! Writes the reference page of recipes, `docs/recipe.md`.

use crate::key_aliases::FOREIGN_KEYS;
use crate::reference;

const HEAD: &str = "# Recipe

<!-- Written by `cargo xtask generate` from the code that reads recipes. -->

A recipe is a TOML file. Keys have the names and meanings of Hugging Face, PEFT and LLaMA-Factory. Relative paths start at
the working directory, and `~` is the home folder. `--set lora.r=32` overrides a value of the file. List elements are numbered from 0, as in
`--set curriculum.phase.0.replay=0.1`. `stepwise init` writes a commented recipe, `stepwise schema` prints the JSON Schema for
editors, `stepwise convert` translates recipes of other tools.
";

/// Returns the reference page of recipes, `docs/recipe.md`, in Markdown.
#[must_use]
pub fn markdown() -> String {
    reference().markdown(HEAD, &FOREIGN_KEYS)
}
