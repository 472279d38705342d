//! Differences between the inputs of a run then and now.

use std::collections::BTreeMap;
use std::fmt;

/// Most differences that a message lists.
const LISTED: usize = 4;

/// Digits of a SHA-256 that a message shows.
const SHOWN: usize = 12;

/// A difference between the inputs of a run then and now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputChange {
    /// Key of the recipe that names the input.
    pub key: String,
    /// The input: a file, a case or a condition.
    pub what: String,
    /// Digest at the beginning of the run; None where the run had no such input.
    pub old: Option<String>,
    /// Digest now; None where there is no such input any more.
    pub new: Option<String>,
}

impl fmt::Display for InputChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, what, old, new } = self;
        write!(f, "`{key}`: {what} ")?;
        match (old.as_deref().map(short), new.as_deref().map(short)) {
            (Some(old), Some(new)) => write!(f, "was {old} and is now {new}"),
            (Some(old), None) => write!(f, "was {old} and is now gone"),
            (None, Some(new)) => write!(f, "was not there and is now {new}"),
            (None, None) => Ok(()),
        }
    }
}

/// First digits of a SHA-256; any other text is shown whole.
fn short(digest: &str) -> &str {
    match digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => &digest[..SHOWN],
        false => digest,
    }
}

/// Returns the first differences as one text, and the number of the others; empty without differences.
#[must_use]
pub fn listed<T: fmt::Display>(changes: &[T]) -> String {
    let mut lines: Vec<String> = changes.iter().take(LISTED).map(T::to_string).collect();
    if let Some(others) = changes.len().checked_sub(LISTED).filter(|others| *others > 0) {
        lines.push(format!("and {others} more"));
    }
    lines.join("; ")
}

type Digests = BTreeMap<String, BTreeMap<String, String>>;

/// Returns all differences between the digests recorded earlier and those of `now`, in the order of keys and inputs. An
/// input on one side alone is a difference too.
pub(super) fn between(then: &Digests, now: &Digests) -> Vec<InputChange> {
    let all = |digests: &Digests| -> BTreeMap<(String, String), String> {
        let each = digests.iter().flat_map(|(key, found)| found.iter().map(move |(what, digest)| (key, what, digest)));
        each.map(|(key, what, digest)| ((key.clone(), what.clone()), digest.clone())).collect()
    };
    let (then, now) = (all(then), all(now));
    let mut places: Vec<&(String, String)> = then.keys().chain(now.keys()).collect();
    places.sort_unstable();
    places.dedup();
    let differing = places.into_iter().filter(|place| then.get(*place) != now.get(*place));
    differing
        .map(|place| InputChange {
            key: place.0.clone(),
            what: place.1.clone(),
            old: then.get(place).cloned(),
            new: now.get(place).cloned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digests(of: &[(&str, &str)]) -> Digests {
        let each = of.iter().map(|(what, digest)| ((*what).to_owned(), (*digest).to_owned()));
        BTreeMap::from([("data".to_owned(), each.collect())])
    }

    #[test]
    fn what_was_changed_removed_and_added_is_named_with_old_and_new() {
        let then = digests(&[("a.png", &"1".repeat(64)), ("b.png", &"2".repeat(64)), ("cases", "3 for training")]);
        let now = digests(&[("a.png", &"1".repeat(64)), ("c.png", &"4".repeat(64)), ("cases", "2 for training")]);
        assert_eq!(
            listed(&between(&then, &now)),
            "`data`: b.png was 222222222222 and is now gone; `data`: c.png was not there and is now 444444444444; \
             `data`: cases was 3 for training and is now 2 for training"
        );
        assert_eq!(between(&then, &then), []);
    }

    #[test]
    fn many_differences_are_counted() {
        let names: Vec<String> = (0..9).map(|number| format!("{number}.png")).collect();
        let then: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
        let said = listed(&between(&digests(&then), &digests(&[])));
        assert!(said.ends_with("`data`: 3.png was x and is now gone; and 5 more"), "{said}");
    }
}
