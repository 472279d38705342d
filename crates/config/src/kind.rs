//! Types of values that a key accepts. [`super::section`] checks them, messages describe them, and the JSON Schema is
//! made from them.

use std::fmt::{self, Display};
use std::ops::{Bound, RangeBounds};

/// Largest whole number of TOML, 2^63 - 1. Larger numbers are refused for every key.
pub const INTEGER_MAX: u64 = i64::MAX as u64;

/// Type of the values that a key accepts.
#[derive(Clone, Debug, PartialEq)]
pub enum ValueKind {
    /// True or false.
    Flag,
    /// Whole number from the first to the second bound, both included.
    Integer(u64, u64),
    /// Finite number between the first and the second bound; whole numbers are accepted.
    Number(Bound<f64>, Bound<f64>),
    /// One of these words, as a string.
    Word(Vec<&'static str>),
    /// String that is not empty.
    Text,
    /// List of values of one type.
    List(Box<ValueKind>),
    /// Table with free key names and values of one type.
    Map(Box<ValueKind>),
    /// Value of one of several types.
    Either(Vec<ValueKind>),
    /// Value that only the words of [`Accepts`] describe; the JSON Schema accepts anything.
    Other,
}

/// Accepted values of a key: a type, and its description for messages and the reference page.
#[derive(Clone, Debug, PartialEq)]
pub struct Accepts {
    /// Description, such as `a whole number, at least 1`.
    pub words: String,
    /// Type of the value.
    pub kind: ValueKind,
}

impl ValueKind {
    /// Returns the type of whole numbers within `range`, which is not empty. An open start means 0, an open end means
    /// [`INTEGER_MAX`].
    pub fn integer(range: &impl RangeBounds<u64>) -> Self {
        let least = match range.start_bound() {
            Bound::Included(least) => *least,
            Bound::Excluded(below) => below + 1,
            Bound::Unbounded => 0,
        };
        let most = match range.end_bound() {
            Bound::Included(most) => *most,
            Bound::Excluded(above) => above - 1,
            Bound::Unbounded => INTEGER_MAX,
        };
        Self::Integer(least, most)
    }

    /// Returns the type of finite numbers within `range`.
    pub fn number(range: &impl RangeBounds<f64>) -> Self {
        Self::Number(range.start_bound().cloned(), range.end_bound().cloned())
    }

    /// Returns the type of lists with elements of type `of`.
    pub fn list(of: Self) -> Self {
        Self::List(Box::new(of))
    }

    /// Returns the type with the description `words` in place of the description made from the type.
    pub fn called(self, words: impl Into<String>) -> Accepts {
        Accepts { words: words.into(), kind: self }
    }
}

impl Display for ValueKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => write!(f, "true or false"),
            Self::Integer(least, INTEGER_MAX) => write!(f, "a whole number, at least {least}"),
            Self::Integer(least, most) => write!(f, "a whole number, at least {least} and at most {most}"),
            Self::Number(low, high) => write!(f, "a number{}", described(&(*low, *high))),
            Self::Word(words) => {
                let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
                write!(f, "{}", words.join(" or "))
            }
            Self::Text => write!(f, "a string"),
            Self::List(of) => write!(f, "a list, each {of}"),
            Self::Map(of) => write!(f, "a table of names, each with {of}"),
            Self::Either(kinds) => {
                let kinds: Vec<String> = kinds.iter().map(ToString::to_string).collect();
                write!(f, "{}", kinds.join(", or "))
            }
            Self::Other => write!(f, "a value"),
        }
    }
}

impl From<ValueKind> for Accepts {
    fn from(kind: ValueKind) -> Self {
        Self { words: kind.to_string(), kind }
    }
}

impl From<&str> for Accepts {
    fn from(words: &str) -> Self {
        ValueKind::Other.called(words)
    }
}

impl From<String> for Accepts {
    fn from(words: String) -> Self {
        ValueKind::Other.called(words)
    }
}

/// Returns the description of a range for messages, such as `, at least 0 and below 1`; empty for a range without ends.
pub fn described<T: Display>(range: &impl RangeBounds<T>) -> String {
    let low = match range.start_bound() {
        Bound::Included(low) => Some(format!("at least {low}")),
        Bound::Excluded(low) => Some(format!("above {low}")),
        Bound::Unbounded => None,
    };
    let high = match range.end_bound() {
        Bound::Included(high) => Some(format!("at most {high}")),
        Bound::Excluded(high) => Some(format!("below {high}")),
        Bound::Unbounded => None,
    };
    match (low, high) {
        (Some(low), Some(high)) => format!(", {low} and {high}"),
        (Some(end), None) | (None, Some(end)) => format!(", {end}"),
        (None, None) => String::new(),
    }
}
