//! An added option "none of the above" at a drawn place. In `nota_right` the right options are removed and the added
//! option is right. In `nota_wrong`, the control, one right option stays, a wrong option is removed for it, and the added
//! option is wrong. Both show the same number of options, and neither shows the abstain option.
//!
//! A model that only picks the most plausible option fails `nota_right`.

use std::sync::LazyLock;

use rand::Rng;
use serde::Deserialize;
use stepwise_data::case::Answer;

use crate::perturb::support::added_option::{AddedOption, without_refusal};
use crate::perturb::support::option_meaning::{may_follow, rejects_all, says_none};
use crate::perturb::support::registry::worded_kind;
use crate::perturb::support::templates::{Library, Wording};
use crate::perturb::{Perturbed, Scene, Skip};

worded_kind! {
    RIGHT = Right(Wording), "nota_right", Attack, "the right options are removed and \"none of the above\" is right",
    |given, scene| {
        let Rejectable { options, wrong, .. } = rejectable(scene)?;
        let template = LIBRARY.draw(given.families, scene, "none_above")?;
        let added = AddedOption { item: scene.item, options, shown: &wrong, added: &template.words.option };
        Ok(Perturbed { sentence: Some(template.id()), ..added.asked(scene, None) })
    }
}
worded_kind! {
    WRONG = Wrong(Wording), "nota_wrong", Control, "\"none of the above\" is added in place of a wrong option and is wrong",
    |given, scene| {
        let Rejectable { options, right, mut wrong } = rejectable(scene)?;
        wrong.remove(scene.draw("nota_removed").random_range(0..wrong.len()));
        let mut shown = wrong;
        shown.push(right);
        shown.sort_unstable();
        let template = LIBRARY.draw(given.families, scene, "none_above")?;
        let added = AddedOption { item: scene.item, options, shown: &shown, added: &template.words.option };
        Ok(Perturbed { sentence: Some(template.id()), ..added.asked(scene, Some(right)) })
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

/// A choice of which it is certain that no option is right without its right options.
struct Rejectable<'a> {
    options: &'a [String],
    /// Index of the first right option.
    right: usize,
    /// Indices of the wrong options without the abstain option, at least one.
    wrong: Vec<usize>,
}

/// Returns the options of the scene's item.
///
/// # Errors
/// Skips answers that are not choices, choices with an option that says none, choices whose right option
/// rejects all others, so that an added one says the same, choices whose abstain option is
/// right or the only wrong one, and choices of which a wrong option may be true as well without the right ones.
fn rejectable<'a>(scene: &Scene<'a>) -> Result<Rejectable<'a>, Skip> {
    let Answer::Choice { options, gold, refusal } = &scene.item.answer else {
        return Err(Skip("only a choice has options to reject"));
    };
    let rejects = |index: &usize| options.get(*index).is_some_and(|option| rejects_all(option));
    if options.iter().any(|option| says_none(option)) || gold.iter().any(rejects) {
        return Err(Skip("an option says none already"));
    }
    if refusal.is_some_and(|refusal| gold.contains(&refusal)) {
        return Err(Skip("declining is right, so no other option is known to be wrong"));
    }
    let wrong: Vec<usize> =
        without_refusal(options, *refusal).into_iter().filter(|index| !gold.contains(index)).collect();
    let Some(&right) = gold.first().filter(|_| !wrong.is_empty()) else {
        return Err(Skip("no wrong option would be left"));
    };
    let follows = |index: &usize| gold.iter().any(|right| may_follow(&options[*index], &options[*right]));
    if wrong.iter().any(follows) {
        return Err(Skip("an option that is left may be true as well"));
    }
    Ok(Rejectable { options, right, wrong })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::perturb::support::template_rules::assert_split;
    use crate::score::fold;

    #[test]
    fn templates_are_split_and_say_none() {
        assert_split(&LIBRARY);
        for Words { option } in LIBRARY.templates().iter().map(|template| &template.words) {
            assert!(fold(option).starts_with("none "), "{option}");
        }
    }
}
