//! Keys that a file may not hold: misspelt ones, keys with another name in other tools, and keys that are not supported.

use crate::nearest::nearest;
use crate::reference::{Key, Reference};

/// Names that other tools use for keys of a file format. [`Findings::problems`](crate::section::Findings::problems)
/// makes hints from them, and the reference page lists them.
#[derive(Clone, Copy, Debug, Default)]
pub struct ForeignKeys {
    /// Pairs of a name in another tool and the name of the key here.
    pub aliases: &'static [(&'static str, &'static str)],
    /// Pairs of a key without a counterpart here and advice on what to do instead; None when there is no advice.
    pub unsupported: &'static [(&'static str, Option<&'static str>)],
}

impl ForeignKeys {
    /// Returns the name here of a key that other tools call `name`; None when `name` is no such alias.
    #[must_use]
    pub fn alias(&self, name: &str) -> Option<&'static str> {
        self.aliases.iter().find(|(alias, _)| *alias == name).map(|(_, ours)| *ours)
    }

    /// Returns `Some` when `name` is a key of other tools that is not supported here, else None. The inner value is
    /// advice on what to do instead; None when there is no advice.
    #[must_use]
    pub fn unsupported(&self, name: &str) -> Option<Option<&'static str>> {
        self.unsupported.iter().find(|(unsupported, _)| *unsupported == name).map(|(_, instead)| *instead)
    }

    /// Returns every alias with the key of `known` that it stands for, in the order of [`ForeignKeys::aliases`]. An
    /// alias whose key is not in `known` is left out.
    pub fn keys<'a>(&self, known: &'a [Key]) -> impl Iterator<Item = (&'static str, &'a Key)> {
        self.aliases.iter().filter_map(|(alias, ours)| Some((*alias, owner(ours, "", known)?)))
    }
}

/// Returns message and help for the key `name`, which is not a key of `section`: the key is not supported, has another
/// name here, is misspelt, or belongs to another section. Otherwise the help lists the keys of the section; it is None
/// when the section has none. `reference` holds all keys and tables, `foreign` the names of other tools.
pub(crate) fn unknown(
    section: &str,
    name: &str,
    reference: &Reference,
    foreign: &ForeignKeys,
) -> (String, Option<String>) {
    let known = reference.keys.as_slice();
    let place = |section: &str| match section {
        "" => " at the top level".to_owned(),
        _ => format!(" in `{}`", reference.header(section)),
    };
    if let Some(instead) = foreign.unsupported(foreign.alias(name).unwrap_or(name)) {
        let help = instead.map_or("leave it out".to_owned(), |instead| format!("leave it out: {instead}"));
        return (format!("`{name}` is not supported yet"), Some(help));
    }
    let message = format!("unknown key `{name}`{}", place(section));
    if let Some(ours) = foreign.alias(name)
        && let Some(key) = owner(ours, section, known)
    {
        return (message, Some(format!("`{name}` is written `{ours}`{}", place(&key.section))));
    }
    let here = known.iter().filter(|key| key.section == section).map(|key| key.name);
    let sections = sections_below(section, known);
    if let Some(near) = nearest(name, here.clone().chain(sections.iter().map(String::as_str))) {
        return (message, Some(format!("did you mean `{near}`?")));
    }
    if let Some(near) = nearest(name, foreign.aliases.iter().map(|(alias, _)| *alias))
        && let Some(key) = foreign.alias(near).and_then(|ours| owner(ours, section, known))
        && key.section == section
    {
        return (message, Some(format!("did you mean `{}`?", key.name)));
    }
    if let Some(key) = owner(name, section, known) {
        return (message, Some(format!("`{name}` belongs{}", place(&key.section))));
    }
    if let Some(near) = nearest(name, known.iter().map(|key| key.name))
        && let Some(key) = owner(near, section, known)
    {
        return (message, Some(format!("did you mean `{near}`{}?", place(&key.section))));
    }
    let below = sections.iter().map(String::as_str).filter(|below| !here.clone().any(|name| name == *below));
    let names: Vec<String> = here.clone().chain(below).map(|name| format!("`{name}`")).collect();
    let help = (!names.is_empty()).then(|| format!("the keys{} are {}", place(section), names.join(", ")));
    (message, help)
}

/// The key called `name`: the one in `section`, or else the first in any table.
fn owner<'a>(name: &str, section: &str, known: &'a [Key]) -> Option<&'a Key> {
    let called = || known.iter().filter(|key| key.name == name);
    called().find(|key| key.section == section).or_else(|| called().next())
}

fn sections_below(section: &str, known: &[Key]) -> Vec<String> {
    let prefix = if section.is_empty() { String::new() } else { format!("{section}.") };
    let mut names: Vec<String> = known
        .iter()
        .filter_map(|key| key.section.strip_prefix(&prefix))
        .filter_map(|rest| rest.split('.').next())
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    names.dedup();
    names
}
