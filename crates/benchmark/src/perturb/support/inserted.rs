//! Sentences that are added to a prompt.

use stepwise_data::prompt::{InsertedText, Place, PromptOptions};

use crate::perturb::{Named, Perturbed};

/// Returns the change that adds the sentence `text` to the question at `place`. `sentence` is the id of the text's
/// template. `named` is the answer that the text names; None where it names none.
pub fn inserted(place: Place, text: String, sentence: String, named: Option<Named>) -> Perturbed {
    let frame = PromptOptions { inserts: vec![InsertedText { place, text }], ..PromptOptions::default() };
    Perturbed { frame, named, sentence: Some(sentence), ..Perturbed::default() }
}
