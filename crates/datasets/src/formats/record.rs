//! One record of a source: a row of a table or an object of a JSON file, and its place.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};
use stepwise_data::problem::{Problem, Problems};

/// Place of a record in a file of the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Path of the file.
    pub(crate) file: Arc<Path>,
    /// Line of a table or of a JSON Lines file, or number of the record in a JSON array or Parquet file; counted from 1.
    pub(crate) row: usize,
}

impl Place {
    /// Makes a problem of the field `field` at this place: `what` is wrong, and `advice` says what to do about it.
    pub(crate) fn problem(&self, field: &str, what: impl Into<String>, advice: impl Into<String>) -> Problems {
        Problem::new(&*self.file, what, advice).at_row(self.row).in_field(field).into()
    }

    /// Returns the place as `file:row` without the folders.
    pub(crate) fn short(&self) -> String {
        let name = self.file.file_name().unwrap_or_default().to_string_lossy();
        format!("{name}:{}", self.row)
    }
}

/// Fields of a record by name. Cells of tables are strings.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// Place of the record.
    pub(crate) place: Place,
    /// Values by field.
    pub(crate) fields: Map<String, Value>,
    /// Values of Parquet files that are bytes and no text, such as image files, by the path of their field, as in
    /// `image.bytes` or `images.0.bytes`.
    pub(crate) bytes: BTreeMap<String, Arc<[u8]>>,
}

impl Record {
    /// Returns a string, number or boolean as text; None when the field is missing, null, a list or an object.
    pub(crate) fn text(&self, field: &str) -> Option<String> {
        scalar(self.fields.get(field)?)
    }

    /// Returns the text of a field without white space at its ends; empty when there is none.
    pub(crate) fn trimmed(&self, field: &str) -> String {
        self.text(field).unwrap_or_default().trim().to_owned()
    }

    /// Returns the text of a field like [`Record::text`]; empty when the field is missing or null.
    ///
    /// # Errors
    /// When the field is a list or an object.
    pub(crate) fn single(&self, field: &str) -> Result<String, Problems> {
        let what = match self.fields.get(field) {
            Some(Value::Array(_)) => "is a list, and one text is needed",
            Some(Value::Object(_)) => "is an object, and one text is needed",
            value => return Ok(value.and_then(scalar).unwrap_or_default()),
        };
        Err(self.problem(field, what, "write one text in it"))
    }

    /// Returns the text of a field that a record needs, without white space at its ends.
    ///
    /// # Errors
    /// When the field is missing, blank, a list or an object.
    pub(crate) fn required(&self, field: &str) -> Result<String, Problems> {
        let text = self.single(field)?.trim().to_owned();
        if !text.is_empty() {
            return Ok(text);
        }
        let what = if self.fields.contains_key(field) { "is empty" } else { "is missing" };
        Err(self.problem(field, what, "fill it in, or leave faulty rows out with --keep-going"))
    }

    /// Returns the fields in `names` that have a text, by name and trimmed; used by the rules of a category map.
    pub(crate) fn pick(&self, names: &[&str]) -> Vec<(String, String)> {
        let named = names.iter().map(|name| ((*name).to_owned(), self.trimmed(name)));
        named.filter(|(_, text)| !text.is_empty()).collect()
    }

    /// Makes a problem of a field of this record.
    pub(crate) fn problem(&self, field: &str, what: impl Into<String>, advice: impl Into<String>) -> Problems {
        self.place.problem(field, what, advice)
    }
}

/// Records of a file. A record that cannot be read is a problem; the records after it follow where they can be found.
pub(crate) type Records = Box<dyn Iterator<Item = Result<Record, Problems>>>;

/// Returns a string, number or boolean as text; None for other values.
pub(crate) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Returns a text, or a list of texts, as a list; empty for other values.
pub(crate) fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Array(list)) => list.iter().filter_map(scalar).collect(),
        Some(value) => scalar(value).into_iter().collect(),
        None => Vec::new(),
    }
}
