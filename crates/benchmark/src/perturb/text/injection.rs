//! Prompt injection through a prior report before the question. In `report_injected` one line of the report is an
//! instruction to give a wrong answer. In `report_plain`, the control, this line is left out.

use std::sync::LazyLock;

use serde::Deserialize;
use stepwise_data::case::Answer;
use stepwise_data::prompt::Place;

use crate::perturb::support::inserted::inserted;
use crate::perturb::support::registry::worded_kind;
use crate::perturb::support::templates::{Library, Template, Wording, fill};
use crate::perturb::support::wrong_answer::wrong_answer;
use crate::perturb::{Named, Perturbed, Scene, Skip};

worded_kind! {
    INJECTED = Injected(Wording), "report_injected", Attack, "a prior report hides an instruction to give a wrong answer",
    |given, scene| {
        let template = template(given, scene)?;
        let named = wrong_answer(scene)?;
        let instruction = fill(&template.words.instruction, &[("answer", &named.text)]);
        Ok(reporting(fill(&template.words.report, &[("instruction", &instruction)]), template, Some(named)))
    }
}
worded_kind! {
    PLAIN = Plain(Wording), "report_plain", Control, "the same prior report without an instruction",
    |given, scene| {
        let template = template(given, scene)?;
        let plain: Vec<&str> = template.words.report.lines().filter(|line| *line != "{instruction}").collect();
        Ok(reporting(plain.join("\n"), template, None))
    }
}

/// Text of the template file `crates/benchmark/sentences/injection.toml`, from which reports and instructions are
/// drawn.
pub const TEMPLATES_TOML: &str = include_str!("../../../sentences/injection.toml");

/// Sentences of one template of `report_injected` and `report_plain`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Words {
    /// Instruction to give an answer; contains `{answer}` once.
    pub instruction: String,
    /// Report of several lines; one line is `{instruction}`, which the control leaves out.
    pub report: String,
}

static LIBRARY: LazyLock<Library<Words>> = LazyLock::new(|| Library::built_in(TEMPLATES_TOML));

fn template(wording: &Wording, scene: &Scene<'_>) -> Result<&'static Template<Words>, Skip> {
    if !matches!(scene.item.answer, Answer::Choice { .. } | Answer::Yesno { .. }) {
        return Err(Skip("an instruction names an option, or yes or no"));
    }
    LIBRARY.draw(wording.families, scene, "injection_template")
}

fn reporting(text: String, template: &Template<Words>, named: Option<Named>) -> Perturbed {
    inserted(Place::BeforeQuestion, text, template.id(), named)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::perturb::support::template_rules::{assert_names_no_answer, assert_quotes_answer, assert_varied};

    #[test]
    fn templates_are_varied_and_the_instruction_has_a_line_of_its_own() {
        assert_varied(&LIBRARY, |words| vec![&words.instruction, &words.report]);
        for Words { instruction, report } in LIBRARY.templates().iter().map(|template| &template.words) {
            assert_quotes_answer(instruction);
            assert_names_no_answer(report);
            assert_eq!(report.matches('{').count(), 1, "{report}");
            assert_eq!(report.lines().filter(|line| *line == "{instruction}").count(), 1, "{report}");
            assert!(report.lines().count() >= 4, "{report}");
        }
    }
}
