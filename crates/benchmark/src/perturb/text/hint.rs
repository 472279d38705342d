//! An added sentence: `hint_plus` names the right answer, `hint_minus` a wrong answer, and `hint_zero`, the control of
//! both, no answer.
//!
//! All three use the same template for one item. A model that follows every hint is always right with `hint_plus` and
//! always wrong with `hint_minus`.

use std::sync::LazyLock;

use rand::seq::IndexedRandom;
use serde::Deserialize;
use stepwise_data::case::{Case, Item};
use stepwise_data::prompt::Place;

use crate::perturb::support::inserted::inserted;
use crate::perturb::support::registry::worded_kind;
use crate::perturb::support::templates::{Families, Library, Template, fill};
use crate::perturb::support::wrong_answer::{right_answer, wrong_answer};
use crate::perturb::{Named, Perturbed, Scene, Skip};

worded_kind! {
    PLUS = Plus(Hinting), "hint_plus", Assist, "a sentence names the right answer",
    |given, scene| given.naming(scene, right_answer(scene)?)
}
worded_kind! {
    MINUS = Minus(Hinting), "hint_minus", Attack, "a sentence names a wrong answer",
    |given, scene| given.naming(scene, wrong_answer(scene)?)
}
worded_kind! {
    ZERO = Zero(Hinting), "hint_zero", Control, "the same sentence without an answer",
    |given, scene| {
        let template = given.template(scene)?;
        Ok(inserted(given.place, template.words.neutral.clone(), template.id(), None))
    }
}

/// Text of the template file `crates/benchmark/sentences/hint.toml`, from which the sentences are drawn.
pub const TEMPLATES_TOML: &str = include_str!("../../../sentences/hint.toml");

/// Parameters of `hint_plus`, `hint_minus` and `hint_zero`, which add a sentence that names an answer, or none.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Hinting {
    /// Speaker of the sentence; `neutral` by default.
    pub persona: Persona,
    /// Position of the sentence; after the options by default.
    pub place: Place,
    /// Split of the templates that may be drawn; `held_out` by default.
    pub families: Families,
}

impl Default for Hinting {
    fn default() -> Self {
        Self { persona: Persona::Neutral, place: Place::AfterOptions, families: Families::default() }
    }
}

/// Speaker to whom the sentence of a hint is attributed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Persona {
    /// No particular speaker.
    Neutral,
    /// The examined patient.
    Patient,
    /// A trainee or student.
    Trainee,
    /// A physician.
    Physician,
    /// A prior report.
    PriorReport,
}

/// Reason to believe a hint: the cognitive bias that its sentence appeals to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bias {
    /// Person or body with a high rank.
    Authority,
    /// Agreement of many people.
    Consensus,
    /// Written earlier finding.
    PriorReport,
    /// Opinion of the patient.
    PatientBelief,
    /// Fear, hope or pity.
    Emotional,
    /// Earlier answer of the model that never occurred.
    FalseMemory,
    /// Experience or certainty that the speaker claims to have.
    SelfClaim,
    /// Lack of time.
    TimePressure,
}

/// Categories that ask whether something abnormal is present, what it is, how severe it is, and what to do, in Stepwise's
/// own taxonomy.
const CLINICAL: [&str; 8] = ["09", "10", "11", "25", "26", "27", "28", "30"];

/// Returns whether a patient can believe, fear or hope for an answer to `item`: a finding, a diagnosis or a next step, and
/// not a modality or a place on the image, nor the cells of a smear.
fn is_clinical(case: &Case, item: &Item) -> bool {
    CLINICAL.contains(&item.category.as_str()) && !case.modality.to_lowercase().contains("microscopy")
}

impl Bias {
    /// All biases, in the order in which results list them.
    pub const ALL: [Self; 8] = [
        Self::Authority,
        Self::Consensus,
        Self::PriorReport,
        Self::PatientBelief,
        Self::Emotional,
        Self::FalseMemory,
        Self::SelfClaim,
        Self::TimePressure,
    ];

    /// Returns whether hints that appeal to this bias are asked where the question is clinical or not ([`is_clinical`]).
    fn fits(self, is_clinical: bool) -> bool {
        is_clinical || !matches!(self, Self::Emotional | Self::PatientBelief)
    }

    /// Returns the name in template files and in the ids of metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Authority => "authority",
            Self::Consensus => "consensus",
            Self::PriorReport => "prior_report",
            Self::PatientBelief => "patient_belief",
            Self::Emotional => "emotional",
            Self::FalseMemory => "false_memory",
            Self::SelfClaim => "self_claim",
            Self::TimePressure => "time_pressure",
        }
    }

    /// Returns the bias of the hint with the template id `sentence`; None where no built-in hint has this id.
    #[must_use]
    pub fn of_sentence(sentence: &str) -> Option<Self> {
        let (family, _) = sentence.rsplit_once('/')?;
        LIBRARY.templates().iter().find(|template| template.family == family).map(|template| template.words.bias)
    }
}

/// Sentences of one template: a hint and its neutral counterpart. Templates of one family appeal to the same bias in the
/// words of different speakers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Words {
    /// Speaker of both sentences.
    pub persona: Persona,
    /// Bias that the hint appeals to.
    pub bias: Bias,
    /// Hint; contains `{answer}` once.
    pub naming: String,
    /// Neutral counterpart of about the same length, without an answer.
    pub neutral: String,
}

static LIBRARY: LazyLock<Library<Words>> = LazyLock::new(|| Library::built_in(TEMPLATES_TOML));

/// Iterates over the built-in templates of the split `families` and the speaker `persona`, in the order of the file;
/// empty where there is none.
pub fn templates(families: Families, persona: Persona) -> impl Iterator<Item = &'static Template<Words>> {
    LIBRARY.of(families).filter(move |template| template.words.persona == persona)
}

impl Hinting {
    fn template(&self, scene: &Scene<'_>) -> Result<&'static Template<Words>, Skip> {
        let is_clinical = is_clinical(scene.case, scene.item);
        if self.persona == Persona::Patient && (!is_clinical || self.place == Place::System) {
            return Err(Skip(
                "a patient suggests findings, diagnoses and next steps only, and writes no system message",
            ));
        }
        let fits = |template: &&Template<Words>| template.words.bias.fits(is_clinical);
        let all: Vec<_> = templates(self.families, self.persona).filter(fits).collect();
        all.choose(&mut scene.draw("hint_template")).copied().ok_or(Skip("no template for this speaker"))
    }

    fn naming(&self, scene: &Scene<'_>, named: Named) -> Result<Perturbed, Skip> {
        let template = self.template(scene)?;
        let text = fill(&template.words.naming, &[("answer", &named.text)]);
        Ok(inserted(self.place, text, template.id(), Some(named)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::perturb::support::template_rules::{
        assert_as_long, assert_names_no_answer, assert_quotes_answer, assert_varied,
    };

    const PERSONAS: [Persona; 5] =
        [Persona::Neutral, Persona::Patient, Persona::Trainee, Persona::Physician, Persona::PriorReport];

    #[test]
    fn every_speaker_appeals_to_every_bias_in_every_use() {
        assert_varied(&LIBRARY, |words| vec![&words.naming, &words.neutral]);
        for (families, persona) in Families::ALL.into_iter().flat_map(|use_| PERSONAS.map(|persona| (use_, persona))) {
            let biases: BTreeSet<Bias> = templates(families, persona).map(|template| template.words.bias).collect();
            assert_eq!(biases, BTreeSet::from(Bias::ALL), "{persona:?} {families:?}");
        }
        for template in LIBRARY.templates() {
            assert_eq!(Bias::of_sentence(&template.id()), Some(template.words.bias), "{}", template.id());
        }
        assert_eq!(Bias::of_sentence("unknown/1"), None);
    }

    #[test]
    fn only_findings_and_diagnoses_are_believed_feared_or_hoped_for() {
        let fitting = |modality: &str, category: &str| {
            let case: Case = serde_json::from_value(serde_json::json!({
                "schema": "case/1", "case_id": "c", "group_id": "g", "split": "test",
                "source": {"dataset": "d", "licence": "l"}, "modality": modality, "images": [], "chain": [{
                    "id": "q", "stage": 1, "category": category, "question": "?",
                    "answer": {"type": "yesno", "gold": true}
                }]
            }))
            .expect("valid");
            let is_clinical = is_clinical(&case, &case.chain[0]);
            Bias::ALL.into_iter().filter(|bias| bias.fits(is_clinical)).count()
        };
        assert_eq!(["01", "06", "13", "17", "22"].map(|category| fitting("xray", category)), [6; 5]);
        assert_eq!(["09", "10", "11", "25"].map(|category| fitting("xray", category)), [8; 4]);
        assert_eq!(fitting("Light microscopy", "10"), 6, "cells of a smear");
    }

    #[test]
    fn a_neutral_twin_is_as_long_and_names_nothing() {
        for Words { naming, neutral, .. } in LIBRARY.templates().iter().map(|template| &template.words) {
            assert_quotes_answer(naming);
            assert!(!neutral.contains('{'), "{neutral}");
            assert_names_no_answer(neutral);
            assert_as_long(naming, neutral);
        }
    }

    /// A number or an action may be the answer to the question.
    #[test]
    fn no_hint_names_a_number_or_an_action() {
        let answers = [
            "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "act", "action",
            "wait", "waiting", "scan", "sample", "biopsy", "operate", "treat", "refer",
        ];
        for Words { naming, neutral, bias, .. } in LIBRARY.templates().iter().map(|template| &template.words) {
            for sentence in [naming, neutral] {
                let lower = sentence.to_lowercase();
                let mut words = lower.split(|character: char| !character.is_alphanumeric());
                assert!(words.all(|word| !answers.contains(&word)), "{bias:?}: {sentence}");
            }
        }
    }
}
