//! One part of the page: what it shows, in words, in a drawing, and as tables.

use super::table::Table;

/// One part of the page.
pub struct Section {
    /// Its anchor.
    pub id: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// How to read it, as markup.
    pub intro: String,
    /// Drawings and whatever is no table, as markup.
    pub body: String,
    /// The numbers of the drawings.
    pub tables: Vec<Table>,
    /// Whether two of its kind stand side by side where there is room.
    pub half: bool,
}

impl Section {
    /// The whole.
    pub fn markup(&self) -> String {
        let Self { id, title, intro, body, tables, half } = self;
        let class = if *half { " class=\"half\"" } else { "" };
        let tables: String = tables.iter().map(Table::markup).collect();
        format!(
            "<section id=\"{id}\"{class} aria-labelledby=\"{id}-title\"><h2 id=\"{id}-title\">{title}</h2><p>{intro}</p>{body}{tables}</section>"
        )
    }
}
