//! An added option "none of the above". In `nota_right` the right options are removed and the added option is right. In
//! `nota_wrong`, the control, the right options stay and the added option is wrong.
//!
//! A model that only picks the most plausible option fails `nota_right`.

use std::sync::LazyLock;

use serde::Deserialize;
use stepwise_data::case::{Answer, Item};
use stepwise_data::prompt::PromptOptions;

use crate::perturb::support::registry::worded_kind;
use crate::perturb::support::templates::{Library, Wording};
use crate::perturb::{Perturbed, Scene, Skip};
use crate::score::fold;

worded_kind! {
    RIGHT = Right(Wording), "nota_right", Attack, "the right options are removed and \"none of the above\" is right",
    |given, scene| {
        let (item, none) = rejectable(given, scene)?;
        let Answer::Choice { options, gold, refusal } = &item.answer else { return Err(NO_OPTIONS) };
        // The stored options keep their indices; the right options are hidden.
        let order: Vec<usize> = (0..options.len()).filter(|index| !gold.contains(index)).collect();
        if order.len() < 2 {
            return Err(Skip("every option is right"));
        }
        let answer = Answer::Choice { options: options.clone(), gold: vec![none], refusal: *refusal };
        let frame = PromptOptions { order: Some(order), ..PromptOptions::default() };
        Ok(Perturbed { item: Some(Item { answer, ..item }), frame, ..Perturbed::default() })
    }
}
worded_kind! {
    WRONG = Wrong(Wording), "nota_wrong", Control, "\"none of the above\" is added and is wrong",
    |given, scene| {
        let (item, _) = rejectable(given, scene)?;
        Ok(Perturbed { item: Some(item), ..Perturbed::default() })
    }
}

/// Text of the template file `crates/benchmark/sentences/none_above.toml`, from which the added option is drawn.
pub const TEMPLATES_TOML: &str = include_str!("../../../sentences/none_above.toml");

/// Wording of one template of `nota_right` and `nota_wrong`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Words {
    /// Text of the added option, such as "none of the above".
    pub option: String,
}

static LIBRARY: LazyLock<Library<Words>> = LazyLock::new(|| Library::built_in(TEMPLATES_TOML));

const NO_OPTIONS: Skip = Skip("only a choice has options to reject");

/// Returns the item with the added option, and the option's index. Skips answers that are not choices, and choices with
/// an option that begins with "none".
fn rejectable(wording: &Wording, scene: &Scene<'_>) -> Result<(Item, usize), Skip> {
    let Answer::Choice { options, gold, refusal } = &scene.item.answer else { return Err(NO_OPTIONS) };
    if options.iter().any(|option| fold(option).split(' ').next() == Some("none")) {
        return Err(Skip("an option says none already"));
    }
    with_option(scene.item, options, gold, *refusal, &LIBRARY.draw(wording.families, scene, "none_above")?.words.option)
}

/// Returns `item` as a choice among `options` and, at the end, the wrong `option`, with the index of the added option.
/// `gold` and `refusal` are the indices in `options` of the right options and of the abstain option.
///
/// # Errors
/// Skips items whose right answer is the abstain option, because no other option is then certainly wrong.
pub(super) fn with_option(
    item: &Item,
    options: &[String],
    gold: &[usize],
    refusal: Option<usize>,
    option: &str,
) -> Result<(Item, usize), Skip> {
    if refusal.is_some_and(|refusal| gold.contains(&refusal)) {
        return Err(Skip("declining is right, so no other option is known to be wrong"));
    }
    let mut options = options.to_vec();
    let added = options.len();
    options.push(option.to_owned());
    let answer = Answer::Choice { options, gold: gold.to_vec(), refusal };
    Ok((Item { answer, ..item.clone() }, added))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::perturb::support::template_rules::assert_split;

    #[test]
    fn templates_are_split_and_say_none() {
        assert_split(&LIBRARY);
        for Words { option } in LIBRARY.templates().iter().map(|template| &template.words) {
            assert!(fold(option).starts_with("none "), "{option}");
        }
    }
}
