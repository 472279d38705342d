//! An option to decline, for choices that were written without one.

use rand::Rng;

use crate::case::{Answer, Case};
use crate::random::stream;

/// Offers `words` as the option to decline in every choice that has none, at a place drawn from the names of case and question;
/// an option of these very words becomes it where it stands, unless it is right.
pub fn offer(case: &mut Case, words: &str) {
    for item in &mut case.chain {
        let Answer::Choice { options, gold, refusal: refusal @ None } = &mut item.answer else { continue };
        if let Some(place) = options.iter().position(|option| option.trim().eq_ignore_ascii_case(words.trim())) {
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
        fn what_is_right_and_what_is_confusable_stay(index in 0u64..400) {
            let mut case = record(index, &SynthOptions::default());
            for item in &mut case.chain {
                // As a data set has them that offers nothing of the kind.
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
            prop_assert_eq!(case, once, "an offer is made once");
        }
    }

    #[test]
    fn it_stands_at_any_place() {
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
