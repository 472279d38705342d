//! Tables in LaTeX.

use super::Table;

impl Table {
    /// Formats a LaTeX table with rules of the package `booktabs`, the title as caption and the notes below. A table wider
    /// than the line is scaled down to it (package `graphicx`), and columns of long texts wrap. A table without rows
    /// becomes LaTeX comments.
    pub fn latex(&self) -> String {
        let line =
            |cells: &[String]| format!("{} \\\\", cells.iter().map(|cell| tex(cell)).collect::<Vec<_>>().join(" & "));
        let mut lines: Vec<String> = Vec::new();
        if self.rows.is_empty() {
            lines.push(format!("% {}", self.title));
            lines.extend(self.notes.iter().map(|note| format!("% {note}")));
        } else {
            lines.push("% needs \\usepackage{booktabs,graphicx}".to_owned());
            lines.push("\\begin{table}".to_owned());
            lines.push(format!("\\caption{{{}}}", tex(&self.title)));
            lines.push(FIT.to_owned());
            lines.push(format!("\\begin{{tabular}}{{{}}}", self.columns()));
            lines.extend(["\\toprule".to_owned(), line(&self.head), "\\midrule".to_owned()]);
            lines.extend(self.rows.iter().map(|row| line(row)));
            lines.extend(["\\bottomrule", "\\end{tabular}}"].map(str::to_owned));
            lines
                .extend(self.notes.iter().map(|note| format!("\\par\\smallskip{{\\footnotesize {}\\par}}", tex(note))));
            lines.push("\\end{table}".to_owned());
        }
        lines.push(String::new());
        lines.join("\n")
    }

    /// Column types: left, right, or a paragraph for texts.
    fn columns(&self) -> String {
        let longest = |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let kind = |column: usize| match column {
            _ if longest(column) > LONG => format!("p{{{WRAPPED}}}"),
            0 => "l".to_owned(),
            _ => "r".to_owned(),
        };
        (0..self.head.len()).map(kind).collect()
    }
}

/// Cells of more characters wrap.
const LONG: usize = 40;
/// Width of a column that wraps.
const WRAPPED: &str = "0.4\\linewidth";
/// Begins a box that is scaled down to the line if it is wider.
const FIT: &str = "\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%";

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
    fn long_texts_wrap_and_wide_tables_are_scaled_to_the_line() {
        let mut table = example();
        table.head.push("used".into());
        table.rows[0].push("no: the intervals of the lowest and the highest clean accuracy overlap".into());
        let latex = table.latex();
        assert!(
            latex.contains("\\begin{tabular}{lrp{0.4\\linewidth}}") && latex.contains("\\end{tabular}}\n"),
            "{latex}"
        );
        assert!(latex.starts_with("% needs \\usepackage{booktabs,graphicx}\n\\begin{table}\n"), "{latex}");
    }

    #[test]
    fn text_is_escaped_and_minus_signs_are_mathematical() {
        let latex = example().latex();
        assert!(latex.contains("\\caption{a\\_b}\n\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%\n\\begin{tabular}{lr}\n\\toprule\n & B - A \\\\\n"), "{latex}");
        assert!(latex.contains("hint\\_minus|x & $-$0.1 [$-$0.2, +0.1] \\\\\n\\bottomrule"), "{latex}");
        assert_eq!(
            tex("p < 5 % of {x}\\~^"),
            "p $<$ 5 \\% of \\{x\\}\\textbackslash{}\\textasciitilde{}\\textasciicircum{}"
        );
    }
}
