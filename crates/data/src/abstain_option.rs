//! Adds an abstain option to choices that have none.

use rand::Rng;

use crate::answer_text::fold;
use crate::case::{Answer, Case};
use crate::random::stream;

/// Choices that had an option with the words of the abstain option, and no abstain option; none was added to them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Occupied {
    /// Choices in which this option is wrong; it became the abstain option.
    pub wrong: usize,
    /// Choices in which this option is right; they stay without an abstain option.
    pub right: usize,
}

/// Adds `words` as the abstain option, in place, to every choice of the case that has none. Other answers stay as they
/// are. Returns the number of choices that had such an option already.
///
/// The place among the options is drawn from the case id and the item id, so it is the same in every run; the indices
/// of right and confusable options are adjusted. Where an option already has these words, compared by [`fold`], none is
/// added: that option becomes the abstain option or, if it is a right answer, the choice stays without one.
pub fn offer(case: &mut Case, words: &str) -> Occupied {
    let mut occupied = Occupied::default();
    for item in &mut case.chain {
        let Answer::Choice { options, gold, refusal: refusal @ None } = &mut item.answer else { continue };
        if let Some(place) = options.iter().position(|option| fold(option) == fold(words)) {
            if gold.contains(&place) {
                occupied.right += 1;
            } else {
                occupied.wrong += 1;
                *refusal = Some(place);
            }
            continue;
        }
        let place = stream(0, &["refusal", &case.case_id, &item.id]).random_range(0..=options.len());
        options.insert(place, words.to_owned());
        *refusal = Some(place);
        for index in gold.iter_mut().chain(&mut item.confusable) {
            *index += usize::from(*index >= place);
        }
    }
    occupied
}

/// Adds `words` as the abstain option to all `cases`, as [`offer`] does. Returns a warning if choices have an option with
/// these words already.
pub fn offer_to_all(cases: &mut [Case], words: &str) -> Option<String> {
    let (mut wrong, mut right, mut first) = (0, 0, None);
    for case in cases {
        let occupied = offer(case, words);
        wrong += occupied.wrong;
        right += occupied.right;
        if occupied != Occupied::default() && first.is_none() {
            first = Some(case.case_id.clone());
        }
    }
    let (first, count) = (first?, wrong + right);
    let (questions, have) = if count == 1 { ("question", "has") } else { ("questions", "have") };
    Some(format!(
        "`abstain_option` {words:?}: {count} {questions} {have} an option equal to it, such as in case {first}: none is \
         added there; the option is a right answer in {right}, and counts as the abstain option in {wrong} -> choose \
         other words, unless the option means that the question cannot be answered"
    ))
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
            prop_assert_eq!(offer(&mut case, WORDS).wrong, 0);
            prop_assert_eq!(case, once, "a second call changes nothing");
        }
    }

    #[test]
    fn options_equal_to_the_abstain_option_are_counted() {
        let mut cases: Vec<Case> = (0..40).map(|index| record(index, &SynthOptions::default())).collect();
        for case in &mut cases {
            for item in &mut case.chain {
                if let Answer::Choice { options, gold, refusal } = &mut item.answer {
                    *refusal = None;
                    (*options, *gold) = (vec!["Axial.".into(), "coronal".into(), "sagittal".into()], vec![1]);
                }
            }
        }
        assert_eq!(offer_to_all(&mut cases.clone(), "cannot tell"), None);
        for (words, ending) in [("axial", "a right answer in 0, "), (" Coronal.", "as the abstain option in 0 ")] {
            let said = offer_to_all(&mut cases.clone(), words).expect("a warning");
            assert!(said.contains(&format!("such as in case {}", cases[0].case_id)) && said.contains(ending), "{said}");
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
