//! Tables in LaTeX.

use super::Table;

impl Table {
    /// Formats a LaTeX table with rules of the package `booktabs`, the title as caption and the notes below. A table
    /// without rows becomes LaTeX comments.
    pub fn latex(&self) -> String {
        let line =
            |cells: &[String]| format!("{} \\\\", cells.iter().map(|cell| tex(cell)).collect::<Vec<_>>().join(" & "));
        let mut lines: Vec<String> = Vec::new();
        if self.rows.is_empty() {
            lines.push(format!("% {}", self.title));
            lines.extend(self.notes.iter().map(|note| format!("% {note}")));
        } else {
            let columns = "r".repeat(self.head.len().saturating_sub(1));
            lines.push("\\begin{table}".to_owned());
            lines.push(format!("\\caption{{{}}}", tex(&self.title)));
            lines.push(format!("\\begin{{tabular}}{{l{columns}}}"));
            lines.extend(["\\toprule".to_owned(), line(&self.head), "\\midrule".to_owned()]);
            lines.extend(self.rows.iter().map(|row| line(row)));
            lines.extend(["\\bottomrule", "\\end{tabular}"].map(str::to_owned));
            lines
                .extend(self.notes.iter().map(|note| format!("\\par\\smallskip{{\\footnotesize {}\\par}}", tex(note))));
            lines.push("\\end{table}".to_owned());
        }
        lines.push(String::new());
        lines.join("\n")
    }
}

/// Escapes the special characters of LaTeX, and writes a hyphen before a number as a minus sign.
fn tex(text: &str) -> String {
    let mut escaped = String::new();
    let mut characters = text.trim().chars().peekable();
    let mut before = ' ';
    while let Some(character) = characters.next() {
        let is_minus = !before.is_alphanumeric() && characters.peek().is_some_and(char::is_ascii_digit);
        match character {
            '_' | '%' | '&' | '#' | '$' | '{' | '}' => escaped.extend(['\\', character]),
            '\\' => escaped.push_str("\\textbackslash{}"),
            '~' => escaped.push_str("\\textasciitilde{}"),
            '^' => escaped.push_str("\\textasciicircum{}"),
            '<' => escaped.push_str("$<$"),
            '>' => escaped.push_str("$>$"),
            '-' if is_minus => escaped.push_str("$-$"),
            _ => escaped.push(character),
        }
        before = character;
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::tex;
    use crate::table::tests::example;

    #[test]
    fn text_is_escaped_and_minus_signs_are_mathematical() {
        let latex = example().latex();
        assert!(latex.contains("\\caption{a\\_b}\n\\begin{tabular}{lr}\n\\toprule\n & B - A \\\\\n"), "{latex}");
        assert!(latex.contains("hint\\_minus|x & $-$0.1 [$-$0.2, +0.1] \\\\\n\\bottomrule"), "{latex}");
        assert_eq!(
            tex("p < 5 % of {x}\\~^"),
            "p $<$ 5 \\% of \\{x\\}\\textbackslash{}\\textasciitilde{}\\textasciicircum{}"
        );
    }
}
