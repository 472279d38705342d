//! The reference page of studies, `docs/study.md`.

use std::fmt::Write;

use stepwise_config::reference_page::rows;

use super::file::reference;

const HEAD: &str = "# Study

<!-- Written by `stepwise schema --study > docs/study.md` from the code that reads studies; a test compares them. -->

A study is a TOML file: a recipe, arms that differ from it in named keys, seeds, and the endpoints that a claim may rest on.
`stepwise study FILE` runs every arm with every seed, `stepwise report FILE` compares them. Relative paths start at the working
directory.
";

const TAIL: &str = "
## When a study has begun

`manifest.json` in the study's folder says what the study is: endpoints, reference, arms, digests of recipes, lessons, suite,
cases and weights, and what each run is taught. While no run has begun it follows the file. From the first run on the file must
agree with it; only seeds may be added, at the end of `seeds`. A study goes on only where this version of the program lays out
the same lessons. `stepwise report` needs the manifest and the runs, neither models nor cases.

## What a difference is sure of

An arm less the reference, with the same seed on the same items, the mean over seeds. Its interval draws seeds and then groups (patients),
and once more seeds and then questions, each with all cases that are asked it in the same words. p is the larger of two swap tests,
over groups and over questions, adjusted by Holm over all arms and primary endpoints. Only where it is below 0.05 and neither interval
holds zero is a difference marked as sure. Groups alone would let one question that a model answers alike in all cases count once for
each case. What is told of whole chains has groups alone. No interval knows what other cases to learn from would do: every seed learns
from the same.
";

/// The page, in Markdown.
#[must_use]
pub fn markdown() -> String {
    let reference = reference();
    let mut page = HEAD.to_owned();
    for (section, kind) in &reference.sections {
        let title = if section.is_empty() { "Top level".to_owned() } else { format!("`{section}`") };
        let _ = writeln!(page, "\n## {title}\n\n{}", kind.about);
        if reference.keys_of(section).next().is_some() {
            page.push_str(&rows(reference.keys_of(section)));
        }
    }
    page + TAIL
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// What `stepwise schema --study` would write over the committed page.
    #[test]
    fn the_committed_page_is_that_of_the_code() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/study.md");
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            committed == super::markdown(),
            "docs/study.md is not what the code says -> `stepwise schema --study > docs/study.md`"
        );
    }
}
