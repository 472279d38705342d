//! Answers after a left-right flip of the image.

use stepwise_data::answer_text::{answer_fault, fold};
use stepwise_data::case::{Answer, Laterality};

use super::{clean, yes_no};

/// Returns the effect of a flip with the answer after it in the words of `answer`: the option's words, `yes` or `no`, or
/// the text. An answer after the flip that is no option, no yes or no, or also right without the flip is left out.
pub(crate) fn flipped(found: Laterality, answer: &Answer) -> Laterality {
    let Laterality { dependent, flipped_gold } = found;
    let text = flipped_gold.filter(|_| dependent).map(|text| clean(&text)).filter(|text| answer_fault(text).is_none());
    let flipped_gold = text.and_then(|text| match answer {
        Answer::Choice { options, gold, .. } => {
            let place = options.iter().position(|option| fold(option) == fold(&text))?;
            (!gold.contains(&place)).then(|| options[place].clone())
        }
        Answer::Yesno { gold, .. } => {
            let after = yes_no::read(&text)?;
            (after != *gold).then(|| if after { "yes" } else { "no" }.to_owned())
        }
        Answer::Number { .. } | Answer::Text { .. } => Some(text),
        Answer::Box { .. } => None,
    });
    Laterality { dependent, flipped_gold }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(text: &str, answer: &Answer) -> Option<String> {
        let found = flipped(Laterality { dependent: true, flipped_gold: Some(text.into()) }, answer);
        assert!(found.dependent);
        found.flipped_gold
    }

    #[test]
    fn answers_after_a_flip_have_the_words_of_the_answer() {
        let sides = Answer::Choice { options: vec!["Left".into(), "Right".into()], gold: vec![0], refusal: None };
        assert_eq!(after(" right. ", &sides).as_deref(), Some("Right"));
        assert_eq!([after("left", &sides), after("both", &sides), after("", &sides)], [None, None, None]);
        let yes = Answer::Yesno { gold: true, pair_of: None };
        assert_eq!([after("No.", &yes).as_deref(), after("Yes", &yes).as_deref()], [Some("no"), None]);
        let text = Answer::Text { gold: vec!["left lung".into()], aliases: Vec::new() };
        assert_eq!(after("right lung", &text).as_deref(), Some("right lung"));
        let independent = Laterality { dependent: false, flipped_gold: Some("no".into()) };
        assert_eq!(flipped(independent, &yes), Laterality { dependent: false, flipped_gold: None });
    }
}
