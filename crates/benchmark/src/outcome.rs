//! What one item came to under one condition. One JSON line each; any tool that writes these lines can be compared.

use serde::{Deserialize, Serialize};

use crate::model::OptionScore;
use crate::perturb::Named;
use crate::score::closeness::Measure;
use crate::score::{Verdict, fold};

/// One judged reply.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// Digest of everything the reply depends on: respondent, words, pictures, what was asked. Equal keys are asked once.
    /// Empty for outcomes made elsewhere.
    #[serde(default)]
    pub key: String,
    /// The case.
    pub case_id: String,
    /// What intervals are clustered by.
    pub group_id: String,
    /// The item of the case.
    pub item_id: String,
    /// Clinical stage, 1 to 4.
    pub stage: u8,
    /// Category in the taxonomy.
    pub category: String,
    /// The question in the words of the case, whatever the condition made of them; empty where they are not known. Cases of one
    /// sort are asked in the same words, and answers to one question are not independent either.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub question: String,
    /// Id of the condition in the suite.
    pub condition: String,
    /// Right, wrong or unparsed.
    pub verdict: Verdict,
    /// The answer in canonical words; absent when unparsed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// The stored option chosen (for yes/no: 0 is yes, 1 is no).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<usize>,
    /// The place in which that option was shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<usize>,
    /// How many options were shown; 0 where the answer is not chosen among options.
    #[serde(default)]
    pub options: usize,
    /// The right answer in words.
    pub gold: String,
    /// Share of right answers a random pick gets.
    pub chance: f64,
    /// The answer the condition put into the reader's mind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named: Option<Named>,
    /// Whether the answer given is the named one.
    #[serde(default)]
    pub followed: bool,
    /// Of the stored options, in their stored order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scores: Vec<Score>,
    /// The generated words, where something was generated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<String>,
    /// Version of the rules that read the reply ([`crate::score::parse::PARSER_VERSION`]); empty where nothing was read.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub parser: String,
    /// Mean intersection over union, for boxes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iou: Option<f64>,
    /// How near a generated box, number or text came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measure: Option<Measure>,
    /// Items of the case whose answers this one builds on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<String>,
    /// The item of the case that asks the same the other way round.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pair_of: Option<String>,
    /// The stored option that declines to answer, where there is one and declining is not right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<usize>,
    /// How the pixels were attacked, where they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attack: Option<AttackTrace>,
}

/// The way of an attack, for telling a robust respondent from one whose gradients mislead. Every number is the quantity
/// the attack raises: the margin by which the likeliest wrong option leads, the negative log-likelihood of the right
/// answer, or, where a certain answer is aimed at, the log-likelihood of that; each a token. Absent where it is not finite.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttackTrace {
    /// What the attack saw on its way, on the respondent it was made on: at its start, then after each step. A single step
    /// sees its start alone, and noise sees nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub losses: Vec<Option<f64>>,
    /// What the attacked pixels came to on the respondent asked, where likelihoods of options were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reached: Option<f64>,
}

/// How likely one option was.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Score {
    /// Natural logarithm, summed over the tokens; absent where it is not a finite number.
    pub loglikelihood: Option<f64>,
    /// Tokens summed.
    pub tokens: usize,
}

impl From<OptionScore> for Score {
    fn from(score: OptionScore) -> Self {
        let loglikelihood = Some(score.loglikelihood).filter(|value| value.is_finite());
        Self { loglikelihood, tokens: score.tokens }
    }
}

impl Outcome {
    /// Whether it is right.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.verdict == Verdict::Right
    }

    /// Whether the answer given is the one named: the same option, or the same words.
    #[must_use]
    pub fn gives(&self, named: &Named) -> bool {
        match (named.index, self.index, &self.answer) {
            (Some(named), Some(given), _) => named == given,
            (None, None, Some(answer)) => {
                // A number is written one way in an answer, and folding would tear its decimal point out.
                *answer == named.text || (answer.parse::<f64>().is_err() && *answer == fold(&named.text))
            }
            _ => false,
        }
    }

    /// The answer as it stands in the context of a later question: an option's words whatever form it was given in, anything
    /// else as said. None where nothing was said.
    #[must_use]
    pub fn in_context(&self) -> Option<String> {
        let said = if self.index.is_some() { &self.answer } else { &self.reply };
        // A context has one line for each question.
        let words = said.as_ref()?.split_whitespace().collect::<Vec<_>>().join(" ");
        Some(words).filter(|words| !words.is_empty())
    }

    /// Whether two outcomes gave the same answer. Two unparsed replies did not answer alike: nothing was answered.
    #[must_use]
    pub fn answers_like(&self, other: &Self) -> bool {
        match (self.index, other.index) {
            (Some(mine), Some(theirs)) => mine == theirs,
            _ => self.answer.is_some() && self.answer == other.answer,
        }
    }
}
