//! Formats tables as Markdown and LaTeX.

use crate::table::Table;

/// Formats a Markdown table with its title above and its notes below.
pub fn markdown(table: &Table) -> String {
    let escaped = |cell: &String| cell.trim().replace('|', "\\|");
    let line = |cells: &[String]| format!("| {} |", cells.iter().map(escaped).collect::<Vec<_>>().join(" | "));
    let mut lines = vec![format!("**{}**", table.title), String::new()];
    if !table.rows.is_empty() {
        lines.push(line(&table.head));
        let rules: Vec<&str> = (0..table.head.len()).map(|column| if column == 0 { ":--" } else { "--:" }).collect();
        lines.push(format!("| {} |", rules.join(" | ")));
        lines.extend(table.rows.iter().map(|row| line(row)));
        lines.push(String::new());
    }
    lines.extend(table.notes.iter().flat_map(|note| [note.clone(), String::new()]));
    lines.join("\n")
}

/// Formats a LaTeX table with rules of the package `booktabs`, the title as caption and the notes below. A table
/// without rows becomes LaTeX comments.
pub fn latex(table: &Table) -> String {
    let line =
        |cells: &[String]| format!("{} \\\\", cells.iter().map(|cell| tex(cell)).collect::<Vec<_>>().join(" & "));
    let mut lines: Vec<String> = Vec::new();
    if table.rows.is_empty() {
        lines.push(format!("% {}", table.title));
        lines.extend(table.notes.iter().map(|note| format!("% {note}")));
    } else {
        let columns = "r".repeat(table.head.len().saturating_sub(1));
        lines.push("\\begin{table}".to_owned());
        lines.push(format!("\\caption{{{}}}", tex(&table.title)));
        lines.push(format!("\\begin{{tabular}}{{l{columns}}}"));
        lines.extend(["\\toprule".to_owned(), line(&table.head), "\\midrule".to_owned()]);
        lines.extend(table.rows.iter().map(|row| line(row)));
        lines.extend(["\\bottomrule", "\\end{tabular}"].map(str::to_owned));
        lines.extend(table.notes.iter().map(|note| format!("\\par\\smallskip{{\\footnotesize {}\\par}}", tex(note))));
        lines.push("\\end{table}".to_owned());
    }
    lines.push(String::new());
    lines.join("\n")
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
    use super::*;

    fn table() -> Table {
        let mut table = Table::new("a_b", ["", "B - A"]);
        table.rows.push(vec!["hint_minus|x".to_owned(), "-0.1 [-0.2, +0.1]".to_owned()]);
        table.notes.push("50 %".to_owned());
        table
    }

    #[test]
    fn markdown_cells_do_not_break_the_table() {
        let expected = "**a_b**\n\n|  | B - A |\n| :-- | --: |\n| hint_minus\\|x | -0.1 [-0.2, +0.1] |\n\n50 %\n";
        assert_eq!(markdown(&table()), expected);
    }

    #[test]
    fn latex_is_escaped_and_its_minus_signs_are_mathematical() {
        let latex = latex(&table());
        assert!(latex.contains("\\caption{a\\_b}\n\\begin{tabular}{lr}\n\\toprule\n & B - A \\\\\n"), "{latex}");
        assert!(latex.contains("hint\\_minus|x & $-$0.1 [$-$0.2, +0.1] \\\\\n\\bottomrule"), "{latex}");
        assert_eq!(
            tex("p < 5 % of {x}\\~^"),
            "p $<$ 5 \\% of \\{x\\}\\textbackslash{}\\textasciitilde{}\\textasciicircum{}"
        );
    }
}
