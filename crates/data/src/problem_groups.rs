//! Equal problems of many rows as one line, so that one mistake in a whole file does not fill the screen.

use std::collections::BTreeMap;

/// A problem as text, with its place, so that [`lines`] can group it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// Place as shown first, `file:row:column`.
    pub place: String,
    /// Row, counted from 1; None when the problem concerns the whole file.
    pub row: Option<usize>,
    /// Field, what is wrong and, after ` -> `, what to do.
    pub text: String,
}

/// Most rows named in one line.
const ROWS: usize = 5;
/// Most lines of one kind, that is of texts that differ only in quoted words.
const OF_A_KIND: usize = 5;

/// Returns the problems as lines. Problems that differ only in numbers outside quotes share one line: the first in
/// full, and the rows of up to five others. Lines that differ only in quoted words stand together, in the order of
/// their first problems; of more than five, the rest is counted in one more line.
#[must_use]
pub fn lines(problems: &[Located]) -> Vec<String> {
    /// Lines of one kind: the problems that each line stands for.
    type Kind<'a> = Vec<Vec<&'a Located>>;
    let mut kinds: Vec<Kind<'_>> = Vec::new();
    let (mut kind_of, mut line_of) = (BTreeMap::new(), BTreeMap::new());
    for problem in problems {
        let kind = *kind_of.entry(pattern(&problem.text, true)).or_insert_with(|| {
            kinds.push(Vec::new());
            kinds.len() - 1
        });
        let of_kind = &mut kinds[kind];
        let line = *line_of.entry((kind, pattern(&problem.text, false))).or_insert_with(|| {
            of_kind.push(Vec::new());
            of_kind.len() - 1
        });
        of_kind[line].push(problem);
    }
    kinds.iter().flat_map(|kind| of_kind(kind)).collect()
}

fn of_kind(kind: &[Vec<&Located>]) -> Vec<String> {
    let (shown, hidden) = kind.split_at(kind.len().min(OF_A_KIND));
    let mut lines: Vec<String> = shown.iter().map(|equal| line(equal)).collect();
    let hidden: Vec<&Located> = hidden.iter().flatten().copied().collect();
    if let Some(first) = hidden.first() {
        let (_, advice) = split(&first.text);
        let file = first.row.and_then(|row| first.place.split(&format!(":{row}")).next()).unwrap_or(&first.place);
        let places = rows(&hidden);
        lines.push(format!("{file}: {} more of this kind{places} -> {advice}", hidden.len()));
    }
    lines
}

/// Line of equal problems: the first in full, and the rows of the others.
fn line(equal: &[&Located]) -> String {
    let Some((first, others)) = equal.split_first() else { return String::new() };
    let Located { place, text, .. } = first;
    if others.is_empty() {
        return format!("{place}: {text}");
    }
    let (what, advice) = split(text);
    let advice = if advice.is_empty() { String::new() } else { format!(" -> {advice}") };
    let elsewhere: Vec<&Located> = others.iter().copied().filter(|other| other.row != first.row).collect();
    format!("{place}: {what} (and {} more{}){advice}", others.len(), rows(&elsewhere))
}

fn rows(problems: &[&Located]) -> String {
    let mut rows: Vec<usize> = problems.iter().filter_map(|problem| problem.row).collect();
    rows.dedup();
    let named: Vec<String> = rows.iter().take(ROWS).map(usize::to_string).collect();
    match (rows.len(), rows.len() > ROWS) {
        (0, _) => String::new(),
        (1, _) => format!(", row {}", named.join(", ")),
        (_, more) => format!(", rows {}{}", named.join(", "), if more { ", ..." } else { "" }),
    }
}

fn split(text: &str) -> (&str, &str) {
    text.split_once(" -> ").unwrap_or((text, ""))
}

/// Returns `text` with every number outside quotes replaced by `#` and, with `words`, every quoted text by `""`.
fn pattern(text: &str, words: bool) -> String {
    let mut pattern = String::with_capacity(text.len());
    let mut quote = None;
    for character in text.chars() {
        match quote {
            Some(open) if character == open => quote = None,
            Some(_) if words => continue,
            None if matches!(character, '"' | '`') => quote = Some(character),
            None if character.is_ascii_digit() => {
                if !pattern.ends_with('#') {
                    pattern.push('#');
                }
                continue;
            }
            _ => {}
        }
        pattern.push(character);
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(row: usize, text: &str) -> Located {
        Located { place: format!("c.jsonl:{row}"), row: Some(row), text: text.to_owned() }
    }

    #[test]
    fn one_mistake_in_many_rows_is_one_line() {
        let moved = |row| at(row, &format!("split: group \"p1\" is in train (row 1) and test (row {row}) -> keep it"));
        let problems: Vec<Located> =
            (2..=288).map(moved).chain([at(300, "chain[0]: is empty -> fill it in")]).collect();
        assert_eq!(
            lines(&problems),
            [
                "c.jsonl:2: split: group \"p1\" is in train (row 1) and test (row 2) (and 286 more, rows 3, 4, 5, 6, 7, ...) \
                 -> keep it",
                "c.jsonl:300: chain[0]: is empty -> fill it in",
            ]
        );
    }

    #[test]
    fn different_words_are_shown_up_to_a_number() {
        let wrong = |row| at(row, &format!("modality: \"m{row}\" is not known -> correct it"));
        let all = lines(&(1..=9).map(wrong).collect::<Vec<_>>());
        assert_eq!(all.len(), 6);
        assert_eq!(all[4], "c.jsonl:5: modality: \"m5\" is not known -> correct it");
        assert_eq!(all[5], "c.jsonl: 4 more of this kind, rows 6, 7, 8, 9 -> correct it");
        assert_eq!(lines(&(1..=5).map(wrong).collect::<Vec<_>>()).len(), 5);
    }
}
