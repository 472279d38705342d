//! Suites written in a few lines.

use std::path::Path;

use stepwise_benchmark::suite::Suite;
use stepwise_benchmark::suite_file::SuiteError;

/// Kinds of conditions that change a question's words; `hint_minus` represents all hints.
pub const WORDS: [&str; 23] = [
    "hint_minus",
    "permutation",
    "rebuttal_doubt",
    "rebuttal_wrong",
    "rebuttal_right",
    "rebuttal_repeat",
    "premise_false",
    "premise_true",
    "negated_twin",
    "negation",
    "affirmation",
    "nota_right",
    "nota_wrong",
    "paraphrase",
    "reworded",
    "hedge_low",
    "hedge_high",
    "hedge_neutral",
    "parents_gold",
    "parents_predicted",
    "parents_wrong",
    "report_injected",
    "report_plain",
];

/// Kinds of corruptions that apply to images of every modality.
pub const CORRUPTIONS: [&str; 13] = [
    "gaussian_noise",
    "shot_noise",
    "speckle_noise",
    "salt_pepper",
    "gaussian_blur",
    "motion_blur",
    "defocus_blur",
    "jpeg",
    "pixelate",
    "resize",
    "brightness",
    "contrast",
    "gamma",
];

/// Returns a suite named `s`. `head` holds keys of the suite in TOML, such as `seed = 5`; a condition is its id and the
/// lines of its table.
///
/// # Panics
/// When the suite is refused.
#[must_use]
pub fn suite(head: &str, conditions: &[(impl AsRef<str>, impl AsRef<str>)]) -> Suite {
    parse_suite(head, conditions).unwrap_or_else(|error| panic!("{error}"))
}

/// Parses a suite from the arguments of [`suite`].
///
/// # Errors
/// When the lines are not TOML, or the suite has an unknown key, an invalid value or a repeated id.
pub fn parse_suite(head: &str, conditions: &[(impl AsRef<str>, impl AsRef<str>)]) -> Result<Suite, SuiteError> {
    let mut text = format!("name = \"s\"\nversion = 1\n{head}\n");
    for (id, lines) in conditions {
        text += &format!("[[condition]]\nid = \"{}\"\n{}\n", id.as_ref(), lines.as_ref());
    }
    Suite::parse(&text, Path::new("s.toml"))
}

/// Returns a suite with one condition of each of `kinds`, with default parameters and the kind as its id. `head` is as
/// in [`suite`].
///
/// # Panics
/// When the suite is refused.
#[must_use]
pub fn suite_of(head: &str, kinds: &[&str]) -> Suite {
    let conditions: Vec<_> = kinds.iter().map(|kind| (*kind, format!("kind = \"{kind}\""))).collect();
    suite(head, &conditions)
}

/// Returns the built-in suite `fast` without limits on cases and items.
#[must_use]
pub fn uncapped() -> Suite {
    Suite::fast().uncapped()
}
