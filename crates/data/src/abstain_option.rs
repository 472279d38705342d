//! Adds an abstain option to choices that have none.

use rand::Rng;

use crate::answer_text::fold;
use crate::case::{Answer, Case};
use crate::random::stream;

/// Adds `words` as the abstain option, in place, to every choice of the case that has none. Other answers stay as they
/// are.
///
/// The place among the options is drawn from the case id and the item id, so it is the same in every run; the indices
/// of right and confusable options are adjusted. Where an option already has these words, compared by [`fold`], none is
/// added: that option becomes the abstain option or, if it is a right answer, the choice stays without one.
pub fn offer(case: &mut Case, words: &str) {
    for item in &mut case.chain {
        let Answer::Choice { options, gold, refusal: refusal @ None } = &mut item.answer else { continue };
        if let Some(place) = options.iter().position(|option| fold(option) == fold(words)) {
            *refusal = (!gold.contains(&place)).then_some(place);
            continue;
        }
        let place = stream(0, &["refusal", &case.case_id, &item.id]).random_range(0..=options.len());
        options.insert(place, words.to_owned());
        *refusal = Some(place);
        for index in gold.iter_mut().chain(&mut item.confusable) {
            *index += usize::from(*index >= place);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::prompt::gold_text;
    use crate::synth::{SynthOptions, record};

    const WORDS: &str = "cannot tell";

    fn texts(case: &Case) -> Vec<(String, Vec<String>)> {
        let of = |item: &crate::case::Item| {
            let Answer::Choice { options, .. } = &item.answer else { return (gold_text(case, item), Vec::new()) };
            (gold_text(case, item), item.confusable.iter().map(|index| options[*index].clone()).collect())
        };
        case.chain.iter().map(of).collect()
    }

    proptest! {
        #[test]
        fn right_and_confusable_options_keep_their_text(index in 0u64..400) {
            let mut case = record(index, &SynthOptions::default());
            for item in &mut case.chain {
                // Removes the abstain option, so that the case is like one from a data set without any.
                if let Answer::Choice { options, gold, refusal } = &mut item.answer
                    && let Some(place) = refusal.take()
                    && !gold.contains(&place)
                {
                    options.remove(place);
                    gold.iter_mut().chain(&mut item.confusable).for_each(|other| *other -= usize::from(*other > place));
                }
            }
            let before = case.clone();
            offer(&mut case, WORDS);
            prop_assert_eq!(texts(&case), texts(&before));
            for item in &case.chain {
                let Answer::Choice { options, gold, refusal } = &item.answer else { continue };
                let declines = refusal.is_some_and(|place| options[place] == WORDS && !gold.contains(&place));
                prop_assert!(declines || gold.iter().any(|place| options[*place] == WORDS), "{options:?}");
                prop_assert_eq!(options.iter().filter(|option| *option == WORDS).count(), 1);
            }
            let once = case.clone();
            offer(&mut case, WORDS);
            prop_assert_eq!(case, once, "a second call changes nothing");
        }
    }

    #[test]
    fn the_abstain_option_takes_different_positions() {
        let places: std::collections::BTreeSet<usize> = (0..60)
            .flat_map(|index| {
                let mut case = record(index, &SynthOptions::default());
                offer(&mut case, "none of this can be said");
                let place = |item: &crate::case::Item| match &item.answer {
                    Answer::Choice { options, refusal: Some(place), .. } if options[*place].starts_with("none") => {
                        Some(*place)
                    }
                    _ => None,
                };
                case.chain.iter().filter_map(place).collect::<Vec<_>>()
            })
            .collect();
        assert!(places.len() > 2, "{places:?}");
    }
}
