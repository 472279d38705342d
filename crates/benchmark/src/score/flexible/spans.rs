//! Spans of a response that state its answer.

/// Phrases after which a response states its answer, in lower case.
const MARKERS: [&str; 12] = [
    "answer is:",
    "answer is",
    "answer would be",
    "answer:",
    "answer -",
    "choice is",
    "choice:",
    "i choose",
    "i select",
    "i would choose",
    "option is",
    "conclusion:",
];

/// Words that begin the explanation of an answer, with the spaces around them, in lower case.
const EXPLANATIONS: [&str; 9] =
    [" because ", " since ", " due to ", " as the ", " given that ", " as shown ", " as seen ", " based on ", " - "];

/// Returns the response without its reasoning, which ends with `</think>`.
pub(super) fn without_reasoning(reply: &str) -> &str {
    reply.rsplit_once("</think>").map_or(reply, |(_, answer)| answer).trim()
}

/// Returns the text of the last `<answer>` tag or `\boxed{...}`; None without one.
pub(super) fn tagged(reply: &str) -> Option<&str> {
    let inside = |open: &str, close: &str| {
        let start = lower_find_last(reply, open)? + open.len();
        let end = lower_find(&reply[start..], close)?;
        Some(reply[start..start + end].trim())
    };
    inside("<answer>", "</answer>").or_else(|| inside("\\boxed{", "}"))
}

/// Returns the spans after the phrases that state an answer, in order, each up to the end of its sentence; empty where
/// there is none.
pub(super) fn stated(reply: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = reply;
    while let Some((start, marker)) = first_marker(rest) {
        rest = &rest[start + marker.len()..];
        found.push(sentence(without_closing_emphasis(rest.trim_start_matches([' ', ':']))));
    }
    found.retain(|span| !span.is_empty());
    found
}

/// Returns `text` without the signs that end the emphasis of a phrase before it, as in "**Answer:** B". Emphasis that
/// begins here stays.
fn without_closing_emphasis(text: &str) -> &str {
    let rest = text.trim_start_matches(['*', '_']);
    if rest.starts_with(char::is_whitespace) { rest.trim_start() } else { text }
}

/// First phrase of [`MARKERS`] in `text` and its place; the longest one at this place. None without one.
fn first_marker(text: &str) -> Option<(usize, &'static str)> {
    let found = MARKERS.iter().filter_map(|marker| Some((whole_word(text, marker)?, *marker)));
    found.min_by_key(|(start, marker)| (*start, std::cmp::Reverse(marker.len())))
}

/// Place where `marker` begins a word in `text`, whatever the case.
fn whole_word(text: &str, marker: &str) -> Option<usize> {
    let mut from = 0;
    while let Some(place) = lower_find(&text[from..], marker) {
        let start = from + place;
        if !text[..start].ends_with(char::is_alphanumeric) {
            return Some(start);
        }
        from = start + marker.len();
    }
    None
}

/// Returns the first sentence of `text`, without the sign at its end. The dot after a letter of an option ("B. MRI") and
/// the dot of a number end no sentence.
pub(super) fn sentence(text: &str) -> &str {
    sentences(text).next().unwrap_or_default()
}

/// Iterates over the sentences of `text`, without empty ones. A line break ends a sentence.
pub(super) fn sentences(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(of_line).map(str::trim).filter(|sentence| !sentence.is_empty())
}

fn of_line(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut start = 0;
    for (place, sign) in line.char_indices().filter(|(_, sign)| ".!?;".contains(*sign)) {
        let (before, after) = (line[start..place].trim(), &line[place + sign.len_utf8()..]);
        let is_label = before.trim_start_matches(|sign: char| "*(_ ".contains(sign)).chars().count() <= 1;
        let ends = after.is_empty() || after.starts_with(|next: char| next.is_whitespace() || "*\"')_".contains(next));
        if ends && !is_label {
            found.push(&line[start..place]);
            start = place + sign.len_utf8();
        }
    }
    found.push(&line[start..]);
    found
}

/// Returns `sentence` up to the words that begin an explanation.
pub(super) fn without_explanation(sentence: &str) -> &str {
    let ends = EXPLANATIONS.iter().filter_map(|words| lower_find(sentence, words));
    ends.min().map_or(sentence, |end| sentence[..end].trim_end_matches([' ', ',']))
}

/// Place of `wanted`, which is in lower case and ASCII, in `text`, whatever the case.
fn lower_find(text: &str, wanted: &str) -> Option<usize> {
    text.as_bytes().windows(wanted.len()).position(|window| window.eq_ignore_ascii_case(wanted.as_bytes()))
}

fn lower_find_last(text: &str, wanted: &str) -> Option<usize> {
    text.as_bytes().windows(wanted.len()).rposition(|window| window.eq_ignore_ascii_case(wanted.as_bytes()))
}
