//! Choices with an added option, which stands at a drawn place among the options shown.

use rand::Rng;
use stepwise_data::case::{Answer, Item};
use stepwise_data::prompt::PromptOptions;

use crate::perturb::{Perturbed, Scene};

/// A choice that gets one more option.
#[derive(Clone, Copy, Debug)]
pub struct AddedOption<'a> {
    /// Item whose options are shown.
    pub item: &'a Item,
    /// Stored options of the item.
    pub options: &'a [String],
    /// Indices of the stored options to show, in this order.
    pub shown: &'a [usize],
    /// Text of the added option.
    pub added: &'a str,
}

impl AddedOption<'_> {
    /// Returns the change that asks the choice of the item of `scene` with the added option at a drawn place. `gold` is
    /// the index of the right stored option; None makes the added option right. Stored options keep their indices, and
    /// the added option has the next one. The asked item has no abstain option, no paraphrases and no confusable
    /// options; its id, stage and category are those of the scene's item.
    #[must_use]
    pub fn asked(self, scene: &Scene<'_>, gold: Option<usize>) -> Perturbed {
        let place = scene.draw("added_option").random_range(0..=self.shown.len());
        let added = self.options.len();
        let mut order = self.shown.to_vec();
        order.insert(place, added);
        let options = self.options.iter().cloned().chain([self.added.to_owned()]).collect();
        let answer = Answer::Choice { options, gold: vec![gold.unwrap_or(added)], refusal: None };
        let Item { id, stage, category, parents, .. } = scene.item.clone();
        let item = Item {
            id,
            stage,
            category,
            parents,
            answer,
            paraphrases: Vec::new(),
            confusable: Vec::new(),
            ..self.item.clone()
        };
        let frame = PromptOptions { order: Some(order), ..PromptOptions::default() };
        Perturbed { item: Some(item), frame, ..Perturbed::default() }
    }
}

/// Returns the indices of `options` without the abstain option `refusal`, which could be right beside an added option.
#[must_use]
pub fn without_refusal(options: &[String], refusal: Option<usize>) -> Vec<usize> {
    (0..options.len()).filter(|index| Some(*index) != refusal).collect()
}
