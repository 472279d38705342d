//! Counts by reason, each with its first places.

use std::collections::BTreeMap;

use serde::Serialize;

/// Number of places that are kept for each reason.
const FIRST: usize = 3;

/// Reasons with their counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Tally(BTreeMap<String, Counted>);

/// Count of one reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// How often the reason occurred.
    pub count: usize,
    /// First three different places or examples.
    pub first: Vec<String>,
}

impl Tally {
    /// Counts one occurrence of `reason` at `place`.
    pub(crate) fn add(&mut self, reason: impl Into<String>, place: impl Into<String>) {
        let counted = self.0.entry(reason.into()).or_default();
        counted.count += 1;
        let place = place.into();
        if counted.first.len() < FIRST && !counted.first.contains(&place) {
            counted.first.push(place);
        }
    }

    /// Returns the sum of all counts.
    #[must_use]
    pub fn total(&self) -> usize {
        self.0.values().map(|counted| counted.count).sum()
    }

    /// Returns the reasons with their counts, in the order of the reasons.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Counted)> {
        self.0.iter().map(|(reason, counted)| (reason.as_str(), counted))
    }

    /// Returns a line for each reason, as in `  12 repeated (train.json:4, train.json:9, ...)`.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> {
        self.iter().map(|(reason, Counted { count, first })| {
            let more = if *count > first.len() { ", ..." } else { "" };
            format!("  {count} {reason} ({}{more})", first.join(", "))
        })
    }
}
