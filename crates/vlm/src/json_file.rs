//! Errors of JSON files: they name the key of the wrong value, because a position in a file helps little.

use serde::de::DeserializeOwned;

use crate::fault::git_lfs_pointer;

/// Parses JSON.
///
/// # Errors
/// When the text is empty or no JSON, or a value has another type than `T`; the text names the key of the value.
pub fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    if text.trim().is_empty() {
        return Err("is empty".to_owned());
    }
    if let Some(problem) = git_lfs_pointer(text.as_bytes()) {
        return Err(problem.to_owned());
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let error = error.into_inner();
        let words = error.to_string();
        // A missing field is named by the error itself.
        let is_value =
            (error.is_data() && !words.starts_with("missing field")) || words.starts_with("number out of range");
        let is_value = is_value && path != ".";
        let position = format!(" at line {} column {}", error.line(), error.column());
        if is_value { format!("{path}: {}", words.strip_suffix(&position).unwrap_or(&words)) } else { words }
    })?;
    reader.end().map_err(|error| error.to_string())?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[expect(dead_code, reason = "only errors are looked at")]
    struct Outer {
        layers: usize,
        inner: BTreeMap<String, Vec<u8>>,
    }

    #[test]
    fn a_wrong_value_is_named_by_its_key() {
        for (text, expected) in [
            ("{\"layers\": -1, \"inner\": {}}", "layers: invalid value: integer `-1`, expected usize"),
            ("{\"x\": [1, {\"layers\": 2}],\n \"layers\": null}", "layers: invalid type: null, expected usize"),
            ("{\"layers\": 1,\n\n \"inner\": {\"a\": [], \"b\\\"c\": [0, 300]}}", "inner.b\"c[1]: invalid value: "),
            ("{\"layers\": \"ten\", \"inner\": 1}", "layers: invalid type: string \"ten\", expected usize"),
            ("{\"layers\": 1, \"inner\": [3]}", "inner: invalid type: sequence, expected a map"),
            ("{\"layers\": {\"a\": 1}, \"inner\": {}}", "layers: invalid type: map, expected usize"),
            ("{\"layers\": 1e999}", "layers: number out of range"),
            ("{\"layers\": 1}", "missing field `inner` at line 1 column 13"),
            ("", "is empty"),
            ("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is a pointer of Git LFS"),
            (" \n", "is empty"),
            ("{\"layers\": 1", "EOF while parsing an object at line 1 column 12"),
        ] {
            let found = parse::<Outer>(text).expect_err("refused");
            assert!(found.starts_with(expected), "{text}: {found}");
        }
    }
}
