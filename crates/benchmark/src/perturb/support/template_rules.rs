//! Rules that the tests of template files check.

use std::collections::{BTreeMap, BTreeSet};

use crate::perturb::support::templates::{Families, Library, Template};
use crate::score::fold;

/// Least number of templates of each use; an effect that rests on fewer sentences is an effect of these sentences.
pub const LEAST: usize = 8;

/// Number of successive words that two sentences of different uses must not share.
const SHARED_WORDS: usize = 4;

/// Asserts that `library` has at least two families each for training and held out and one for validation, and that no
/// family is in two splits.
pub fn assert_split<W>(library: &Library<W>) {
    for families in Families::ALL {
        let names: BTreeSet<&str> = library.of(families).map(|template| template.family.as_str()).collect();
        let least = if families == Families::Validation { 1 } else { 2 };
        assert!(names.len() >= least, "{families:?}: {names:?}");
    }
    for template in library.templates() {
        let mut uses = library.templates().iter().filter(|other| other.family == template.family);
        assert!(uses.all(|other| other.split == template.split), "{}", template.family);
    }
}

/// Asserts the rules of [`assert_split`], that every use has at least [`LEAST`] templates, that no sentence occurs
/// twice, and that sentences of different uses share no four successive words, so that training does not memorise what
/// is evaluated. `sentences` returns all sentences of a template.
pub fn assert_varied<W>(library: &Library<W>, sentences: impl Fn(&W) -> Vec<&str>) {
    assert_split(library);
    for families in Families::ALL {
        assert!(library.of(families).count() >= LEAST, "{families:?}");
    }
    let mut seen: BTreeMap<Vec<String>, (Families, &str)> = BTreeMap::new();
    let mut known = BTreeSet::new();
    for Template { split, words, .. } in library.templates() {
        for sentence in sentences(words) {
            assert!(known.insert(fold(sentence)), "twice: {sentence}");
            let lower = sentence.to_lowercase();
            let is_separator = |character: char| !character.is_alphanumeric() && !"{}".contains(character);
            let words: Vec<String> =
                lower.split(is_separator).filter(|word| !word.is_empty()).map(str::to_owned).collect();
            for shared in words.windows(SHARED_WORDS) {
                let (other, first) = seen.entry(shared.to_vec()).or_insert((*split, sentence));
                assert!(other == split, "{shared:?} in two uses: {first} / {sentence}");
            }
        }
    }
}

/// Asserts that a control has about the length of the sentence that it is compared with: at most 40 % more or fewer
/// characters and two words.
pub fn assert_as_long(sentence: &str, control: &str) {
    let ratio = control.chars().count() as f64 / sentence.chars().count() as f64;
    assert!((0.6..=1.4).contains(&ratio), "{sentence} / {control}");
    let words = |text: &str| text.split_whitespace().count();
    assert!(words(sentence).abs_diff(words(control)) <= 2, "{sentence} / {control}");
}

/// Words that are an answer or belong to one in many cases.
const ANSWERS: [&str; 24] = [
    "yes", "no", "none", "nothing", "both", "left", "right", "upper", "lower", "top", "bottom", "middle", "normal",
    "abnormal", "present", "absent", "large", "small", "round", "bright", "dark", "true", "false", "repeat",
];

/// Asserts that `sentence` has no word that is an answer to many questions, and no digit.
pub fn assert_names_no_answer(sentence: &str) {
    let lower = sentence.to_lowercase();
    let mut words = lower.split(|character: char| !character.is_alphanumeric());
    assert!(words.all(|word| !ANSWERS.contains(&word)), "{sentence}");
    assert!(!sentence.contains(|character: char| character.is_ascii_digit()), "{sentence}");
}

/// Asserts that `sentence` names the answer once, in quotation marks, so that it is correct with every answer, and no
/// other answer.
pub fn assert_quotes_answer(sentence: &str) {
    assert_names_no_answer(sentence);
    let count = |part: &str| sentence.matches(part).count();
    assert_eq!((count("{answer}"), count("\"{answer}\""), count("{")), (1, 1, 1), "{sentence}");
}
