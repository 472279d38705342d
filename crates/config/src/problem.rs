//! Problems of a configuration file, shown with file, line, a caret under the place, and advice.

use std::fmt;
use std::ops::Range;

/// Source of values: the file, or one `--set` argument.
#[derive(Clone, Debug)]
pub struct Source {
    /// Path of the file, or `--set`.
    pub name: String,
    /// Whole text of the file or argument.
    pub text: String,
}

/// Position of a key or value: index of the source, and byte range in its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// Index of the source in [`crate::document::Document::sources`].
    pub source: usize,
    /// Byte range in the text of the source.
    pub span: Range<usize>,
}

/// Problem of a configuration file. `Display` writes it with excerpt, caret and help, over several lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Description of the problem, without advice.
    pub message: String,
    /// Advice on what to do; None when there is none.
    pub help: Option<String>,
    /// Place in the source; None when something is missing from the whole file.
    pub excerpt: Option<Excerpt>,
}

/// Line with a problem, and the marked part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// Path of the file, or `--set`.
    pub source: String,
    /// Line number, counted from 1.
    pub line: usize,
    /// Column of the first marked character, counted in characters from 1.
    pub column: usize,
    /// Whole line without its line break; a tab becomes a space.
    pub text: String,
    /// Number of marked characters, at least 1.
    pub width: usize,
}

impl Excerpt {
    /// Makes the excerpt of the first line of `span`, a byte range in the text of `source`. A span past the end of the
    /// text points after the last character.
    pub fn new(source: &Source, span: &Range<usize>) -> Self {
        let text = &source.text;
        let at = |offset: usize| (0..=offset.min(text.len())).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0);
        let (start, end) = (at(span.start), at(span.end));
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |newline| start + newline);
        let meant = &text[start..end.clamp(start, line_end)];
        Self {
            source: source.name.clone(),
            line: text[..start].matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            text: text[line_start..line_end].trim_end_matches('\r').replace('\t', " "),
            width: meant.chars().count().max(1),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        let number = self.excerpt.as_ref().map_or_else(String::new, |excerpt| excerpt.line.to_string());
        let margin = " ".repeat(number.len());
        if let Some(Excerpt { source, line, column, text, width }) = &self.excerpt {
            write!(f, "\n{margin}--> {source}:{line}:{column}\n{margin} |\n{number} | {text}\n{margin} | ")?;
            write!(f, "{}{}", " ".repeat(column - 1), "^".repeat(*width))?;
        }
        match &self.help {
            Some(help) => write!(f, "\n{margin} = help: {help}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_counts_characters_and_stays_on_the_line() {
        let source = Source { name: "a.toml".into(), text: "x = 1\nnamé\t= \"ü\"\r\ny = 2".into() };
        let start = source.text.find('"').expect("there");
        let problem = Problem {
            message: "wrong".into(),
            help: Some("write it right".into()),
            excerpt: Some(Excerpt::new(&source, &(start..source.text.len()))),
        };
        assert_eq!(
            problem.to_string(),
            "error: wrong\n --> a.toml:2:8\n  |\n2 | namé = \"ü\"\n  |        ^^^^\n  = help: write it right"
        );
    }

    #[test]
    fn a_span_past_the_end_still_has_a_caret() {
        let source = Source { name: "a.toml".into(), text: "x =".into() };
        let excerpt = Excerpt::new(&source, &(3..9));
        assert_eq!((excerpt.line, excerpt.column, excerpt.width), (1, 4, 1));
    }
}
