//! What a misspelt word was meant to be.

/// The candidate a misspelt `word` most likely stands for, if any is near: at most a third of it is wrong.
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
