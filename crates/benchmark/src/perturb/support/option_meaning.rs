//! What an option of a choice says, as far as its words show: that it rejects all others, that it also holds where the
//! subject of the question is absent, or that another option is implied by it.

use crate::score::fold;

/// First words of options that reject all others.
const REJECTING: [&str; 5] = ["neither", "no", "none", "nothing", "normal"];

/// Words of options that also hold for something that is absent: its size is zero, and two absent things are equal.
const VACUOUS: [&str; 20] = [
    "0",
    "absent",
    "below",
    "cannot",
    "equal",
    "equally",
    "fewer",
    "less",
    "missing",
    "negative",
    "not",
    "same",
    "similar",
    "smaller",
    "under",
    "unchanged",
    "unclear",
    "uncertain",
    "unknown",
    "zero",
];

/// Words of options that hold several things together, so that an option for one of them stays true.
const JOINING: [&str; 15] = [
    "all",
    "and",
    "bilateral",
    "bilaterally",
    "both",
    "combined",
    "diffuse",
    "either",
    "everywhere",
    "generalised",
    "generalized",
    "mixed",
    "multifocal",
    "plus",
    "several",
];

/// Words of open ranges, by direction: an option with such a word can hold together with another one.
const OPEN_RANGES: [&[&str]; 2] = [
    &["above", "exceeds", "least", "more", "over", ">", "≥"],
    &["below", "fewer", "less", "most", "under", "up", "<", "≤"],
];

/// Words without content of their own.
const EMPTY: [&str; 13] = ["a", "an", "at", "by", "in", "is", "of", "on", "or", "than", "the", "there", "to"];

/// Returns whether an option rejects all other options or names nothing, such as "none of these" or "no finding".
#[must_use]
pub fn rejects_all(option: &str) -> bool {
    fold(option).split(' ').next().is_some_and(|first| REJECTING.contains(&first))
}

/// Returns whether an option says none, such as "none of these" or "none".
#[must_use]
pub fn says_none(option: &str) -> bool {
    fold(option).split(' ').next().is_some_and(|first| ["none", "neither"].contains(&first))
}

/// Returns whether an option rejects the options that are listed with it, such as "none of these". Its truth depends on
/// the other options, unlike the truth of "none" or "no device".
#[must_use]
pub fn rejects_listed(option: &str) -> bool {
    let folded = fold(option);
    ["none of ", "neither of "].iter().any(|start| folded.starts_with(start))
}

/// Returns whether an option can also be true where the subject of the question is absent, such as "no finding", "less
/// than 10%" or "about equal".
#[must_use]
pub fn holds_without_subject(option: &str) -> bool {
    let folded = fold(option);
    let says = |word: &str| VACUOUS.contains(&word) || word.starts_with(['<', '≤']);
    rejects_all(option) || folded.split(' ').any(says)
}

/// Returns whether `option` stays true, or can stay true, where `right` is true: `right` joins several things ("both
/// lungs"), has all words of content of `option` ("viral pneumonia" and "pneumonia"), or both are open ranges in the same
/// direction ("4% or more" and "2% or more").
#[must_use]
pub fn may_follow(option: &str, right: &str) -> bool {
    let (option, right) = (fold(option), fold(right));
    let is_joined = right.split(' ').any(|word| JOINING.contains(&word) || ["&", "/", "+"].contains(&word));
    let contents = |text: &str| -> Vec<String> {
        let words = text.split(' ').filter(|word| !EMPTY.contains(word));
        words.map(|word| word.strip_suffix('s').unwrap_or(word).to_owned()).collect()
    };
    let (part, whole) = (contents(&option), contents(&right));
    let is_part = !part.is_empty() && part.iter().all(|word| whole.contains(word));
    let is_open = |text: &str, words: &[&str]| text.split(' ').any(|word| words.contains(&word));
    let same_direction = OPEN_RANGES.iter().any(|words| is_open(&option, words) && is_open(&right, words));
    is_joined || is_part || same_direction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_that_stays_true_without_the_right_one_is_found() {
        for (option, right) in [
            ("right lung", "both lungs"),
            ("left", "bilateral"),
            ("consolidation", "consolidation and effusion"),
            ("effusion", "consolidation/effusion"),
            ("focal", "diffuse"),
            ("pneumonia", "viral pneumonia"),
            ("nodules", "a solid nodule"),
            ("2% or more", "4% or more"),
            ("less than 4", "less than 2"),
        ] {
            assert!(may_follow(option, right), "{option} / {right}");
        }
        for (option, right) in [
            ("left lung", "right lung"),
            ("viral pneumonia", "pneumonia"),
            ("less than 10%", "50% or more"),
            ("10% to 25%", "25% to 50%"),
            ("glioma", "meningioma"),
            ("wider than high", "higher than wide"),
            ("upper left", "lower left"),
        ] {
            assert!(!may_follow(option, right), "{option} / {right}");
        }
    }

    #[test]
    fn options_that_hold_for_an_absent_subject_are_found() {
        for option in
            ["none of these", "no device", "less than 10%", "<1%", "about equal", "normal", "0", "not enlarged"]
        {
            assert!(holds_without_subject(option), "{option}");
        }
        for option in ["right lung", "both lungs", "one region in one lung", "10% to 25%", "upper left", "smooth"] {
            assert!(!holds_without_subject(option), "{option}");
        }
        assert!(rejects_listed("None of these") && !rejects_listed("none") && says_none("none"));
        assert!(rejects_all("no device") && !says_none("no device"));
    }
}
