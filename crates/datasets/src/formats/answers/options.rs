//! Choices: options without their letters, and the right option by letter, by text, or by both.

use stepwise_data::answer_text::{answer_fault, fold};
use stepwise_data::case::Answer;

use super::super::entry::{Gold, GoldForm, Question};
use super::{AnswerFault, clean, yes_no};

/// An option with the letter of its place in the source.
struct Lettered {
    letter: char,
    text: String,
}

/// Returns the answer of a question with options; see [`super::read`].
pub(super) fn read(question: &Question) -> Result<Answer, AnswerFault> {
    let options = lettered(&question.options);
    let field = "options";
    if options.len() < 2 {
        return Err(AnswerFault::new(field, "there is only one", "give at least two, or none"));
    }
    for (place, option) in options.iter().enumerate() {
        if let Some(fault) = answer_fault(&option.text) {
            return Err(AnswerFault::new(field, format!("{}: {}", option.letter, fault.what), fault.advice));
        }
        if let Some(other) = options[..place].iter().find(|other| fold(&other.text) == fold(&option.text)) {
            let what = format!("{} and {} are the same answer, {:?}", other.letter, option.letter, option.text);
            return Err(AnswerFault::new(field, what, "make the options differ in more than case and punctuation"));
        }
    }
    let mut right: Option<(usize, &str)> = None;
    for gold in &question.golds {
        let found = find(gold, &options)?;
        match right {
            Some((other, named)) if other != found => {
                let what = format!("names {}, but {named} names {}", options[found].letter, options[other].letter);
                return Err(AnswerFault::new(&gold.field, what, "correct one of them"));
            }
            _ => right = Some((found, &gold.field)),
        }
    }
    let Some((right, _)) = right else {
        return Err(AnswerFault::new("answer", "is missing", "add the right answer"));
    };
    if let [one, other] = &options[..]
        && let (Some(first), Some(second)) = (yes_no::read(&one.text), yes_no::read(&other.text))
        && first != second
    {
        return Ok(Answer::Yesno { gold: if right == 0 { first } else { second }, pair_of: None });
    }
    let options = options.into_iter().map(|option| option.text).collect();
    Ok(Answer::Choice { options, gold: vec![right], refusal: None })
}

/// Returns the options that are there, without the letters that all of them begin with.
fn lettered(options: &[String]) -> Vec<Lettered> {
    let placed: Vec<(char, String)> = ('A'..='Z').zip(options).map(|(letter, text)| (letter, clean(text))).collect();
    let is_there = |text: &str| !text.is_empty();
    let all_begin =
        placed.iter().filter(|(_, text)| is_there(text)).all(|(letter, text)| after(text, *letter).is_some());
    placed
        .into_iter()
        .filter_map(|(letter, text)| {
            let bare = if all_begin { after(&text, letter)? } else { &text };
            is_there(bare).then(|| Lettered { letter, text: bare.to_owned() })
        })
        .collect()
}

/// Returns the text after the letter and its sign, as in `A: text`, `(A) text` or `A. text`; None when the text does
/// not begin so.
fn after(text: &str, letter: char) -> Option<&str> {
    let (open, rest) = match text.strip_prefix(['(', '（']) {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let rest = rest.strip_prefix([letter, letter.to_ascii_lowercase()])?;
    let rest =
        rest.strip_prefix(if open { &[')', '）'][..] } else { &[':', '.', ')', '：', '．', '、', '）'][..] })?;
    Some(rest.trim_start_matches([':', '.']).trim_start())
}

/// Returns the index of the option that an answer names.
fn find(gold: &Gold, options: &[Lettered]) -> Result<usize, AnswerFault> {
    let text = clean(&gold.text);
    if text.is_empty() {
        return Err(AnswerFault::new(&gold.field, "is empty", "fill it in"));
    }
    let by_letter = letter(&text).and_then(|letter| options.iter().position(|option| option.letter == letter));
    let by_text = |text: &str| options.iter().position(|option| fold(&option.text) == fold(text));
    let whole = by_text(&text);
    // "B: lung" names an option twice. The two readings must agree.
    let both = options.iter().position(|option| after(&text, option.letter).is_some());
    let rest = both.map(|place| (place, after(&text, options[place].letter).unwrap_or_default()));
    let found = match (gold.form, by_letter, whole) {
        (GoldForm::Letter, Some(place), _) => Some(place),
        (GoldForm::Letter, None, _) | (_, None, None) => match rest {
            Some((place, "")) => Some(place),
            Some((place, rest)) if by_text(rest) == Some(place) => Some(place),
            Some((place, rest)) if by_text(rest).is_some() => {
                let what = format!("{text:?}: the text is not the text of option {}", options[place].letter);
                return Err(AnswerFault::new(&gold.field, what, "correct the letter or the text"));
            }
            _ => None,
        },
        (GoldForm::Text, _, Some(place)) => Some(place),
        (GoldForm::Text, Some(place), None) | (GoldForm::Either, Some(place), None) => Some(place),
        (GoldForm::Either, None, Some(place)) => Some(place),
        (GoldForm::Either, Some(one), Some(other)) if one == other => Some(one),
        (GoldForm::Either, Some(_), Some(_)) => {
            let what = format!("{text:?} is the letter of one option and the text of another");
            return Err(AnswerFault::new(&gold.field, what, "write letter and text, as in \"A: text\""));
        }
    };
    found.ok_or_else(|| {
        let letters: Vec<String> = options.iter().map(|option| format!("{}: {}", option.letter, option.text)).collect();
        let what = format!("{text:?} is no option ({})", letters.join("; "));
        AnswerFault::new(&gold.field, what, "write the letter or the text of an option")
    })
}

/// Returns the letter that a text consists of, as in `B`, `(b)` or `B.`; None for any other text.
fn letter(text: &str) -> Option<char> {
    let bare = text.trim_matches(['(', ')', '.', ':', '[', ']', ' ']);
    let mut letters = bare.chars();
    let (letter, None) = (letters.next()?, letters.next()) else { return None };
    letter.is_ascii_alphabetic().then(|| letter.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn answered(options: &[&str], golds: &[(&str, GoldForm)]) -> Result<Answer, String> {
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        let golds = golds.iter().map(|(text, form)| Gold::new("answer", *text, *form)).collect();
        read(&Question { options, golds, ..Question::default() }).map_err(|fault| fault.what)
    }

    fn choice(options: &[&str], gold: usize) -> Result<Answer, String> {
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        Ok(Answer::Choice { options, gold: vec![gold], refusal: None })
    }

    #[test]
    fn letters_are_removed_and_the_right_option_is_named_in_every_way() {
        let organs = ["heart", "lung", "liver", "None"];
        for written in [
            ["heart", "lung", "liver", "None"],
            ["A:heart", " B: lung", "C. liver", "D) None"],
            ["(A) heart", "(B) lung", "(C) liver", "(D) None"],
        ] {
            for gold in ["B", "b", "(B)", "B.", "lung", "Lung.", "B: lung", "B. lung", "(B) lung"] {
                assert_eq!(answered(&written, &[(gold, GoldForm::Either)]), choice(&organs, 1), "{gold}");
            }
        }
        let both = [("lung", GoldForm::Text), ("B", GoldForm::Letter)];
        assert_eq!(answered(&organs, &both), choice(&organs, 1));
        assert_eq!(answered(&["CT", "MRI", "", ""], &[("B", GoldForm::Letter)]), choice(&["CT", "MRI"], 1));
        assert_eq!(answered(&["A", "B", "AB", "O"], &[("B", GoldForm::Either)]), choice(&["A", "B", "AB", "O"], 1));
        assert_eq!(answered(&["B", "A"], &[("B", GoldForm::Text)]), choice(&["B", "A"], 0));
    }

    #[test]
    fn yes_and_no_as_options_are_a_yes_no_question() {
        let no = Ok(Answer::Yesno { gold: false, pair_of: None });
        assert_eq!(answered(&["Yes", "No", "", ""], &[("B", GoldForm::Letter)]), no);
        assert_eq!(answered(&["A. No", "B. Yes"], &[("no", GoldForm::Text)]), no);
    }

    #[test]
    fn answers_that_do_not_agree_are_faults() {
        let refused = |golds: &[(&str, GoldForm)]| answered(&["heart", "lung"], golds).expect_err("refused");
        assert!(refused(&[("lung", GoldForm::Text), ("A", GoldForm::Letter)]).contains("names A, but answer names B"));
        assert!(refused(&[("kidney", GoldForm::Either)]).contains("is no option (A: heart; B: lung)"));
        assert!(refused(&[("C", GoldForm::Letter)]).contains("is no option"));
        assert!(refused(&[("A: lung", GoldForm::Either)]).contains("not the text of option A"));
        assert!(refused(&[("", GoldForm::Either)]).contains("is empty"));
        assert!(answered(&["B", "A"], &[("B", GoldForm::Either)]).expect_err("two").contains("letter of one option"));
        assert!(answered(&["Lung", "lung."], &[("A", GoldForm::Letter)]).expect_err("two").contains("same answer"));
        assert!(answered(&["lung"], &[("A", GoldForm::Letter)]).expect_err("one").contains("only one"));
    }

    /// Different options that are no letters.
    fn some_options() -> impl Strategy<Value = Vec<String>> {
        prop::collection::btree_set("[a-zα-ω肺肝心]{2,6}( [a-z0-9]{2,5})?", 3..8)
            .prop_map(|options| options.into_iter().map(|option| format!("{option} ok")).collect())
    }

    proptest! {
        #[test]
        fn letter_text_and_both_name_the_same_option(options in some_options(), place: prop::sample::Index, other: prop::sample::Index) {
            let (place, other) = (place.index(options.len()), other.index(options.len()));
            let letter = |place: usize| char::from(b'A' + place as u8);
            let texts: Vec<&str> = options.iter().map(String::as_str).collect();
            let expected = choice(&texts, place);
            let (named, text) = (letter(place).to_string(), options[place].clone());
            for gold in [named.clone(), format!("({named})"), text.clone(), format!("{named}: {text}"), format!("{named}. {text}")] {
                prop_assert_eq!(&answered(&texts, &[(&gold, GoldForm::Either)]), &expected, "{}", gold);
            }
            let lettered: Vec<String> = options.iter().enumerate().map(|(at, text)| format!("{}. {text}", letter(at))).collect();
            let lettered: Vec<&str> = lettered.iter().map(String::as_str).collect();
            prop_assert_eq!(&answered(&lettered, &[(&text, GoldForm::Text), (&named, GoldForm::Letter)]), &expected);
            let second = letter(other).to_string();
            let both = [(text.as_str(), GoldForm::Text), (second.as_str(), GoldForm::Letter)];
            prop_assert_eq!(answered(&texts, &both).is_ok(), place == other);
            prop_assert_eq!(answered(&texts, &[(&format!("{second}: {text}"), GoldForm::Either)]).is_ok(), place == other);
        }
    }
}
