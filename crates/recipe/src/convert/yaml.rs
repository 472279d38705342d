//! Reads the top level of a YAML file, each key with its line.

use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData};

/// YAML value without its position. Aliases and invalid values become null.
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

/// Key of the top level and its value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    /// Line, counted from 1.
    pub line: usize,
    /// Name of the key; `?` for a key that is no scalar.
    pub key: String,
    /// Value of the key.
    pub value: Yaml,
}

/// Error of a text that is no readable YAML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NotYaml {
    /// Line, counted from 1.
    pub line: usize,
    /// Problem at the line.
    pub problem: String,
}

/// Reads the only document of `text`, which must be a mapping.
///
/// # Errors
/// When the text is not YAML, has more or fewer than one document, or is no mapping.
pub(super) fn read(text: &str) -> Result<Vec<Entry>, NotYaml> {
    let documents = MarkedYaml::load_from_str(text)
        .map_err(|error| NotYaml { line: error.marker().line(), problem: error.info().to_owned() })?;
    let [document] = documents.as_slice() else {
        let problem = format!("{} documents where one is expected", documents.len());
        return Err(NotYaml { line: 1, problem });
    };
    let YamlData::Mapping(mapping) = &document.data else {
        return Err(NotYaml { line: 1, problem: "no keys and values at the top level".to_owned() });
    };
    let mut entries: Vec<Entry> = mapping
        .iter()
        .map(|(key, node)| Entry { line: key.span.start.line(), key: words(&value(key)), value: value(node) })
        .collect();
    entries.sort_by_key(|entry| entry.line);
    Ok(entries)
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
    /// Returns a scalar as text without surrounding white space; None for null, lists and tables.
    pub fn text(&self) -> Option<String> {
        match self {
            Self::Flag(flag) => Some(flag.to_string()),
            Self::Integer(number) => Some(number.to_string()),
            Self::Float(number) => Some(number.to_string()),
            Self::Text(text) => Some(text.trim().to_owned()),
            Self::Null | Self::List(_) | Self::Table(_) => None,
        }
    }

    /// Returns a number, also if it is a string: Python's YAML reads `1e-4` as a string, so recipes write numbers in
    /// both ways. None for all other values.
    pub fn number(&self) -> Option<f64> {
        self.text().and_then(|text| text.parse().ok())
    }

    /// Returns true or false, with or without quotes, also for `yes`, `no`, `on` and `off`; None for all other values.
    pub fn flag(&self) -> Option<bool> {
        match self.text()?.to_lowercase().as_str() {
            "true" | "yes" | "on" => Some(true),
            "false" | "no" | "off" => Some(false),
            _ => None,
        }
    }

    /// Returns a list of strings, also from a string with commas or spaces between the elements. None for null, tables,
    /// and lists with an element that is no scalar.
    pub fn list(&self) -> Option<Vec<String>> {
        match self {
            Self::List(elements) => elements.iter().map(Self::text).collect(),
            _ => Some(self.text()?.split([',', ' ']).filter(|word| !word.is_empty()).map(str::to_owned).collect()),
        }
    }
}
