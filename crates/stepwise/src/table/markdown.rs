//! Tables in Markdown.

use super::Table;

impl Table {
    /// Formats a Markdown table with its title above and its notes below.
    pub fn markdown(&self) -> String {
        let escaped = |cell: &String| cell.trim().replace('|', "\\|");
        let line = |cells: &[String]| format!("| {} |", cells.iter().map(escaped).collect::<Vec<_>>().join(" | "));
        let mut lines = vec![format!("**{}**", self.title), String::new()];
        if !self.rows.is_empty() {
            lines.push(line(&self.head));
            let rules: Vec<&str> = (0..self.head.len()).map(|column| if column == 0 { ":--" } else { "--:" }).collect();
            lines.push(format!("| {} |", rules.join(" | ")));
            lines.extend(self.rows.iter().map(|row| line(row)));
            lines.push(String::new());
        }
        lines.extend(self.notes.iter().flat_map(|note| [note.clone(), String::new()]));
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use crate::table::tests::example;

    #[test]
    fn cells_do_not_break_the_table() {
        let expected = "**a_b**\n\n|  | B - A |\n| :-- | --: |\n| hint_minus\\|x | -0.1 [-0.2, +0.1] |\n\n50 %\n";
        assert_eq!(example().markdown(), expected);
    }
}
