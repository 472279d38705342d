//! Options that a chatty response names.

use stepwise_data::case::Answer;
use stepwise_data::prompt::{AnswerForm, Prompt};

use super::{signs, spans};
use crate::score::{fold, parse};

/// Words that a span may have before the option it names.
const BEFORE: [&str; 14] = [
    "the correct answer is",
    "the answer is",
    "it is",
    "it's",
    "this is",
    "option",
    "choice",
    "letter",
    "answer",
    "the",
    "an",
    "a",
    "correct",
    "final",
];

/// Returns the position of the option that `reply` names, from 0 in the order of `prompt`. None where no span states
/// an option, spans state different ones, or the response declines to answer.
pub(super) fn option(reply: &str, prompt: &Prompt, answer: &Answer, form: AnswerForm) -> Option<usize> {
    if let Some(place) = parse::option(reply, prompt, answer, form) {
        return Some(place);
    }
    if signs::declines(reply) {
        return None;
    }
    let reader = Reader { prompt, answer, form };
    let stated = spans::stated(reply);
    let mut all: Vec<Named> = stated.iter().map(|span| reader.named(span)).collect();
    let sentences: Vec<&str> = spans::sentences(reply).collect();
    all.extend(sentences.first().map(|first| reader.named(first)));
    // A reasoning response ends with its answer.
    all.extend(sentences.last().filter(|_| sentences.len() > 1).map(|last| reader.named(last)));
    let mut found = None;
    for named in all {
        match named {
            Named::Nothing => {}
            Named::Open => return None,
            Named::Option(place) if found.is_some_and(|earlier| earlier != place) => return None,
            Named::Option(place) => found = Some(place),
        }
    }
    found
}

/// What a span says about the options.
enum Named {
    /// Nothing that states an option.
    Nothing,
    /// An option that it negates, hedges, or names beside another one.
    Open,
    /// The option at this position.
    Option(usize),
}

struct Reader<'a> {
    prompt: &'a Prompt,
    answer: &'a Answer,
    form: AnswerForm,
}

impl Reader<'_> {
    fn named(&self, span: &str) -> Named {
        let span = spans::without_explanation(span);
        match self.answer {
            Answer::Yesno { .. } => yes_or_no(span, self.prompt),
            _ => self.choice(span),
        }
    }

    fn choice(&self, span: &str) -> Named {
        let strict = |text: &str| parse::option(text, self.prompt, self.answer, self.form);
        // Words of an option may hold a negation, such as "no finding", so the whole span is tried first.
        if let Some(place) = strict(span).or_else(|| strict(without_introduction(span))) {
            return Named::Option(place);
        }
        let mentioned = self.mentioned(span);
        if signs::negates(span) || signs::hedges(span) || mentioned.len() > 1 {
            return if mentioned.is_empty() && strict(head(span)).is_none() { Named::Nothing } else { Named::Open };
        }
        let clause = without_introduction(span);
        let by_head = [clause, head(clause), label(clause)].into_iter().find_map(strict);
        match (by_head, mentioned.as_slice()) {
            (Some(place), []) => Named::Option(place),
            (Some(place), [other]) if place == *other => Named::Option(place),
            (Some(_), _) => Named::Open,
            _ => Named::Nothing,
        }
    }

    /// Positions of the options whose words stand in `span`, without those that are part of a longer option's words.
    fn mentioned(&self, span: &str) -> Vec<usize> {
        let Answer::Choice { options, .. } = self.answer else { return Vec::new() };
        let words: Vec<String> = self.prompt.stored.iter().map(|&index| fold(&options[index])).collect();
        let mut text = format!(" {} ", fold(span).replace([',', ':', '(', ')'], " "));
        let mut order: Vec<usize> = (0..words.len()).filter(|place| !words[*place].is_empty()).collect();
        order.sort_by_key(|place| std::cmp::Reverse(words[*place].len()));
        let mut found = Vec::new();
        for place in order {
            let wanted = format!(" {} ", words[place]);
            // A single letter may be a label or an article, so it is no mention.
            if words[place].chars().count() > 1 && text.contains(&wanted) {
                text = text.replace(&wanted, "  ");
                found.push(place);
            }
        }
        found
    }
}

/// Reads a span that begins with yes or no. The rest must not contradict it.
fn yes_or_no(span: &str, prompt: &Prompt) -> Named {
    let span = without_introduction(span.trim_start_matches(['*', '_', '"', '\'', '(']));
    let first: String = span.chars().take_while(|sign| sign.is_alphabetic()).collect();
    let rest = &span[first.len()..];
    let Some(place) = prompt.options.iter().position(|option| option.eq_ignore_ascii_case(&first)) else {
        return Named::Nothing;
    };
    let is_yes = first.eq_ignore_ascii_case("yes");
    let contradicts = if is_yes { signs::negates(rest) } else { signs::has_word(rest, "yes") };
    // "No one", "no finding" and the like are no answer: a sign must follow the word.
    let ends = rest.trim_start_matches(['*', '_', '"', '\'', ')']);
    let is_word = ends.is_empty() || ends.starts_with([',', ':', ';', '-', '.', '(']);
    match (is_word, contradicts || signs::hedges(rest)) {
        (false, _) => Named::Nothing,
        (true, true) => Named::Open,
        (true, false) => Named::Option(place),
    }
}

/// Returns `span` without the words that introduce an option.
fn without_introduction(span: &str) -> &str {
    let mut rest = span.trim();
    loop {
        let trimmed = rest.trim_start_matches([':', ' ']);
        let introduction = BEFORE.iter().find(|words| {
            let has = trimmed.get(..words.len()).is_some_and(|start| start.eq_ignore_ascii_case(words));
            has && trimmed[words.len()..].starts_with([' ', ':'])
        });
        match introduction {
            Some(words) => rest = trimmed[words.len()..].trim_start_matches([' ', ':']),
            None => return trimmed,
        }
    }
}

/// Returns the part of a span before its first comma or colon.
fn head(span: &str) -> &str {
    span.split([',', ':']).next().unwrap_or_default().trim()
}

/// Returns the label at the beginning of a span, such as "B" in "B. a long wording" or "(B) a long wording"; empty
/// without one.
fn label(span: &str) -> &str {
    let inner = span.trim_start_matches(['(', '*']);
    match inner.char_indices().nth(1) {
        Some((end, '.' | ')' | ':')) if inner.starts_with(|first: char| first.is_ascii_uppercase()) => &inner[..end],
        _ => "",
    }
}
