//! Tables of results, independent of the output format, and their form as text.

pub mod cell;
mod latex;
mod markdown;

use serde_json::{Value, json};

/// Contents of a table, independent of the output format.
pub struct Table {
    /// Title, shown above the table or as its caption.
    pub title: String,
    /// Headings of the columns.
    pub head: Vec<String>,
    /// Rows; each has as many cells as `head`.
    pub rows: Vec<Vec<String>>,
    /// Notes below the table, one line each.
    pub notes: Vec<String>,
}

impl Table {
    /// Makes a table without rows and notes; `head` are the headings of the columns.
    pub fn new<const N: usize>(title: impl Into<String>, head: [&str; N]) -> Self {
        Self { title: title.into(), head: head.map(str::to_owned).to_vec(), rows: Vec::new(), notes: Vec::new() }
    }

    /// Returns the table as JSON: `title`, `head`, `rows` as lists of cells, and `notes`.
    pub fn json(&self) -> Value {
        json!({ "title": self.title, "head": self.head, "rows": self.rows, "notes": self.notes })
    }

    /// Formats the table as text with aligned columns. Without rows, the headings are left out.
    pub fn text(&self) -> String {
        let rows: Vec<&Vec<String>> = std::iter::once(&self.head).chain(&self.rows).collect();
        let table = if self.rows.is_empty() { String::new() } else { aligned(&rows) };
        let parts = std::iter::once(&self.title).chain((!table.is_empty()).then_some(&table)).chain(&self.notes);
        parts.cloned().collect::<Vec<_>>().join("\n")
    }
}

/// Aligns rows of cells as text: the first column to the left, all others to the right. The first row determines the
/// number of columns.
///
/// # Panics
/// When a row has fewer cells than the first row.
pub fn aligned(rows: &[impl AsRef<[String]>]) -> String {
    let columns = rows.first().map_or(0, |row| row.as_ref().len());
    let width = |column: usize| rows.iter().map(|row| row.as_ref()[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &[String]| {
        let cells = row.iter().zip(&widths).enumerate();
        let cells = cells.map(
            |(column, (cell, width))| {
                if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
            },
        );
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(|row| line(row.as_ref())).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::Table;

    /// Makes a table with characters that have a meaning in Markdown and LaTeX.
    pub fn example() -> Table {
        let mut table = Table::new("a_b", ["", "B - A"]);
        table.rows.push(vec!["hint_minus|x".to_owned(), "-0.1 [-0.2, +0.1]".to_owned()]);
        table.notes.push("50 %".to_owned());
        table
    }

    #[test]
    fn columns_are_aligned() {
        let rows = [["a".to_owned(), "1".to_owned()], ["bcd".to_owned(), "23".to_owned()]];
        assert_eq!(super::aligned(&rows), "a     1\nbcd  23");
    }
}
