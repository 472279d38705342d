//! One condition of a suite, and how a table of the file becomes it.

use std::sync::Arc;

use serde::Deserialize;

use crate::perturb::support::templates::{FAMILIES, Families};
use crate::perturb::{self, Perturbation, Purpose};
use crate::subset::Subset;
use crate::suite_file::LISTED;

/// The names of the keys every condition has.
pub(crate) const COMMON: [&str; 5] = ["id", "kind", "control", "max_items", "subset"];

/// The keys every condition has; the others are its perturbation's.
#[derive(Deserialize)]
struct Common {
    id: String,
    kind: String,
    control: Option<String>,
    max_items: Option<usize>,
    #[serde(default)]
    subset: Subset,
}

/// One condition of a suite.
#[derive(Clone, Debug)]
pub struct Condition {
    /// Names it in outcomes, metrics and reports.
    pub id: String,
    /// Its entry in the registry.
    pub kind: &'static str,
    /// What it is for.
    pub purpose: Purpose,
    /// The condition its effect is measured against.
    pub control: Option<String>,
    /// Asked of at most this many items, stratified by stage and fixed by the seed.
    pub max_items: Option<usize>,
    /// Asked of nothing else.
    pub subset: Subset,
    /// Its own parameters as the suite writes them; those left at their defaults are absent.
    pub parameters: toml::Table,
    /// What it does.
    pub perturbation: Arc<dyn Perturbation>,
}

impl Condition {
    /// A parameter that is a number, such as `eps` or `level`.
    #[must_use]
    pub fn number(&self, parameter: &str) -> Option<f64> {
        match self.parameters.get(parameter)? {
            toml::Value::Integer(value) => Some(*value as f64),
            toml::Value::Float(value) => Some(*value),
            _ => None,
        }
    }

    /// A parameter that is true or false; false where it is left out.
    #[must_use]
    pub fn flag(&self, parameter: &str) -> bool {
        self.parameters.get(parameter).and_then(toml::Value::as_bool).unwrap_or_default()
    }

    /// Whether every parameter has its default, written or left out, in whichever sentences it is asked. No condition of a
    /// kind that must be given a parameter has.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        let build = perturb::kind(self.kind).map(|kind| kind.build);
        let mut own = self.parameters.clone();
        own.remove(FAMILIES);
        // The derived description names every parameter.
        let built = |parameters| build.and_then(|build| Some(format!("{:?}", build(parameters).ok()?)));
        built(toml::Table::new()).is_some_and(|plain| Some(plain) == built(own))
    }

    /// Reads a condition; its words are drawn from `families` where it does not say from which.
    pub(crate) fn read(mut table: toml::Table, families: Families) -> Result<Self, String> {
        let mut common = toml::Table::new();
        for key in COMMON {
            common.extend(table.remove(key).map(|value| (key.to_owned(), value)));
        }
        let common: Common =
            common.try_into().map_err(|error: toml::de::Error| format!("condition: {}{LISTED}", error.message()))?;
        let names = || perturb::KINDS.iter().map(|kind| kind.name).collect::<Vec<_>>().join(", ");
        let kind = perturb::kind(&common.kind).ok_or_else(|| {
            format!("condition `{}`: there is no kind `{}` -> name one of {}", common.id, common.kind, names())
        })?;
        if common.id.is_empty() || !common.id.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c)) {
            return Err(format!(
                "condition `{}`: an id is made of letters, digits, `_`, `-` and `.` -> rename it",
                common.id
            ));
        }
        if common.max_items == Some(0) {
            return Err(format!("condition `{}`: max_items is 0 -> write at least 1 or leave it out", common.id));
        }
        if let Some(what) = common.subset.problem() {
            return Err(format!("condition `{}`: {what}", common.id));
        }
        let mut given = table.clone();
        if !kind.templates.is_empty() {
            given.entry(FAMILIES).or_insert_with(|| families.name().into());
        }
        let perturbation = (kind.build)(given).map_err(|error| {
            // Problems with a value bring their own advice.
            let advice = if error.message().contains(" -> ") { "" } else { LISTED };
            format!("condition `{}` of kind `{}`: {}{advice}", common.id, kind.name, error.message())
        })?;
        Ok(Self {
            id: common.id,
            kind: kind.name,
            purpose: kind.purpose,
            control: common.control,
            max_items: common.max_items,
            subset: common.subset,
            parameters: table,
            perturbation,
        })
    }
}
