//! The strict parser. A response counts as a whole: words around a number or a box make it unparsed, because guessing
//! its meaning would score the parser and not the model.

use stepwise_data::answer_text::canonical;
use stepwise_data::case::Answer;
use stepwise_data::prompt::{AnswerForm, Prompt, letter};

use super::fold;

/// Version of the rules in this file and of [`fold`]. The version is part of every suite's digest, and it is stored
/// in summaries and with every parsed response. `parse/4` reads quotes after a digit as primes ("5'"). `parse/3` keeps
/// every sign that changes the meaning (`%`, `*`, `°`, arrows, the point of "1.5") and unifies spellings of the same
/// characters. `parse/2` kept `<`, `+`, `-` and the like; `parse/1` dropped all signs as punctuation.
pub const PARSER_VERSION: &str = "parse/4";

/// Parses a number with or without `unit`, the unit of the question, and with or without a full stop at the end. None
/// where the response is anything else, exponents and separators included.
#[must_use]
pub fn number(reply: &str, unit: Option<&str>) -> Option<f64> {
    let reply = canonical(reply);
    let mut rest = reply.trim();
    rest = rest.strip_suffix('.').unwrap_or(rest);
    if let Some(unit) = unit.map(canonical).filter(|unit| !unit.is_empty()) {
        rest = rest.strip_suffix(unit.as_str()).unwrap_or(rest).trim_end();
    }
    decimal(rest)
}

/// Parses one or several boxes, each `[left, top, right, bottom]` on the grid of the image, with only spaces and commas
/// between them. `limits` are the largest coordinates across and down
/// ([`Case::box_limits`](stepwise_data::case::Case::box_limits)). None where the response is anything else, or where a box is
/// off the image or has no area.
#[must_use]
pub fn boxes(reply: &str, limits: [u32; 2]) -> Option<Vec<[f64; 4]>> {
    let reply = canonical(reply);
    let mut rest = reply.trim();
    rest = rest.strip_suffix('.').unwrap_or(rest);
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (inside, after) = rest.strip_prefix('[')?.split_once(']')?;
        let sides: Vec<f64> = inside.split(',').map(|side| decimal(side.trim())).collect::<Option<_>>()?;
        let [left, top, right, bottom] = <[f64; 4]>::try_from(sides).ok()?;
        let [most_right, most_down] = limits.map(f64::from);
        let is_off = left < 0.0 || top < 0.0 || right > most_right || bottom > most_down;
        if is_off || left >= right || top >= bottom {
            return None;
        }
        found.push([left, top, right, bottom]);
        rest = after.trim_start_matches(|character: char| character == ',' || character.is_whitespace());
    }
    (!found.is_empty()).then_some(found)
}

/// Returns the position, from 0 in the order that `prompt` shows, of the option that a generated response names by its
/// words, its letter, or both if they agree. Where the words of one option are the letter of another, `form` decides.
/// None where no option, or more than one, fits.
#[must_use]
pub fn option(reply: &str, prompt: &Prompt, answer: &Answer, form: AnswerForm) -> Option<usize> {
    let folded = fold(reply);
    let words: Vec<String> = match answer {
        Answer::Choice { options, .. } => {
            prompt.stored.iter().filter_map(|&index| options.get(index)).map(|text| fold(text)).collect()
        }
        _ => prompt.options.iter().map(|text| fold(text)).collect(),
    };
    // Two options may have the same normalised words; the words alone are then ambiguous.
    let only = |test: &dyn Fn(usize) -> bool| {
        let mut places = (0..words.len()).filter(|&place| test(place));
        places.next().filter(|_| places.next().is_none())
    };
    let lettered = |place: usize| letter(place).to_lowercase();
    let is_choice = matches!(answer, Answer::Choice { .. });
    let by_words = || only(&|place| !words[place].is_empty() && words[place] == folded);
    let by_letter = || only(&|place| is_choice && lettered(place) == folded);
    let by_both = || only(&|place| is_choice && format!("{} {}", lettered(place), words[place]) == folded);
    // The text of an option may itself be a letter; then the answer form decides.
    match form {
        AnswerForm::Text => by_words().or_else(by_letter).or_else(by_both),
        AnswerForm::Letter => by_letter().or_else(by_words).or_else(by_both),
    }
}

/// Parses digits with an optional sign and decimal point: no exponents, no `inf`, no separators.
fn decimal(text: &str) -> Option<f64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let plain = digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.ends_with(|c: char| c.is_ascii_digit())
        && digits.chars().all(|c| c.is_ascii_digit() || c == '.');
    if plain { text.parse().ok().filter(|value: &f64| value.is_finite()) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use stepwise_data::conversation::Conversation;
    use stepwise_data::prompt::box_text;

    #[test]
    fn a_number_is_the_whole_reply() {
        for (reply, value) in [("3", 3.0), (" 3.5 mm.", 3.5), ("-2", -2.0), ("12mm", 12.0), ("3.", 3.0)] {
            assert_eq!(number(reply, Some("mm")), Some(value), "{reply}");
        }
        for reply in ["", "about 3", "3 cm", "3 4", "1e3", "inf", "NaN", "three", "1,000", ".", "1.2.3"] {
            assert_eq!(number(reply, Some("mm")), None, "{reply}");
        }
        // Spellings of the same characters: a minus sign, full-width digits, a space that does not break, either mu.
        for (reply, unit, value) in
            [("\u{2212}2", "mm", -2.0), ("３.５ ㎜", "mm", 3.5), ("3\u{A0}mm", "mm", 3.0), ("12 µm", "μm", 12.0)]
        {
            assert_eq!(number(reply, Some(unit)), Some(value), "{reply}");
        }
    }

    #[test]
    fn a_box_is_four_ordered_coordinates_on_the_grid_and_nothing_else() {
        let boxes = |reply| super::boxes(reply, [100, 100]);
        assert_eq!(boxes("[10, 10, 30, 50]"), Some(vec![[10.0, 10.0, 30.0, 50.0]]));
        assert_eq!(boxes("[1,2,3,4], [5, 6, 7, 8.5]").map(|found| found.len()), Some(2));
        for reply in [
            "",
            "[]",
            "10, 10, 30, 50",
            "[10, 10, 30]",
            "[30, 10, 10, 50]",
            "[0, 0, 101, 5]",
            "at [1, 2, 3, 4]",
            "[1, 2, 3, 4] left",
        ] {
            assert_eq!(boxes(reply), None, "{reply}");
        }
        let on_pixels = |reply| super::boxes(reply, [84, 1000]);
        assert_eq!(on_pixels("[0, 0, 84, 1000]"), Some(vec![[0.0, 0.0, 84.0, 1000.0]]));
        assert_eq!([on_pixels("[0, 0, 85, 5]"), on_pixels("[0, 0, 5, 1001]")], [None, None]);
    }

    #[test]
    fn an_option_is_named_by_words_letter_or_both() {
        let answer =
            Answer::Choice { options: ["CT", "MRI", "X-ray"].map(Into::into).to_vec(), gold: vec![0], refusal: None };
        let prompt = Prompt {
            conversation: Conversation::default(),
            images: Vec::new(),
            options: ["X-ray", "CT", "MRI"].map(Into::into).to_vec(),
            stored: vec![2, 0, 1],
            answer: String::new(),
        };
        let named = |reply| option(reply, &prompt, &answer, AnswerForm::Text);
        assert_eq!(["x-ray", "CT.", "b", "C. MRI"].map(named), [Some(0), Some(1), Some(1), Some(2)]);
        assert_eq!(["", "D", "CT or MRI", "A. MRI", "the CT"].map(named), [None; 5]);
        let sizes =
            Answer::Choice { options: ["<5 mm", ">5 mm"].map(Into::into).to_vec(), gold: vec![0], refusal: None };
        let shown = Prompt { options: vec!["<5 mm".into(), ">5 mm".into()], stored: vec![0, 1], ..prompt.clone() };
        let sized = |reply| option(reply, &shown, &sizes, AnswerForm::Text);
        assert_eq!(["< 5 mm", "B. >5 mm", "5 mm", "A. >5 mm"].map(sized), [Some(0), Some(1), None, None]);
        let signed =
            Answer::Choice { options: ["T2", "T2*", "-1.5"].map(Into::into).to_vec(), gold: vec![0], refusal: None };
        let shown =
            Prompt { options: ["T2", "T2*", "-1.5"].map(Into::into).to_vec(), stored: vec![0, 1, 2], ..prompt.clone() };
        let told = |reply| option(reply, &shown, &signed, AnswerForm::Text);
        assert_eq!(
            ["t2.", "T2*", "**B. T2***", "(B) T2*", "A. T2*", "C. \u{2212}1.5", "1.5", "**A**"].map(told),
            [Some(0), Some(1), Some(1), Some(1), None, Some(2), None, Some(0)]
        );
        let typed =
            Answer::Choice { options: ["5'", "5\"", "5"].map(Into::into).to_vec(), gold: vec![0], refusal: None };
        let shown =
            Prompt { options: ["5'", "5\"", "5"].map(Into::into).to_vec(), stored: vec![0, 1, 2], ..prompt.clone() };
        let primed = |reply| option(reply, &shown, &typed, AnswerForm::Text);
        assert_eq!(["5'", "5′", "B. 5″", "\"5\"", "5"].map(primed), [Some(0), Some(0), Some(1), Some(2), Some(2)]);
        let yes_no = Prompt { options: vec!["yes".into(), "no".into()], stored: vec![0, 1], ..prompt };
        let said = |reply| option(reply, &yes_no, &Answer::Yesno { gold: true, pair_of: None }, AnswerForm::Text);
        assert_eq!(["Yes.", "NO", "Normal", "None", "a"].map(said), [Some(0), Some(1), None, None, None]);
    }

    proptest! {
        #[test]
        fn nothing_a_model_says_can_crash_the_parser(reply in "\\PC{0,60}") {
            let _ = (number(&reply, Some("mm")), boxes(&reply, [100, 100]));
        }

        #[test]
        fn what_the_prompt_writes_the_parser_reads(x in 0.0f64..90.0, y in 0.0f64..90.0, w in 2.0f64..10.0, h in 2.0f64..10.0) {
            let text = box_text([x, y, x + w, y + h], 100, 100);
            prop_assert_eq!(boxes(&text, [100, 100]), Some(vec![[x.round(), y.round(), (x + w).round(), (y + h).round()]]));
        }
    }
}
