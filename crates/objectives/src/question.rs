//! A question with the log-likelihoods of its options, under one view or several.

/// Way in which a question is shown when its options are scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum View {
    /// The training example: its image, its texts, its condition.
    Shown,
    /// The same question and image without the condition of the training example, such as a hint.
    Clean,
    /// The same question with the image of another patient, on which another option is right.
    Other,
    /// The same question without an image.
    WithoutImage,
    /// The same question with the evidence region of the image masked.
    Masked,
}

/// All views, in the order of their numbers.
pub const VIEWS: [View; 5] = [View::Shown, View::Clean, View::Other, View::WithoutImage, View::Masked];

/// Scores of all options of a question under one view.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scores {
    /// Log-likelihood of each option in nats, summed over its tokens, at most 0.
    pub loglikelihoods: Vec<f64>,
    /// Number of tokens of each option, at least 1.
    pub tokens: Vec<usize>,
    /// Log-likelihood of each option under the reference, the model with its adapter off. None where no objective needs it.
    pub reference: Option<Vec<f64>>,
}

impl Scores {
    /// Returns the log-likelihood of an option minus its log-likelihood under the reference, in nats.
    ///
    /// # Panics
    /// When there is no such option, or the scores have no reference.
    #[must_use]
    pub fn ratio(&self, option: usize) -> f64 {
        let reference = self.reference.as_ref().expect("the trainer computes a reference where `Needs` asks for one");
        self.loglikelihoods[option] - reference[option]
    }

    /// Returns the log-likelihood of each option divided by its number of tokens: the score by which the benchmark ranks options.
    #[must_use]
    pub fn per_token(&self) -> Vec<f64> {
        self.loglikelihoods.iter().zip(&self.tokens).map(|(sum, tokens)| sum / *tokens as f64).collect()
    }
}

/// Facts about a question that are known before its options are scored. They decide which objectives apply to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Number of options.
    pub options: usize,
    /// Index of the right option.
    pub gold: usize,
    /// Index of the option that is right on the image of [`View::Other`]; None without this view.
    pub other_gold: Option<usize>,
    /// Index of the wrong option that the condition names, such as the wrong answer of a hint; None if none is named.
    pub named: Option<usize>,
    /// Whether this is the second question of a pair. Symmetric objectives count a pair once, at its first question.
    pub is_second: bool,
    /// Whether each of [`VIEWS`] is scored.
    pub views: [bool; VIEWS.len()],
}

impl Shape {
    /// Returns whether the question is scored under `view`.
    #[must_use]
    pub fn has(&self, view: View) -> bool {
        self.views[view as usize]
    }

    /// Returns the index of the option that is right on the other image, if the question has such an image and the option
    /// differs from the right one.
    #[must_use]
    pub fn counterpart(&self) -> Option<usize> {
        self.other_gold.filter(|other| self.has(View::Other) && *other != self.gold)
    }
}

/// A question with the scores of its options.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Question {
    /// Facts about the question.
    pub shape: Shape,
    /// Scores under each of [`VIEWS`]; None for a view that is not scored.
    pub scores: [Option<Scores>; VIEWS.len()],
    /// Log-probability of each option by a prior that does not see the image, in nats; None where no objective needs it.
    pub prior: Option<Vec<f64>>,
}

/// A score that is not a finite number.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("the {what} of option {} is {value}", option + 1)]
pub struct NotFinite {
    /// Kind of the score.
    pub what: &'static str,
    /// Index of the option, from 0.
    pub option: usize,
    /// Value of the score.
    pub value: f64,
}

impl Question {
    /// Returns the scores under `view`.
    ///
    /// # Panics
    /// When the question is not scored under `view`.
    #[must_use]
    pub fn under(&self, view: View) -> &Scores {
        self.scores[view as usize].as_ref().expect("an objective applies only where its views are scored")
    }

    /// Checks that every score is finite.
    ///
    /// # Errors
    /// The first score that is NaN or infinite.
    pub fn check(&self) -> Result<(), NotFinite> {
        let finite = |what: &'static str, values: &[f64]| match values
            .iter()
            .enumerate()
            .find(|(_, value)| !value.is_finite())
        {
            Some((option, value)) => Err(NotFinite { what, option, value: *value }),
            None => Ok(()),
        };
        for scores in self.scores.iter().flatten() {
            finite("log-likelihood", &scores.loglikelihoods)?;
            finite("log-likelihood under the base", scores.reference.as_deref().unwrap_or_default())?;
        }
        finite("prior", self.prior.as_deref().unwrap_or_default())
    }
}
