//! Problems of input files: the place, what is wrong, and what to do about it.

use std::fmt;
use std::path::PathBuf;

use stepwise_config::nearest::nearest;

use crate::problem_groups::{self, Located};

/// One problem of an input file, displayed as `file:row:column: field: what is wrong -> what to do`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Path of the file.
    pub file: PathBuf,
    /// Line of the file, counted from 1; None when the problem concerns the whole file.
    pub row: Option<usize>,
    /// Column of the line, counted from 1; None except for errors of syntax or encoding.
    pub column: Option<usize>,
    /// Path of the field, for example `chain[2].answer.gold`; empty when the problem concerns the whole row or file.
    pub field: String,
    /// Description of the problem.
    pub what: String,
    /// Advice on how to solve the problem.
    pub advice: String,
    /// Whether a patient or an image is on two sides of the split. Such cases can be used, but the results on them are
    /// too good.
    pub is_leak: bool,
    /// Rows of further cases of the file that the problem concerns, counted from 1, such as the case with the same image
    /// on the other side of the split.
    pub other_rows: Vec<usize>,
}

impl Problem {
    /// Makes a problem of a whole file: without row, column and field. `what` is wrong, and `advice` says what to do
    /// about it.
    pub fn new(file: impl Into<PathBuf>, what: impl Into<String>, advice: impl Into<String>) -> Self {
        let (what, advice) = (what.into(), advice.into());
        Self {
            file: file.into(),
            row: None,
            column: None,
            field: String::new(),
            what,
            advice,
            is_leak: false,
            other_rows: Vec::new(),
        }
    }

    /// Sets the row, counted from 1.
    #[must_use]
    pub fn at_row(mut self, row: usize) -> Self {
        self.row = Some(row);
        self
    }

    /// Sets the column, counted from 1.
    #[must_use]
    pub fn at_column(mut self, column: usize) -> Self {
        self.column = Some(column);
        self
    }

    /// Marks the problem as a leak between the sides of the split.
    #[must_use]
    pub fn as_leak(mut self) -> Self {
        self.is_leak = true;
        self
    }

    /// Adds the rows of further cases of the file that the problem concerns, counted from 1.
    #[must_use]
    pub fn with_other_rows(mut self, rows: impl IntoIterator<Item = usize>) -> Self {
        self.other_rows.extend(rows);
        self
    }

    /// Sets the path of the field, for example `chain[2].answer.gold`.
    #[must_use]
    pub fn in_field(mut self, field: impl Into<String>) -> Self {
        self.field = field.into();
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Located { place, text, .. } = self.into();
        write!(f, "{place}: {text}")
    }
}

impl From<&Problem> for Located {
    fn from(problem: &Problem) -> Self {
        let places = [problem.row, problem.column].into_iter().flatten().map(|place| format!(":{place}"));
        let field = if problem.field.is_empty() { String::new() } else { format!("{}: ", problem.field) };
        Self {
            place: printable(&format!("{}{}", problem.file.display(), places.collect::<String>())),
            row: problem.row,
            text: printable(&format!("{field}{} -> {}", problem.what, problem.advice)),
        }
    }
}

/// Writes control characters other than line feeds and tabs as escapes, because a terminal acts on those that a file
/// names.
fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() && !matches!(character, '\n' | '\t') {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// All problems of an input, displayed as [`problem_groups::lines`]: equal problems of many rows are one line. Never empty
/// when returned as an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let located: Vec<Located> = self.0.iter().map(Located::from).collect();
        f.write_str(&problem_groups::lines(&located).join("\n"))
    }
}

impl std::error::Error for Problems {}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

/// Returns ` (did you mean "x"?)` with the name nearest to `word`, or an empty text when no name is near.
pub(crate) fn did_you_mean<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, names.into_iter()).map_or_else(String::new, |name| format!(" (did you mean \"{name}\"?)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_of_an_input_are_shown_as_escapes() {
        let problem = Problem::new("cases.jsonl", "there is no region \"\u{1b}[31m\"", "name one").in_field("a\u{9b}b");
        assert_eq!(problem.to_string(), "cases.jsonl: a\\u{9b}b: there is no region \"\\u{1b}[31m\" -> name one");
    }

    #[test]
    fn a_problem_is_written_from_file_to_advice() {
        let problem = Problem::new("a/cases.jsonl", "is 5", "use 1 to 4").at_row(3).in_field("chain[0].stage");
        assert_eq!(problem.to_string(), "a/cases.jsonl:3: chain[0].stage: is 5 -> use 1 to 4");
        let syntax = Problem::new("c", "not JSON", "correct it").at_row(3).at_column(9);
        assert_eq!(
            Problems(vec![syntax.clone(), syntax.at_row(4)]).to_string(),
            "c:3:9: not JSON (and 1 more, row 4) -> correct it"
        );
    }

    #[test]
    fn only_near_names_are_suggested() {
        assert_eq!(did_you_mean("stge", ["split", "stage"]), " (did you mean \"stage\"?)");
        assert_eq!(did_you_mean("weather", ["split", "stage"]), "");
    }
}
