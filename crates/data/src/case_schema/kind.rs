//! Types of the values in a case, and the keys of its objects.

/// Type of a value.
pub(super) enum Kind {
    Text,
    Flag,
    Number,
    /// A whole number from 0 to the given maximum.
    Whole(u64),
    /// One of the given words.
    Word(&'static [&'static str]),
    List(&'static Kind),
    /// A list of the given number of numbers.
    Numbers(usize),
    Object(&'static [Field]),
    /// An object with a tag: common fields, the key of the tag with its meaning, and for each word of the tag its further
    /// fields.
    Tagged(&'static [Field], (&'static str, &'static str), &'static [(&'static str, &'static [Field])]),
}

/// Whether a key must be present.
pub(super) enum Need {
    Required,
    /// May be left out, but not null.
    Optional,
    /// May be left out or null.
    Nullable,
}

/// A key of an object: name, whether it must be present, type of its value, and meaning in Markdown.
pub(super) struct Field(pub(super) &'static str, pub(super) Need, pub(super) Kind, pub(super) &'static str);

impl Kind {
    /// Returns the name of the type, with an article.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Text => "a text".into(),
            Self::Flag => "true or false".into(),
            Self::Number => "a number".into(),
            Self::Whole(u64::MAX) => "a whole number from 0".into(),
            Self::Whole(most) => format!("a whole number from 0 to {most}"),
            Self::Word(words) => format!("one of {}", quoted(words)),
            Self::List(Self::Text) => "a list of texts".into(),
            Self::List(_) => "a list".into(),
            Self::Numbers(count) => format!("a list of {count} numbers"),
            Self::Object(_) | Self::Tagged(..) => "an object".into(),
        }
    }
}

/// Returns the words in double quotes, joined by commas.
pub(super) fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")
}
