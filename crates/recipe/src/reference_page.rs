//! Writes the reference page of recipes, `docs/recipe.md`.

use crate::foreign_keys::FOREIGN_KEYS;
use crate::reference;

const HEAD: &str = "# Recipe

<!-- Written by `stepwise schema --markdown > docs/recipe.md` from the code that reads recipes; a test compares them. -->

A recipe is a TOML file. Keys have the names and meanings of Hugging Face, PEFT and LLaMA-Factory. Relative paths start at
the working directory. `--set lora.r=32` overrides a value of the file. List elements are numbered from 0, as in
`--set curriculum.phase.0.replay=0.1`. `stepwise init` writes a commented recipe, `stepwise schema` prints the JSON Schema for
editors, `stepwise convert` translates recipes of other tools.
";

/// The reference page in Markdown.
#[must_use]
pub fn markdown() -> String {
    reference().markdown(HEAD, &FOREIGN_KEYS)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// The committed files must equal the output of `stepwise schema`.
    #[test]
    fn the_committed_reference_and_schema_are_those_of_the_code() {
        let reference = crate::reference();
        let schema = serde_json::to_string_pretty(&reference.json_schema()).expect("JSON") + "\n";
        for (name, now, command) in [
            ("recipe.md", super::markdown(), "stepwise schema --markdown > docs/recipe.md"),
            ("recipe.schema.json", schema, "stepwise schema > docs/recipe.schema.json"),
        ] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
            let committed = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(committed == now, "docs/{name} differs from the code -> run `{command}`");
        }
    }
}
