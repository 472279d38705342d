//! Reading of answers: yes or no, choices without letters, counts, texts and boxes.

mod count;
mod flip;
mod options;
mod yes_no;

use stepwise_data::answer_text::{answer_fault, fold, is_invisible};
use stepwise_data::case::Answer;

use super::entry::Question;
pub(crate) use flip::flipped;

/// Intersection over union from which a box is right.
const IOU_OK: f64 = 0.5;

/// Fault of an answer: the field, what is wrong, and what to do about it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct AnswerFault {
    /// Field of the source.
    pub(crate) field: String,
    /// What is wrong.
    pub(crate) what: String,
    /// What to do about it.
    pub(crate) advice: &'static str,
}

impl AnswerFault {
    fn new(field: &str, what: impl Into<String>, advice: &'static str) -> Self {
        Self { field: field.into(), what: what.into(), advice }
    }
}

/// Returns the answer of a question. Options become choices without letters, or yes/no when they are yes and no; an
/// answer that is yes or no becomes a yes/no answer; a number becomes a number only where the question asks how many;
/// everything else is text. Answers that are taught word for word become yes/no or numbers only when written so. Box answers name regions by their index in the row, as decimal text.
///
/// # Errors
/// When an answer is empty or no option, several right answers do not agree, or options are missing or equal.
pub(crate) fn read(question: &Question) -> Result<Answer, AnswerFault> {
    if !question.boxes.is_empty() {
        let gold = question.boxes.iter().map(ToString::to_string).collect();
        return Ok(Answer::Box { gold, iou_ok: IOU_OK });
    }
    if !question.options.iter().all(|option| clean(option).is_empty()) {
        return options::read(question);
    }
    let Some(first) = question.golds.first() else {
        return Err(AnswerFault::new("answer", "is missing", "add the right answer"));
    };
    let text = clean(&first.text);
    if let Some(fault) = answer_fault(&text) {
        return Err(AnswerFault::new(&first.field, fault.what, fault.advice));
    }
    for other in &question.golds[1..] {
        if fold(&other.text) != fold(&text) {
            let what = format!("{:?} does not agree with {text:?} in {}", other.text, first.field);
            return Err(AnswerFault::new(&other.field, what, "correct one of them"));
        }
    }
    let is_taught_so = |taught: &str| !question.is_verbatim || taught == text;
    if let Some(gold) = yes_no::read(&text).filter(|gold| is_taught_so(if *gold { "yes" } else { "no" })) {
        return Ok(Answer::Yesno { gold, pair_of: None });
    }
    let number = count::asks_how_many(&question.text).then(|| count::read(&text)).flatten();
    if let Some(gold) = number.filter(|gold| is_taught_so(&gold.to_string())) {
        return Ok(Answer::Number { gold, unit: None, abs_tol: Some(0.0), rel_tol: None });
    }
    Ok(Answer::Text { gold: vec![text], aliases: Vec::new() })
}

/// Returns a text without white space and invisible characters at its ends, and with line feeds only as line ends.
pub(crate) fn clean(text: &str) -> String {
    let bare = text.trim_matches(|character: char| character.is_whitespace() || is_invisible(character));
    bare.replace("\r\n", "\n").replace('\r', "\n")
}

#[cfg(test)]
mod tests {
    use super::super::entry::{Gold, GoldForm};
    use super::*;

    fn asked(text: &str, answer: &str) -> Answer {
        let golds = vec![Gold::new("answer", answer, GoldForm::Either)];
        read(&Question { text: text.into(), golds, ..Question::default() }).expect("sound")
    }

    #[test]
    fn yes_and_no_are_read_in_every_usual_spelling() {
        for text in ["Yes", " yes.", "YES!", "y", "Yes, it is", "是", "是的。", "有", "包含", "可以", "对", "存在"]
        {
            assert_eq!(asked("Is this the lung?", text), Answer::Yesno { gold: true, pair_of: None }, "{text}");
        }
        for text in ["No", "no\t", "N", "Nope", "不是", "不包含", "没有", "不可以", "否", "不", "无"] {
            assert_eq!(asked("Is this the lung?", text), Answer::Yesno { gold: false, pair_of: None }, "{text}");
        }
        for text in ["None", "Normal", "Nodule", "NULL", "NA", "not seen", "no nodule", "yellow", "肺"] {
            assert_eq!(
                asked("What is shown?", text),
                Answer::Text { gold: vec![text.into()], aliases: vec![] },
                "{text}"
            );
        }
    }

    #[test]
    fn numbers_are_numbers_only_where_the_question_asks_how_many() {
        let number = |gold| Answer::Number { gold, unit: None, abs_tol: Some(0.0), rel_tol: None };
        assert_eq!(asked("How many nodules are there?", "2"), number(2.0));
        assert_eq!(asked("how many lobes?", "three"), number(3.0));
        assert_eq!(asked("图中有多少个肺?", "两个"), number(2.0));
        assert_eq!(asked("Which vertebra?", "12"), Answer::Text { gold: vec!["12".into()], aliases: vec![] });
        assert!(matches!(asked("How many nodules?", "several"), Answer::Text { .. }));
    }

    #[test]
    fn an_answer_that_says_nothing_is_a_fault() {
        for text in ["", " \t", "?", "..."] {
            let golds = vec![Gold::new("answer", text, GoldForm::Either)];
            assert!(read(&Question { text: "What?".into(), golds, ..Question::default() }).is_err(), "{text:?}");
        }
    }
}
