//! The generated files: where they are and what the code says that they hold.

use std::path::Path;

use stepwise_benchmark::perturb::kinds::KINDS;
use stepwise_benchmark::suite_reference;
use stepwise_data::case_schema;
use stepwise_data::taxonomy::Taxonomy;
use stepwise_recipe::{reference, reference_page, study_file};

use crate::error::Error;
use crate::picture;
use crate::workspace::Workspace;

/// Pages with generated blocks between written text.
const CONTRIBUTING: &str = "docs/contributing.md";
const DATA: &str = "docs/data.md";

/// Writes every generated file below the repository's root `root` whose content changed, and returns these files as
/// paths relative to `root`; empty when all were current.
///
/// # Errors
/// When a file cannot be read, made or written.
pub fn write(root: &Path) -> Result<Vec<&'static str>, Error> {
    let stale = stale(root)?;
    for (file, content) in &stale {
        let path = root.join(file);
        std::fs::write(&path, content).map_err(Error::file(path))?;
    }
    Ok(stale.into_iter().map(|(file, _)| file).collect())
}

/// Checks that every generated file below the repository's root `root` is current. Writes nothing.
///
/// # Errors
/// [`Error::Stale`] with all files that differ; another error when a file cannot be read or made.
pub fn check(root: &Path) -> Result<(), Error> {
    match stale(root)? {
        stale if stale.is_empty() => Ok(()),
        stale => Err(Error::Stale(stale.into_iter().map(|(file, _)| file).collect())),
    }
}

/// Files that differ from the code or are missing, with the content that they should have.
fn stale(root: &Path) -> Result<Vec<(&'static str, String)>, Error> {
    let schema = serde_json::to_string_pretty(&reference().json_schema()).map_err(Error::Schema)? + "\n";
    let read = |page: &str| {
        let path = root.join(page);
        std::fs::read_to_string(&path).map_err(Error::file(path))
    };
    let data = with_block(DATA, &read(DATA)?, "keys of a case", &case_schema::markdown())?;
    let all = [
        ("docs/recipe.md", reference_page::markdown()),
        ("docs/recipe.schema.json", schema),
        ("docs/study.md", study_file::markdown()),
        ("docs/suite.md", suite_reference::markdown()),
        ("docs/architecture.svg", picture::svg(&Workspace::read(root)?)?),
        (CONTRIBUTING, with_block(CONTRIBUTING, &read(CONTRIBUTING)?, "perturbations", &perturbations())?),
        (DATA, with_block(DATA, &data, "taxonomy", &Taxonomy::default().markdown())?),
    ];
    // A file that cannot be read is written anew.
    let differs =
        |(file, content): &(&str, String)| std::fs::read_to_string(root.join(file)).unwrap_or_default() != *content;
    Ok(all.into_iter().filter(differs).collect())
}

/// Names of all perturbations, in the order of the registry.
fn perturbations() -> String {
    wrapped(KINDS.iter().map(|kind| format!("`{}`", kind.name)))
}

/// Words joined by commas, in lines of at most 120 characters.
fn wrapped(words: impl ExactSizeIterator<Item = String>) -> String {
    let (mut text, mut column, last) = (String::new(), 0, words.len());
    for (index, word) in words.enumerate() {
        let word = word + if index + 1 == last { "." } else { "," };
        if column > 0 && column + 1 + word.len() > 120 {
            text.push('\n');
            column = 0;
        } else if column > 0 {
            text.push(' ');
            column += 1;
        }
        column += word.len();
        text.push_str(&word);
    }
    text
}

/// The page with `content` between the markers of `block`.
fn with_block(page: &'static str, text: &str, block: &'static str, content: &str) -> Result<String, Error> {
    let (begin, end) = (format!("<!-- {block} -->\n"), format!("<!-- end of {block} -->"));
    let parts = text.split_once(&begin).and_then(|(before, rest)| Some((before, rest.split_once(&end)?.1)));
    let (before, after) = parts.ok_or(Error::Block { page, block })?;
    Ok(format!("{before}{begin}\n{content}\n\n{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn committed_generated_files_are_current() {
        if let Err(error) = check(crate::root()) {
            panic!("{error}");
        }
    }

    #[test]
    fn a_block_is_replaced_between_its_markers_only() {
        let text = "a\n<!-- b -->\nold\n<!-- end of b -->\nc\n";
        let page = with_block("p", text, "b", "new").expect("the markers are there");
        assert_eq!(page, "a\n<!-- b -->\n\nnew\n\n<!-- end of b -->\nc\n");
        assert_eq!(with_block("p", &page, "b", "new").expect("the markers are there"), page);
        assert!(with_block("p", text, "c", "new").is_err());
    }
}
