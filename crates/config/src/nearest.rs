//! Suggestion for a misspelt word.

/// Returns the candidate nearest to a misspelt `word` by Damerau-Levenshtein distance. The distance may be at most a
/// third of the longer word's length in characters; None when no candidate is that near. Of equally near candidates,
/// the first in alphabetical order is returned.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| distance * 3 <= word.chars().count().max(candidate.chars().count()))
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn far_words_are_not_near() {
        let candidates = ["learning_rate", "r", "seed"];
        assert_eq!(nearest("learning_rte", candidates.into_iter()), Some("learning_rate"));
        assert_eq!(nearest("k", candidates.into_iter()), None);
        assert_eq!(nearest("banana", candidates.into_iter()), None);
    }
}
