//! Fuzz target for the readers of records: CSV, TSV, JSON Lines, JSON and Parquet.

use stepwise_datasets::{Columns, FormatOptions, format, import_format};

use crate::support::{files, folder, refused, write};

/// Imports the rows of one file as a table with the columns `file`, `q` and `a`. The input is the extension of the file,
/// a separator, and the file. The rows can name the image `image.png`.
///
/// # Errors
/// When the extension is not known, the file cannot be read, or a row is faulty.
///
/// # Panics
/// When an error gives no advice.
pub fn table(data: &[u8]) -> Result<(), String> {
    let [extension, rows] = files(data);
    let extension = std::str::from_utf8(extension).unwrap_or_default();
    if !["csv", "tsv", "jsonl", "json", "parquet"].contains(&extension) {
        return Err("the extension is not known".into());
    }
    let place = folder();
    write(place.path(), "image.png", include_bytes!("../pictures/image.png"));
    let name = format!("t.{extension}");
    write(place.path(), &name, rows);
    let columns = Columns {
        image: vec!["file".into()],
        question: Some("q".into()),
        answer: Some("a".into()),
        ..Columns::default()
    };
    let options = FormatOptions { columns, rest: Some("25".into()), ..FormatOptions::default() };
    let table = format("table").expect("a format");
    let out = place.path().join("out");
    import_format(table, &place.path().join(name), &out, &options).map(drop).map_err(refused)
}
