//! Result of translating a key.

/// What became of a key of the other tool's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The recipe has the value.
    Carried,
    /// The key does not change what is trained here, for this reason.
    Ignored(String),
    /// The key changes what is trained there and was not carried over, for this reason; with advice after ` -> ` where
    /// there is any.
    Left(String),
    /// The tool has no such key, as far as Stepwise knows it; with the nearest key where there is one.
    Unknown(String),
    /// The key has no value.
    Unset,
}

impl Fate {
    /// Makes [`Fate::Ignored`] with a reason.
    pub(super) fn ignored(why: impl Into<String>) -> Self {
        Self::Ignored(why.into())
    }

    /// Makes [`Fate::Left`] with a reason, and advice after ` -> ` where there is any.
    pub(super) fn left(why: impl Into<String>) -> Self {
        Self::Left(why.into())
    }

    /// Makes [`Fate::Ignored`] if `so`, else [`Fate::Left`], both with the reason `why`.
    pub(super) fn ignored_if(so: bool, why: &str) -> Self {
        if so { Self::ignored(why) } else { Self::left(why) }
    }
}
