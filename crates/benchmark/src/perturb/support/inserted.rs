//! Sentences that are added to a prompt.

use stepwise_data::prompt::{InsertedText, Place, PromptOptions};

use crate::perturb::{Named, Perturbed};

/// Returns the change that adds the sentence `text` to the question at `place`. `named` is the answer that the text
/// names; None where it names none.
pub fn inserted(place: Place, text: String, named: Option<Named>) -> Perturbed {
    let frame = PromptOptions { inserts: vec![InsertedText { place, text }], ..PromptOptions::default() };
    Perturbed { frame, named, ..Perturbed::default() }
}
