//! Writes the reference page of studies, `docs/study.md`.

use std::fmt::Write;

use stepwise_config::reference_page::rows;

use super::reference;

const HEAD: &str = "# Study

<!-- Written by `cargo xtask generate` from the code that reads studies. -->

A study is a TOML file with a base recipe, arms that change named keys of it, seeds, and the endpoints that a claim may rest on.
`stepwise study run FILE` runs every arm with every seed, `stepwise study report FILE` compares them. Relative paths start at the working
directory, and `~` is the home folder.
";

const TAIL: &str = "
## When a study has begun

`manifest.json` in the study's folder records endpoints, reference, arms, the digests of recipes, training examples, suite, cases and
weights, and the training budget of each run. Until a run has begun, the manifest follows the study file. After that, the file must
agree with the manifest; only seeds may be added, at the end of `seeds`. A study can be continued only with a version of the program
that makes the same training examples. `stepwise study report` needs the manifest and the runs, but neither models nor cases.

## When a difference is marked as sure

A difference is the value of an arm minus the value of the reference, with the same seed on the same items, averaged over seeds. A
claim must hold for other patients, other questions and other seeds. Over patients and questions the variance is
max(V_patients + V_questions - V_cells, V_patients, V_questions) with Student's t of min(patients, questions) - 1 degrees of freedom
(Cameron, Gelbach and Miller, 2011), because a model may answer one question alike for all patients. Over seeds it is Student's paired
t. The interval is the wider and p the larger of the two. p is adjusted by Holm over all arms and primary endpoints. A difference is
marked as sure if the adjusted p is below 0.05 with at least 8 groups, 8 questions and 5 seeds; results of fewer seeds are
exploratory. Metrics of whole chains vary groups and seeds only. No interval covers the choice of training cases, because all seeds
train on the same cases.
";

/// Returns the reference page of studies, `docs/study.md`, in Markdown.
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
