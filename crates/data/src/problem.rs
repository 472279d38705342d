//! What is wrong with an input, where, and what to do about it.

use std::fmt;
use std::path::PathBuf;

/// One fault of an input file, shown as `file:row: field: what is wrong -> what to do`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file it stands in.
    pub file: PathBuf,
    /// Line of the file (or record of a table), counted from 1.
    pub row: Option<usize>,
    /// Column of the line, counted from 1, where the file could not be read as what it should be.
    pub column: Option<usize>,
    /// Path of the field, as in `chain[2].answer.gold`; empty when it concerns the whole row or file.
    pub field: String,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub advice: String,
}

impl Problem {
    /// A fault of a whole file.
    pub fn new(file: impl Into<PathBuf>, what: impl Into<String>, advice: impl Into<String>) -> Self {
        let (what, advice) = (what.into(), advice.into());
        Self { file: file.into(), row: None, column: None, field: String::new(), what, advice }
    }

    /// The same in this row.
    #[must_use]
    pub fn at_row(mut self, row: usize) -> Self {
        self.row = Some(row);
        self
    }

    /// The same at this column.
    #[must_use]
    pub fn at_column(mut self, column: usize) -> Self {
        self.column = Some(column);
        self
    }

    /// The same in this field.
    #[must_use]
    pub fn in_field(mut self, field: impl Into<String>) -> Self {
        self.field = field.into();
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        for place in [self.row, self.column].into_iter().flatten() {
            write!(f, ":{place}")?;
        }
        if !self.field.is_empty() {
            write!(f, ": {}", self.field)?;
        }
        write!(f, ": {} -> {}", self.what, self.advice)
    }
}

/// All that is wrong with an input, one line each; never empty as an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let end = if index == 0 { "" } else { "\n" };
            write!(f, "{end}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

/// ` (did you mean "x"?)` for the nearest of `names`, or nothing when none is near.
pub(crate) fn did_you_mean<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    names
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(word, name), name))
        .filter(|(distance, name)| *distance <= 1 + name.len().max(word.len()) / 4)
        .min()
        .map(|(_, name)| format!(" (did you mean \"{name}\"?)"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_reads_from_file_to_advice() {
        let problem = Problem::new("a/cases.jsonl", "is 5", "use 1 to 4").at_row(3).in_field("chain[0].stage");
        assert_eq!(problem.to_string(), "a/cases.jsonl:3: chain[0].stage: is 5 -> use 1 to 4");
        let syntax = Problem::new("c", "not JSON", "mend it").at_row(3).at_column(9);
        assert_eq!(
            Problems(vec![syntax.clone(), syntax]).to_string(),
            "c:3:9: not JSON -> mend it\nc:3:9: not JSON -> mend it"
        );
    }

    #[test]
    fn only_near_names_are_suggested() {
        assert_eq!(did_you_mean("stge", ["split", "stage"]), " (did you mean \"stage\"?)");
        assert_eq!(did_you_mean("weather", ["split", "stage"]), "");
    }
}
