//! Reads the top level of a YAML file, each key with its line.

use std::sync::Arc;

use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData};

/// A YAML value without its position and tags.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Yaml {
    Null,
    Flag(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<Yaml>),
    Table(Vec<(String, Yaml)>),
}

/// A key of the top level and its value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    /// Path of the file.
    pub file: Arc<str>,
    /// Line, counted from 1.
    pub line: usize,
    /// Name of the key.
    pub key: String,
    /// Value of the key.
    pub value: Yaml,
}

/// Why a text is no readable YAML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NotYaml {
    /// Line, counted from 1.
    pub line: usize,
    /// What is wrong.
    pub problem: String,
}

/// Reads the keys of the only document of `text`, which must be a mapping, in the order of their lines. `file` is the
/// path that the entries name. Keys that a merge key (`<<`) brings in get its line and are left out where the file has
/// the key itself.
///
/// # Errors
/// When the text is not YAML, has no document or more than one, or is not a mapping.
pub(super) fn read(file: &Arc<str>, text: &str) -> Result<Vec<Entry>, NotYaml> {
    let documents = MarkedYaml::load_from_str(text)
        .map_err(|error| NotYaml { line: error.marker().line(), problem: error.info().to_owned() })?;
    let [document] = documents.as_slice() else {
        let problem = format!("{} documents where one is expected", documents.len());
        return Err(NotYaml { line: 1, problem });
    };
    let YamlData::Mapping(mapping) = &document.data else {
        return Err(NotYaml { line: 1, problem: "no keys and values at the top level".to_owned() });
    };
    let mut entries = Vec::new();
    let mut merged = Vec::new();
    for (key, node) in mapping {
        let (line, key) = (key.span.start.line(), words(&value(key)));
        match (key.as_str(), value(node)) {
            ("<<", Yaml::Table(inner)) => merged.extend(inner.into_iter().map(|(key, value)| (line, key, value))),
            ("<<", Yaml::List(tables)) => {
                let inner = tables.into_iter().flat_map(|table| match table {
                    Yaml::Table(inner) => inner,
                    _ => Vec::new(),
                });
                merged.extend(inner.map(|(key, value)| (line, key, value)));
            }
            (_, value) => entries.push(Entry { file: file.clone(), line, key, value }),
        }
    }
    for (line, key, value) in merged {
        if !entries.iter().any(|entry| entry.key == key) {
            entries.push(Entry { file: file.clone(), line, key, value });
        }
    }
    entries.sort_by_key(|entry| entry.line);
    Ok(entries)
}

/// Reads `text` as one YAML value. Text that is not YAML, or not exactly one document, stays text.
pub(super) fn scalar(text: &str) -> Yaml {
    match MarkedYaml::load_from_str(text).as_deref() {
        Ok([document]) => value(document),
        _ => Yaml::Text(text.to_owned()),
    }
}

fn value(node: &MarkedYaml<'_>) -> Yaml {
    match &node.data {
        YamlData::Value(Scalar::Boolean(flag)) => Yaml::Flag(*flag),
        YamlData::Value(Scalar::Integer(number)) => Yaml::Integer(*number),
        YamlData::Value(Scalar::FloatingPoint(number)) => Yaml::Float(number.into_inner()),
        YamlData::Value(Scalar::String(text)) => Yaml::Text(text.to_string()),
        YamlData::Representation(text, ..) => Yaml::Text(text.to_string()),
        YamlData::Sequence(elements) => Yaml::List(elements.iter().map(value).collect()),
        YamlData::Mapping(mapping) => {
            Yaml::Table(mapping.iter().map(|(key, node)| (words(&value(key)), value(node))).collect())
        }
        YamlData::Tagged(_, inner) => value(inner),
        YamlData::Value(Scalar::Null) | YamlData::Alias(_) | YamlData::BadValue => Yaml::Null,
    }
}

fn words(value: &Yaml) -> String {
    value.text().unwrap_or_else(|| "?".to_owned())
}

impl Yaml {
    /// Returns a scalar as text without spaces around it. None for null, lists and tables.
    pub fn text(&self) -> Option<String> {
        match self {
            Self::Flag(flag) => Some(flag.to_string()),
            Self::Integer(number) => Some(number.to_string()),
            Self::Float(number) => Some(number.to_string()),
            Self::Text(text) => Some(text.trim().to_owned()),
            Self::Null | Self::List(_) | Self::Table(_) => None,
        }
    }

    /// Returns a number, also from a string: Python's YAML reads `1e-4` as a string, so recipes write numbers in both
    /// ways. A thousand may be written `1_000`. None for anything else.
    pub fn number(&self) -> Option<f64> {
        let text = self.text()?;
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
        if text.starts_with(|first: char| first.is_ascii_digit()) && digits(&text) {
            return text.replace('_', "").parse().ok();
        }
        text.parse().ok()
    }

    /// Returns a truth value, with or without quotes and in any case; also for `yes`, `no`, `on` and `off`. None for
    /// anything else, also for 0 and 1.
    pub fn flag(&self) -> Option<bool> {
        match self.text()?.to_lowercase().as_str() {
            "true" | "yes" | "on" => Some(true),
            "false" | "no" | "off" => Some(false),
            _ => None,
        }
    }

    /// Returns whether the value switches its key off: null, false, 0, an empty text, list or table, or one of the
    /// words `no`, `off`, `none` and `null`.
    pub fn off(&self) -> bool {
        match self {
            Self::Null => true,
            Self::List(elements) => elements.is_empty(),
            Self::Table(entries) => entries.is_empty(),
            _ => {
                let text = self.text().unwrap_or_default().to_lowercase();
                self.flag() == Some(false)
                    || self.number() == Some(0.0)
                    || ["", "none", "null"].contains(&text.as_str())
            }
        }
    }

    /// Returns the variable or command in a value that the script does not define, such as `$MODEL`, in code marks; in a
    /// list the first one. None when there is none.
    pub fn unresolved(&self) -> Option<String> {
        let text = match self {
            Self::Text(text) => text,
            Self::List(elements) => return elements.iter().find_map(Self::unresolved),
            _ => return None,
        };
        let bytes = text.as_bytes();
        let variable = |at: &usize| {
            let next = bytes.get(at + 1).copied().unwrap_or_default();
            bytes[*at] == b'$' && (next.is_ascii_alphanumeric() || b"_@*".contains(&next))
        };
        let at = text.find("$(").or_else(|| text.find("${")).or_else(|| text.find('`'));
        let at = at.or_else(|| (0..bytes.len()).find(variable))?;
        Some(format!("`{}`", text[at..].lines().next().unwrap_or_default()))
    }

    /// Returns the elements of a list as strings, or the parts of a scalar between commas and spaces. Empty elements
    /// are left out. None for null, a table, and a list with an element that is not a scalar.
    pub fn list(&self) -> Option<Vec<String>> {
        match self {
            Self::List(elements) => {
                let words = elements.iter().map(|word| Some(word.text()?.trim_end_matches(',').to_owned()));
                words.filter(|word| word.as_deref() != Some("")).collect()
            }
            _ => Some(self.text()?.split([',', ' ']).filter(|word| !word.is_empty()).map(str::to_owned).collect()),
        }
    }
}
