//! Files of a rendered report.

/// A rendered report: a page and its tables, not yet written to files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// HTML page, complete with styles and images.
    pub html: String,
    /// All tables of the page, in page order; empty where no section has one.
    pub tables: Vec<CsvFile>,
}

/// A table of a report as the name and content of a file, not yet written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvFile {
    /// File name, such as `stages.csv`.
    pub name: String,
    /// Content of the file, as CSV.
    pub text: String,
}
