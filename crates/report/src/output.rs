//! Files of a rendered report.

/// A rendered report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// HTML page.
    pub html: String,
    /// All tables of the page, in page order.
    pub tables: Vec<CsvFile>,
}

/// A table as a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvFile {
    /// File name, such as `stages.csv`.
    pub name: String,
    /// Content of the file.
    pub text: String,
}
