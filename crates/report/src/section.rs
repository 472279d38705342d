//! One section of the page: introduction, charts and tables.

use super::table::ReportTable;

/// One section of a report page: introduction, charts and tables.
pub struct ReportSection {
    /// Anchor of the section, unique on the page.
    pub id: &'static str,
    /// Heading.
    pub title: &'static str,
    /// Explanation of the charts, as markup.
    pub intro: String,
    /// Charts and other content besides the tables, as markup.
    pub body: String,
    /// Tables with the numbers of the charts; empty where a section has none.
    pub tables: Vec<ReportTable>,
    /// Whether two such sections stand side by side on a wide screen.
    pub half: bool,
}

impl ReportSection {
    /// Renders the section as HTML markup: heading, introduction, body and tables, in this order.
    pub fn markup(&self) -> String {
        let Self { id, title, intro, body, tables, half } = self;
        let class = if *half { " class=\"half\"" } else { "" };
        let tables: String = tables.iter().map(ReportTable::markup).collect();
        format!(
            "<section id=\"{id}\"{class} aria-labelledby=\"{id}-title\"><h2 id=\"{id}-title\">{title}</h2><p>{intro}</p>{body}{tables}</section>"
        )
    }
}
