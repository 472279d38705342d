//! Reading of a report: its visible text and its tables.

use std::path::Path;

use stepwise_report::{CsvFile, Report};

/// Writes a page to the target folder for inspection.
pub fn keep(name: &str, page: &str) {
    std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name), page).expect("writable");
}

/// Returns the visible text of a page without drawings and images: one line per block, with separated cells.
pub fn text(page: &str) -> String {
    let mut rest = page.split_once("<main>").expect("a page").1;
    let mut text = String::new();
    while let Some((words, after)) = rest.split_once('<') {
        text.push_str(words);
        let (tag, after) = after.split_once('>').expect("a closed tag");
        let name = tag.split([' ', '/']).find(|part| !part.is_empty()).unwrap_or_default();
        rest = match name {
            "svg" => after.split_once("</svg>").expect("a closed drawing").1,
            _ => after,
        };
        match name {
            "td" | "th" | "dt" | "dd" if tag.starts_with('/') => text.push_str(" | "),
            "tr" | "p" | "h1" | "h2" | "h3" | "section" | "summary" | "li" | "caption" | "div" | "blockquote" => {
                text.push('\n');
            }
            _ => {}
        }
    }
    let lines = text.lines().map(|line| line.trim().trim_end_matches('|').trim());
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

pub fn table<'a>(report: &'a Report, name: &str) -> &'a CsvFile {
    report.tables.iter().find(|table| table.name == name).unwrap_or_else(|| panic!("no table {name}"))
}

/// Returns the fields of a table's rows without quotes.
pub fn rows(table: &CsvFile) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut field, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut characters = table.text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => field.extend(characters.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut field)),
            '\n' if !quoted => {
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            other => field.push(other),
        }
    }
    assert!(!quoted && field.is_empty() && row.is_empty(), "{} is torn", table.name);
    rows
}
