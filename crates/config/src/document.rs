//! A TOML file as written: every key and value with its position, and the `--set` arguments applied.

use indexmap::IndexMap;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::problem::{Excerpt, Location, Problem, Source};

/// Value of a TOML file with its position.
#[derive(Clone, Debug)]
pub struct Node {
    /// Value as TOML has it, with positions inside lists and tables.
    pub value: Value,
    /// Position of the value in the source text.
    pub at: Location,
}

/// TOML value; tables and lists keep the position of everything inside.
#[derive(Clone, Debug)]
pub enum Value {
    /// String.
    Text(String),
    /// Whole number. A number that does not fit becomes `i128::MAX`, which is outside every range.
    Integer(i128),
    /// Number with a fraction or exponent, `nan` or `inf`.
    Float(f64),
    /// `true` or `false`.
    Flag(bool),
    /// Date or time; no key accepts one.
    Date,
    /// List.
    List(Vec<Node>),
    /// Table, also when written inline.
    Table(Table),
}

/// Table: key names with position and value, in the order of the file.
pub type Table = IndexMap<String, Entry>;

/// Key of a table: its position and its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Position of the key.
    pub key: Location,
    /// Value with its position.
    pub node: Node,
}

impl Value {
    /// Returns the name of the type for messages: `a string`, `a whole number`, `a number with a fraction`,
    /// `true or false`, `a date`, `a list` or `a table`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::Integer(_) => "a whole number",
            Self::Float(_) => "a number with a fraction",
            Self::Flag(_) => "true or false",
            Self::Date => "a date",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

impl Node {
    /// Returns the value without its position. A date becomes the string `a date`, because no key accepts either. A
    /// whole number beyond the range of TOML becomes the largest of TOML.
    pub fn plain(&self) -> toml::Value {
        match &self.value {
            Value::Text(text) => text.clone().into(),
            Value::Integer(number) => i64::try_from(*number).unwrap_or(i64::MAX).into(),
            Value::Float(number) => (*number).into(),
            Value::Flag(flag) => (*flag).into(),
            Value::Date => "a date".into(),
            Value::List(elements) => elements.iter().map(Self::plain).collect::<Vec<_>>().into(),
            Value::Table(entries) => {
                let plain = entries.iter().map(|(name, entry)| (name.clone(), entry.node.plain()));
                toml::Value::Table(plain.collect())
            }
        }
    }
}

/// Sources of a configuration (the file, then each `--set` argument) and their combined table.
#[derive(Debug)]
pub struct Document {
    /// Texts that positions refer to: the file, then each `--set` argument.
    pub sources: Vec<Source>,
    /// Combined table; a `--set` argument replaces the value of the file.
    pub root: Table,
}

impl Document {
    /// Parses `text` and applies each of `overrides`, the arguments of `--set` such as `lora.r=32`, to it in order.
    /// `name` is the file's path, for messages. An override replaces a value of the file or adds a key, with the tables
    /// on the way to it; a value that is not TOML is taken as a string. Elements of a list are named by their number
    /// from 0, as in `curriculum.phase.0.replay=0.1`.
    ///
    /// # Errors
    /// When the text is not TOML, or an override has no `=` or an empty key, names an element that a list lacks, or
    /// leads through a value that is neither table nor list. All problems are returned.
    pub fn parse(name: String, text: String, overrides: &[String]) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let source = Source { name, text };
        let (parsed, mut errors) = DeTable::parse_recoverable(&source.text);
        errors.sort_by_key(|error| error.span().map(|span| span.start));
        problems.extend(errors.iter().map(|error| syntax_problem(&source, error)));
        let mut root = table(parsed.get_ref(), 0, 0);
        let mut sources = vec![source];
        for argument in overrides {
            let source = Source { name: "--set".into(), text: argument.clone() };
            if let Err(problem) = lay_over(&mut root, &source, sources.len()) {
                problems.push(problem);
            }
            sources.push(source);
        }
        if problems.is_empty() { Ok(Self { sources, root }) } else { Err(problems) }
    }
}

fn syntax_problem(source: &Source, error: &toml::de::Error) -> Problem {
    Problem {
        message: format!("this is not TOML: {}", error.message()),
        help: Some(
            "correct the TOML at this place: strings stand in quotes, and keys are written `key = value`".into(),
        ),
        excerpt: error.span().map(|span| Excerpt::new(source, &span)),
    }
}

/// Sets the value at a dotted path. The value is TOML. A value that is not TOML is taken as a string, so that
/// `--set model_name_or_path=checkpoints/base` needs no second pair of quotes.
fn lay_over(root: &mut Table, source: &Source, index: usize) -> Result<(), Problem> {
    let problem = |span: std::ops::Range<usize>, message: String, help: &str| Problem {
        message,
        help: Some(help.into()),
        excerpt: Some(Excerpt::new(source, &span)),
    };
    let Some((path, written)) = source.text.split_once('=') else {
        let all = 0..source.text.len();
        return Err(problem(all, "`--set` needs a key and a value".into(), "write it as `--set lora.r=32`"));
    };
    let offset = path.len() + 1 + (written.len() - written.trim_start().len());
    let written = written.trim();
    let value = match DeValue::parse(written) {
        Ok(parsed) => node(&parsed, index, offset),
        Err(_) => Node {
            value: Value::Text(written.into()),
            at: Location { source: index, span: offset..offset + written.len() },
        },
    };

    let mut place = root;
    let mut start = 0;
    let mut steps = path.split('.').peekable();
    while let Some(step) = steps.next() {
        let at = Location { source: index, span: start..start + step.len() };
        let name = step.trim().to_owned();
        start += step.len() + 1;
        if name.is_empty() {
            return Err(problem(at.span, "a key is missing".into(), "write it as `--set lora.r=32`"));
        }
        if steps.peek().is_none() {
            place.insert(name, Entry { key: at, node: value });
            return Ok(());
        }
        let entry = place.entry(name.clone()).or_insert_with(|| Entry {
            key: at.clone(),
            node: Node { value: Value::Table(Table::new()), at: at.clone() },
        });
        let mut next = &mut entry.node.value;
        // A list element is named by its number: `curriculum.phase.0.learning_rate`.
        if let Value::List(elements) = next {
            let (step, count) = (steps.next().unwrap_or_default(), elements.len());
            let span = start..start + step.len();
            start += step.len() + 1;
            let Some(element) = step.trim().parse().ok().and_then(|number: usize| elements.get_mut(number)) else {
                let message = format!("`{name}` is a list of {count} elements, and `{step}` is not one of them");
                return Err(problem(span, message, "elements are counted from 0"));
            };
            if steps.peek().is_none() {
                *element = value;
                return Ok(());
            }
            next = &mut element.value;
        }
        let kind = next.kind();
        let Value::Table(inner) = next else {
            let message = format!("`{name}` is {kind} and has no keys");
            return Err(problem(at.span, message, "name a key of a section, as in `--set lora.r=32`"));
        };
        place = inner;
    }
    Ok(())
}

fn table(parsed: &DeTable<'_>, source: usize, offset: usize) -> Table {
    let mut entries: Vec<(String, Entry)> = parsed
        .iter()
        .map(|(key, value)| {
            let entry = Entry { key: location(key.span(), source, offset), node: node(value, source, offset) };
            (key.get_ref().to_string(), entry)
        })
        .collect();
    entries.sort_by_key(|(_, entry)| entry.key.span.start);
    entries.into_iter().collect()
}

fn node(parsed: &Spanned<DeValue<'_>>, source: usize, offset: usize) -> Node {
    let value = match parsed.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        // A number that does not fit becomes one that is outside every range.
        DeValue::Integer(digits) => {
            Value::Integer(i128::from_str_radix(digits.as_str(), digits.radix()).unwrap_or(i128::MAX))
        }
        DeValue::Float(digits) => Value::Float(digits.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(flag) => Value::Flag(*flag),
        DeValue::Datetime(_) => Value::Date,
        DeValue::Array(elements) => Value::List(elements.iter().map(|element| node(element, source, offset)).collect()),
        DeValue::Table(inner) => Value::Table(table(inner, source, offset)),
    };
    Node { value, at: location(parsed.span(), source, offset) }
}

fn location(span: std::ops::Range<usize>, source: usize, offset: usize) -> Location {
    Location { source, span: span.start + offset..span.end + offset }
}
