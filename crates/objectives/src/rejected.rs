//! The options that a preference objective rejects.

use serde::Serialize;
use stepwise_config::section::{Section, Words};

use crate::question::{Question, Shape, View};

/// Options that are rejected in favour of the right one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rejected {
    /// Every wrong option; the loss is the mean over them.
    #[default]
    All,
    /// The wrong option with the highest log-likelihood per token at present, the first one of equals.
    Likeliest,
    /// The wrong option that the condition names, such as the answer of a misleading hint. Other questions are left out.
    Named,
}

const WORDS: Words<Rejected> =
    &[("all", Rejected::All), ("likeliest", Rejected::Likeliest), ("named", Rejected::Named)];

impl Rejected {
    /// Reads the key `rejected`.
    pub(crate) fn read(section: &mut Section<'_>) -> Self {
        section.choice(
            "rejected",
            WORDS,
            Self::default(),
            "Rejected options: every wrong option, with the mean over them as the loss (all), the likeliest wrong option \
             (likeliest), or the wrong option that a condition of `augment` names, such as a misleading hint (named). With \
             `named`, other questions are left out.",
        )
    }

    /// Returns whether a question of this shape has a rejected option.
    pub(crate) fn applies(self, shape: &Shape) -> bool {
        match self {
            Self::All | Self::Likeliest => shape.options > 1,
            Self::Named => shape.named.is_some(),
        }
    }

    /// Returns the indices of the rejected options.
    pub(crate) fn options(self, question: &Question) -> Vec<usize> {
        let Shape { options, gold, named, .. } = question.shape;
        let wrong = (0..options).filter(|option| *option != gold);
        match self {
            Self::All => wrong.collect(),
            Self::Named => named.into_iter().collect(),
            Self::Likeliest => {
                let scores = question.under(View::Shown).per_token();
                wrong
                    .reduce(|best, option| if scores[option] > scores[best] { option } else { best })
                    .into_iter()
                    .collect()
            }
        }
    }
}
