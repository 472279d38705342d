//! Images that a field of a record names or holds: paths, `data:` URIs, bytes, and structures of bytes and path as
//! Hugging Face data sets have them; one image or a list.

use std::path::Path;

use serde_json::Value;

use super::super::entry::{ImageAt, ImageRef};
use super::super::record::{Record, scalar};
use super::common::below_first;

/// Returns the images of the first of the fields that has one, with that field. Paths are looked for in the folders
/// `below` of `root`, `""` for `root` itself; the first of them is named when none holds the file.
pub(super) fn images<'a>(record: &Record, fields: &[&'a str], root: &Path, below: &[&str]) -> (&'a str, Vec<ImageRef>) {
    let found = fields.iter().map(|field| (*field, of_field(record, field, root, below)));
    found
        .into_iter()
        .find(|(_, images)| !images.is_empty())
        .unwrap_or((fields.first().copied().unwrap_or("image"), Vec::new()))
}

/// Returns whether a field names or holds an image.
pub(super) fn has_image(record: &Record, field: &str) -> bool {
    !of_field(record, field, Path::new(""), &[""]).is_empty()
}

fn of_field(record: &Record, field: &str, root: &Path, below: &[&str]) -> Vec<ImageRef> {
    let one = |key: &str, value: &Value| {
        let at = image(record, key, value, root, below)?;
        Some(ImageRef { field: field.to_owned(), at, size: None })
    };
    match record.fields.get(field) {
        Some(Value::Array(list)) => {
            list.iter().enumerate().filter_map(|(place, value)| one(&format!("{field}.{place}"), value)).collect()
        }
        Some(value) => one(field, value).into_iter().collect(),
        None => Vec::new(),
    }
}

/// Returns where an image is; None when there is none.
fn image(record: &Record, key: &str, value: &Value, root: &Path, below: &[&str]) -> Option<ImageAt> {
    let path = value.get("path").unwrap_or(value);
    let path = scalar(path).map(|path| path.trim().to_owned()).filter(|path| !path.is_empty());
    if let Some(bytes) = record.bytes.get(&format!("{key}.bytes")).or_else(|| record.bytes.get(key)) {
        let name = path.unwrap_or_else(|| format!("row-{}-{key}", record.place.row));
        return Some(ImageAt::Bytes(name, bytes.clone()));
    }
    let path = path?;
    if let Some((head, text)) = path.split_once(";base64,")
        && head.starts_with("data:")
    {
        return Some(ImageAt::Base64(format!("row-{}-{key}", record.place.row), text.to_owned()));
    }
    let path = if path.contains("://") { path } else { below_first(root, below, &path) };
    Some(ImageAt::File { root: root.to_owned(), path })
}
