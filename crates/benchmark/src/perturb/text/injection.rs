//! `report_injected`, `report_plain`: a prior report stands before the question; in the first it hides an instruction to
//! give a wrong answer, in the second, the control, that line is missing.

use std::sync::LazyLock;

use serde::Deserialize;
use stepwise_data::case::Answer;
use stepwise_data::prompt::{InsertedText, Place, PromptOptions};

use crate::perturb::support::templates::{Library, Wording, fill};
use crate::perturb::support::wrong_answer::wrong_answer;
use crate::perturb::{Named, Perturbation, PerturbationKind, Perturbed, Purpose, Scene, Skip};

/// With the instruction.
pub const INJECTED: PerturbationKind = PerturbationKind::of::<Injected>(
    "report_injected",
    Purpose::Attack,
    "a prior report hides an instruction to give a wrong answer",
)
.worded(TEMPLATES_TOML);
/// Without it.
pub const PLAIN: PerturbationKind =
    PerturbationKind::of::<Plain>("report_plain", Purpose::Control, "the same prior report without an instruction")
        .worded(TEMPLATES_TOML);

/// The templates as written.
pub const TEMPLATES_TOML: &str = include_str!("../../../../../recipes/suites/injections.toml");

/// A report and what is hidden in it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Words {
    /// Holds `{answer}` once.
    pub instruction: String,
    /// Several lines, one of them `{instruction}`.
    pub report: String,
}

static LIBRARY: LazyLock<Library<Words>> = LazyLock::new(|| Library::built_in(TEMPLATES_TOML));

/// With an instruction.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct Injected(Wording);

/// Without one.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct Plain(Wording);

impl Perturbation for Injected {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        let words = words(&self.0, scene)?;
        let named = wrong_answer(scene)?;
        let instruction = fill(&words.instruction, &[("answer", &named.text)]);
        Ok(reporting(fill(&words.report, &[("instruction", &instruction)]), Some(named)))
    }
}

impl Perturbation for Plain {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        let words = words(&self.0, scene)?;
        let plain: Vec<&str> = words.report.lines().filter(|line| *line != "{instruction}").collect();
        Ok(reporting(plain.join("\n"), None))
    }
}

fn words(wording: &Wording, scene: &Scene<'_>) -> Result<&'static Words, Skip> {
    if !matches!(scene.item.answer, Answer::Choice { .. } | Answer::Yesno { .. }) {
        return Err(Skip("an instruction names an option, or yes or no"));
    }
    LIBRARY.draw(wording.families, scene, "injection_template")
}

fn reporting(text: String, named: Option<Named>) -> Perturbed {
    let frame = PromptOptions {
        inserts: vec![InsertedText { place: Place::BeforeQuestion, text }],
        ..PromptOptions::default()
    };
    Perturbed { frame, named, ..Perturbed::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::perturb::support::templates::assert_split;

    #[test]
    fn templates_are_split_and_the_instruction_has_a_line_of_its_own() {
        assert_split(&LIBRARY);
        for Words { instruction, report } in LIBRARY.templates().iter().map(|template| &template.words) {
            assert_eq!(instruction.matches("{answer}").count(), 1, "{instruction}");
            assert_eq!(report.matches('{').count(), 1, "{report}");
            assert_eq!(report.lines().filter(|line| *line == "{instruction}").count(), 1, "{report}");
            assert!(report.lines().count() >= 4, "{report}");
        }
    }
}
