//! Table of a tool's keys: every key with its meaning here.

use super::draft::Draft;
use super::fate::Fate;
use super::yaml::Yaml;

/// Translates the value of a key into the draft.
pub(super) type Rule = fn(&Yaml, &mut Draft<'_>) -> Fate;

/// Section name for keys that are in `[lora]` and in `[full]`.
pub(super) const TUNING: &str = "tuning";

/// Keys of one tool.
pub(super) struct Table {
    /// Table of keys that the tool has in addition.
    pub base: Option<&'static Table>,
    /// Keys with the same meaning here: name there, and section and name here.
    pub same: &'static [(&'static str, &'static str, &'static str)],
    /// Keys with another notation there.
    pub rules: &'static [(&'static str, Rule)],
    /// Keys that do not reach the recipe.
    pub groups: &'static [Group],
}

/// Keys that do not reach the recipe for the same reason.
pub(super) struct Group {
    /// The reason.
    pub why: &'static str,
    /// Whether the keys change what is trained there, unless they are switched off.
    pub changes: bool,
    pub keys: &'static [&'static str],
}

/// Meaning of a key.
pub(super) enum Meaning {
    /// Section and name of the key here.
    Same(&'static str, &'static str),
    Rule(Rule),
    Group(&'static Group),
}

impl Table {
    /// The meaning of `key`; None when the tool has no such key.
    pub fn meaning(&'static self, key: &str) -> Option<Meaning> {
        let same = self.same.iter().find(|(name, ..)| *name == key);
        let rule = self.rules.iter().find(|(name, _)| *name == key);
        let group = self.groups.iter().find(|group| group.keys.contains(&key));
        same.map(|(_, section, ours)| Meaning::Same(section, ours))
            .or(rule.map(|(_, rule)| Meaning::Rule(*rule)))
            .or(group.map(Meaning::Group))
            .or_else(|| self.base?.meaning(key))
    }

    /// All keys of the tool.
    pub fn keys(&'static self) -> Box<dyn Iterator<Item = &'static str>> {
        let own = self.same.iter().map(|(name, ..)| *name);
        let own = own.chain(self.rules.iter().map(|(name, _)| *name));
        let own = own.chain(self.groups.iter().flat_map(|group| group.keys.iter().copied()));
        match self.base {
            Some(base) => Box::new(own.chain(base.keys())),
            None => Box::new(own),
        }
    }
}
