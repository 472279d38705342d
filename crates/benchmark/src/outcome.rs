//! Outcome of one item under one condition, stored as one JSON line. Results of any tool that writes these lines
//! can be compared.

use serde::{Deserialize, Serialize};
use stepwise_data::box_format::BoxFormat;

use crate::model::OptionLikelihood;
use crate::perturb::Named;
use crate::score::closeness::Measure;
use crate::score::{Verdict, fold};

/// Judged response to one item under one condition, from which all metrics are computed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// Digest of everything that the response depends on: model, prompt, images and right answer. A known key is not
    /// asked again. Empty for outcomes from another tool.
    #[serde(default)]
    pub key: String,
    /// Digest of what the model was asked, whichever model it was: conversation, options in the order shown, images and
    /// changes to them. An earlier response that the question repeats is left out, so answers of two models to one
    /// question have one digest. Empty for outcomes from another tool and of earlier versions.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub asked: String,
    /// Id of the case.
    pub case_id: String,
    /// Id of the group (patient) that intervals and tests are clustered by.
    pub group_id: String,
    /// Id of the item in the case.
    pub item_id: String,
    /// Clinical stage, 1 to 4; 0 where another tool gave none.
    pub stage: u8,
    /// Category in the taxonomy.
    pub category: String,
    /// Imaging modality of the case, such as `mri`; empty where unknown.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub modality: String,
    /// Name of the data set that the case comes from; empty where unknown.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub dataset: String,
    /// Question of the stored item, also where the condition asks another one (a negation, a false premise, a hint);
    /// empty where unknown. Many cases share a question, and answers to one question are not independent, so studies
    /// cluster by question as well.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub question: String,
    /// Id of the condition in the suite.
    pub condition: String,
    /// Verdict on the answer: right, wrong or unparsed.
    pub verdict: Verdict,
    /// Answer in canonical words; `None` when unparsed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// Stored index of the chosen option (for yes/no: 0 is yes, 1 is no); `None` where no option was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<usize>,
    /// Position at which the chosen option was shown, from 0; `None` where no option was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<usize>,
    /// Number of options shown; 0 where the answer is not chosen among options.
    #[serde(default)]
    pub options: usize,
    /// Right answer in words.
    pub gold: String,
    /// Probability that a random pick is right, 0 to 1; 0 without options.
    pub chance: f64,
    /// Answer that the condition suggests to the model; `None` where it suggests none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named: Option<Named>,
    /// Id of the sentence template in the prompt, `FAMILY/NUMBER`, see
    /// [`Template::id`](crate::perturb::support::templates::Template::id); `None` without a template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sentence: Option<String>,
    /// Whether the model's answer is the suggested one.
    #[serde(default)]
    pub followed: bool,
    /// Scores of the options shown, in stored order; empty where the answer was generated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scores: Vec<Score>,
    /// Positions in `scores` of the right options; empty where the answer was generated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub right_scores: Vec<usize>,
    /// Version of the rule that decided among scored options ([`crate::score::SCORING_VERSION`]); empty where text
    /// was generated.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub scoring: String,
    /// Generated text; `None` where options were scored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<String>,
    /// Version of the parser of generated text ([`crate::score::parse::PARSER_VERSION`]); empty where
    /// options were scored.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub parser: String,
    /// Unit of the coordinates of boxes in `gold` and `reply`; percent for other answers, which have no boxes.
    #[serde(default, skip_serializing_if = "BoxFormat::is_percent")]
    pub box_format: BoxFormat,
    /// Agreement of boxes: the sum of the overlaps (intersection over union) of matched boxes over the larger of the
    /// numbers of right and given boxes, 0 to 1. `None` for other answers and where unparsed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iou: Option<f64>,
    /// Closeness of a generated box, number or text to the right answer; `None` for choices and yes/no questions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measure: Option<Measure>,
    /// Ids of the items of the case whose answers this item builds on; empty where it builds on none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<String>,
    /// Id of the item of the case that negates this yes/no question; `None` where none is recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pair_of: Option<String>,
    /// Stored index of the abstain option; `None` where there is none or abstaining is right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<usize>,
    /// Trace of the attack on the pixels; `None` without an attack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attack: Option<AttackTrace>,
}

/// Values of an attack's objective, which tell a robust model from a model with masked gradients. Every value is in
/// nats and is the quantity that the attack raises: the lead of the likeliest wrong option over the right one, the
/// negative log-likelihood of the right answer, or, for a targeted attack, the log-likelihood of the target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttackTrace {
    /// Values on the gradient source: at the start, then after each step. A single-step attack has the start only, and
    /// random noise has no values. `None` where a value is not finite.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub losses: Vec<Option<f64>>,
    /// Value of the attacked pixels on the evaluated model; `None` unless options were scored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reached: Option<f64>,
    /// Key of the model that the attack was made on ([`Surrogate::key`](crate::runner::Surrogate::key)); `None` where
    /// this is the evaluated model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_on: Option<String>,
}

/// Log-likelihood of one option as the whole answer, as stored with an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Score {
    /// Natural log-likelihood, summed over the tokens of the option and the end of its turn; `None` where not finite.
    pub loglikelihood: Option<f64>,
    /// Number of tokens summed, with the end of the turn.
    pub tokens: usize,
}

impl From<OptionLikelihood> for Score {
    fn from(score: OptionLikelihood) -> Self {
        let loglikelihood = Some(score.loglikelihood).filter(|value| value.is_finite());
        Self { loglikelihood, tokens: score.tokens }
    }
}

impl Outcome {
    /// Computes the log-odds of the right answer: `ln(p / (1 - p))` with the probability `p` that the softmax over the
    /// options shown gives to the right ones. Scores that are not finite are left out, so the result can be infinite.
    /// None without scores, without a right or a wrong option, or where no score is finite.
    #[must_use]
    pub fn gold_log_odds(&self) -> Option<f64> {
        let sum = |is_right: bool| {
            let places = self.scores.iter().enumerate();
            let of_side = places.filter(|(place, _)| self.right_scores.contains(place) == is_right);
            log_sum_exp(of_side.filter_map(|(_, score)| score.loglikelihood))
        };
        let log_odds = sum(true) - sum(false);
        let is_scored = !self.right_scores.is_empty() && self.right_scores.len() < self.scores.len();
        Some(log_odds).filter(|log_odds| is_scored && !log_odds.is_nan())
    }

    /// Computes the probability of each option shown, in the order of `scores`: the softmax of their log-likelihoods. A
    /// score that is not finite has the probability 0. None without scores or where no score is finite.
    #[must_use]
    pub fn probabilities(&self) -> Option<Vec<f64>> {
        let total = log_sum_exp(self.scores.iter().filter_map(|score| score.loglikelihood));
        let of_option = |score: &Score| score.loglikelihood.map_or(0.0, |value| (value - total).exp());
        total.is_finite().then(|| self.scores.iter().map(of_option).collect())
    }

    /// Returns whether the right answer is "yes" or "no".
    #[must_use]
    pub fn is_yes_no(&self) -> bool {
        matches!(self.gold.as_str(), "yes" | "no")
    }

    /// Returns whether the question is a choice: it shows options, and its right answer is neither "yes" nor "no".
    #[must_use]
    pub fn is_choice(&self) -> bool {
        self.options > 0 && !self.is_yes_no()
    }

    /// Returns whether the answer is right; false where the response is unparsed.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.verdict == Verdict::Right
    }

    /// Returns whether the model's answer is `named`: the same stored option, or the same text where neither is an
    /// option. False where unparsed.
    #[must_use]
    pub fn gives(&self, named: &Named) -> bool {
        match (named.index, self.index, &self.answer) {
            (Some(named), Some(given), _) => named == given,
            (None, None, Some(answer)) => {
                // Texts are stored normalised, numbers and boxes in one canonical form.
                *answer == named.text || *answer == fold(&named.text)
            }
            _ => false,
        }
    }

    /// Returns the answer as the context of a later question shows it: the words of the chosen option, or the generated
    /// text, on one line. `None` where there is no answer or the text is empty.
    #[must_use]
    pub fn in_context(&self) -> Option<String> {
        let said = if self.index.is_some() { &self.answer } else { &self.reply };
        // A context has one line per question.
        let words = said.as_ref()?.split_whitespace().collect::<Vec<_>>().join(" ");
        Some(words).filter(|words| !words.is_empty())
    }

    /// Returns whether this outcome and `other` have the same answer: the same stored option, else the same canonical
    /// words. Unparsed responses are never the same answer.
    #[must_use]
    pub fn answers_like(&self, other: &Self) -> bool {
        match (self.index, other.index) {
            (Some(mine), Some(theirs)) => mine == theirs,
            _ => self.answer.is_some() && self.answer == other.answer,
        }
    }
}

/// Logarithm of the sum of exponentials; negative infinity without values.
fn log_sum_exp(values: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.collect();
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if most == f64::NEG_INFINITY {
        return most;
    }
    most + values.iter().map(|value| (value - most).exp()).sum::<f64>().ln()
}
