//! Table of a tool's keys: every key with its meaning here.

use super::draft::Draft;
use super::fate::Fate;
use super::yaml::Yaml;

/// Function that translates the value of a key into the draft and returns what became of it.
pub(super) type Rule = fn(&Yaml, &mut Draft<'_>) -> Fate;

/// Section that stands for `[full]` in full fine-tuning and for `[lora]` otherwise, for keys that both have.
pub(super) const TUNING: &str = "tuning";

/// Keys of one tool, each with its meaning in a recipe.
pub(super) struct Table {
    /// Table of further keys that the tool shares with others; keys of this table take precedence.
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
    /// Names of the keys.
    pub keys: &'static [&'static str],
}

/// Meaning of another tool's key in a recipe.
pub(super) enum Meaning {
    /// Section and name of the key here.
    Same(&'static str, &'static str),
    /// A key that a function translates.
    Rule(Rule),
    /// A key that does not reach the recipe.
    Group(&'static Group),
}

impl Table {
    /// Returns the meaning of `key`, in this table or else in its base. None when the tool has no such key.
    pub fn meaning(&'static self, key: &str) -> Option<Meaning> {
        let same = self.same.iter().find(|(name, ..)| *name == key);
        let rule = self.rules.iter().find(|(name, _)| *name == key);
        let group = self.groups.iter().find(|group| group.keys.contains(&key));
        same.map(|(_, section, ours)| Meaning::Same(section, ours))
            .or(rule.map(|(_, rule)| Meaning::Rule(*rule)))
            .or(group.map(Meaning::Group))
            .or_else(|| self.base?.meaning(key))
    }

    /// Returns the names of all keys of the tool, those of the base last. A key of both comes twice.
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
