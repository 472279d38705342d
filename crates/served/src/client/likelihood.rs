//! Scores of options from the log-probabilities that a server gives.

use stepwise_benchmark::model::OptionLikelihood;

use super::Answer;

/// Scores `options` by the first token of the answer: an option has the summed probability of the listed tokens that
/// are its text, without spaces around it and, with `ignores_case`, in any case. An option that is not listed has at most
/// the probability of the least likely listed token and at most what the listed ones leave; this bound is its score. All
/// scores are NaN, so that the answer counts as unparsed, where no option is listed.
#[must_use]
pub fn by_first_token(answer: &Answer, options: &[String], ignores_case: bool) -> Vec<OptionLikelihood> {
    let text = |token: &str| {
        let token = token.trim_matches(|sign: char| sign.is_whitespace() || sign == '\u{2581}' || sign == '\u{120}');
        if ignores_case { token.to_lowercase() } else { token.to_owned() }
    };
    let listed: Vec<(String, f64)> = answer.first.iter().map(|(token, logprob)| (text(token), logprob.exp())).collect();
    let probability = |option: &String| {
        let wanted = if ignores_case { option.to_lowercase() } else { option.clone() };
        let own = listed.iter().filter(|(token, _)| *token == wanted).map(|(_, probability)| probability);
        own.fold(None, |sum: Option<f64>, probability| Some(sum.unwrap_or_default() + probability))
    };
    let found: Vec<Option<f64>> = options.iter().map(probability).collect();
    let is_blind = found.iter().all(Option::is_none);
    let rest = (1.0 - listed.iter().map(|(_, probability)| probability).sum::<f64>()).max(0.0);
    let bound = listed.iter().map(|(_, probability)| *probability).fold(rest, f64::min);
    let score = |probability: Option<f64>| {
        let loglikelihood = if is_blind { f64::NAN } else { probability.unwrap_or(bound).ln() };
        OptionLikelihood { loglikelihood, tokens: 1 }
    };
    found.into_iter().map(score).collect()
}

/// Returns the log-likelihood of an option and the end of its turn: the sum over the tokens that `whole`, the prompt with
/// the option as the last turn, has after the tokens of `prefix`, the prompt that asks for an answer. NaN, so that the
/// answer counts as unparsed, where the server gave no log-probabilities.
#[must_use]
pub fn by_prompt(prefix: &Answer, whole: &Answer) -> OptionLikelihood {
    let tokens = whole.scored.saturating_sub(prefix.scored);
    let is_known = prefix.scored > 0 && tokens > 0 && tokens <= whole.tail.len();
    let sum = || whole.tail[whole.tail.len() - tokens..].iter().sum();
    OptionLikelihood { loglikelihood: if is_known { sum() } else { f64::NAN }, tokens }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(tokens: &[(&str, f64)]) -> Answer {
        let first = tokens.iter().map(|(token, share)| ((*token).to_owned(), share.ln())).collect();
        Answer { first, ..Answer::default() }
    }

    fn shares(answer: &Answer, options: &[&str], ignores_case: bool) -> Vec<f64> {
        let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
        by_first_token(answer, &options, ignores_case).iter().map(|score| score.loglikelihood.exp()).collect()
    }

    #[test]
    fn letters_are_summed_over_their_tokens_and_missing_ones_are_bounded() {
        let answer = first(&[("A", 0.5), (" A", 0.2), ("The", 0.15), ("B", 0.1)]);
        let found = shares(&answer, &["A", "B", "C"], false);
        // C has at most what is left, 0.05, which is below the least likely listed token.
        for (found, expected) in found.iter().zip([0.7, 0.1, 0.05]) {
            assert!((found - expected).abs() < 1e-9, "{found}");
        }
        let found = shares(&first(&[("A", 0.3), ("B", 0.01)]), &["A", "B", "C"], false);
        assert!((found[2] - 0.01).abs() < 1e-9, "{found:?}");
    }

    #[test]
    fn without_a_listed_option_nothing_is_chosen() {
        assert!(shares(&first(&[("The", 0.9)]), &["A", "B"], false).iter().all(|share| share.is_nan()));
        assert!(shares(&Answer::default(), &["A"], false)[0].is_nan());
        // Letters keep their case: "a" may be an article.
        assert!(shares(&first(&[("a", 0.9)]), &["A"], false)[0].is_nan());
        assert!((shares(&first(&[("Yes", 0.6), ("no", 0.3)]), &["yes", "no"], true)[0] - 0.6).abs() < 1e-9);
    }

    #[test]
    fn prompt_scores_of_an_option_are_what_follows_the_question() {
        let answer = |scored, tail: &[f64]| Answer { scored, tail: tail.to_vec(), ..Answer::default() };
        let prefix = answer(3, &[-1.0, -2.0, -3.0]);
        let score = by_prompt(&prefix, &answer(5, &[-1.0, -2.0, -3.0, -0.5, -0.25]));
        assert_eq!((score.loglikelihood, score.tokens), (-0.75, 2));
        for (prefix, whole) in
            [(&prefix, answer(3, &[-1.0; 3])), (&answer(0, &[]), answer(2, &[-1.0; 2])), (&prefix, answer(0, &[]))]
        {
            assert!(by_prompt(prefix, &whole).loglikelihood.is_nan());
        }
    }
}
