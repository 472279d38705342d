//! One condition of a suite, read from a `[[condition]]` table.

use std::sync::Arc;

use serde::Deserialize;

use crate::perturb::combined::Combined;
use crate::perturb::kinds::{KINDS, kind};
use crate::perturb::support::templates::{FAMILIES, Families};
use crate::perturb::{Perturbation, Purpose};
use crate::subset::Subset;

/// End of error messages that names the command which prints the reference page of suites.
pub(crate) const LISTED: &str = " -> see `stepwise schema --suite` for the valid keys and values";

/// Names of the keys that every condition has; all others are parameters of its kind.
pub(crate) const COMMON: [&str; 6] = ["id", "kind", "on", "control", "max_items", "subset"];

/// Keys that every condition has. All other keys are parameters of the perturbation.
#[derive(Deserialize)]
struct Common {
    id: String,
    kind: String,
    on: Option<String>,
    control: Option<String>,
    max_items: Option<usize>,
    #[serde(default)]
    subset: Subset,
}

/// One condition of a suite: a kind of change to questions with its parameters, and the items that it is asked of.
#[derive(Clone, Debug)]
pub struct Condition {
    /// Id in outcomes, metrics and reports, unique in the suite.
    pub id: String,
    /// Name of the perturbation's kind.
    pub kind: &'static str,
    /// Name of the kind whose images are shown with the words of `kind`, such as `blank`; `None` without a combination.
    pub on: Option<&'static str>,
    /// Purpose of the condition: the purpose of its kind, or [`Purpose::EvidenceRemoved`] where the images of `on` lack
    /// the evidence.
    pub purpose: Purpose,
    /// Id of the condition that the effect is measured against; `None` without a control.
    pub control: Option<String>,
    /// Maximum number of items; the choice is stratified by stage and fixed by the seed. `None` asks all items.
    pub max_items: Option<usize>,
    /// Filter of the items, in addition to the suite's filter.
    pub subset: Subset,
    /// Parameters of the perturbation as written in the suite, without defaults.
    pub parameters: toml::Table,
    /// Perturbation that the condition applies.
    pub perturbation: Arc<dyn Perturbation>,
}

impl Condition {
    /// Returns the value of a parameter that is a number, such as `eps` or `level`; None where the suite leaves it out
    /// or gives no number. Defaults are not filled in.
    #[must_use]
    pub fn number(&self, parameter: &str) -> Option<f64> {
        match self.parameters.get(parameter)? {
            toml::Value::Integer(value) => Some(*value as f64),
            toml::Value::Float(value) => Some(*value),
            _ => None,
        }
    }

    /// Returns the value of a parameter that is true or false; false where the suite leaves it out or gives another
    /// type.
    #[must_use]
    pub fn flag(&self, parameter: &str) -> bool {
        self.parameters.get(parameter).and_then(toml::Value::as_bool).unwrap_or_default()
    }

    /// Returns whether every parameter but `families` has its default, written or left out, and no other images are
    /// shown. Always false for kinds with a required parameter.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        if self.on.is_some() {
            return false;
        }
        let build = kind(self.kind).map(|kind| kind.build);
        let mut own = self.parameters.clone();
        own.remove(FAMILIES);
        // The derived `Debug` text holds every parameter.
        let built = |parameters| build.and_then(|build| Some(format!("{:?}", build(parameters).ok()?)));
        built(toml::Table::new()).is_some_and(|plain| Some(plain) == built(own))
    }

    /// Returns whether every parameter of the perturbation, defaults included, has the value that it has in `other`,
    /// which may be of another kind.
    #[must_use]
    pub fn has_parameters_of(&self, other: &Self) -> bool {
        // The derived `Debug` text holds every parameter after the name of the type.
        let parameters = |condition: &Self| {
            let text = format!("{:?}", condition.perturbation);
            text.trim_start_matches(|character: char| character.is_alphanumeric()).to_owned()
        };
        parameters(self) == parameters(other)
    }

    /// Reads a condition from its `[[condition]]` table. `families` is the split of sentence templates where the
    /// condition has no `families` key.
    ///
    /// # Errors
    /// A message with advice when a key is missing, unknown or of the wrong type, the id is invalid, the kind is
    /// unknown, `max_items` is 0, the filter is invalid, or a parameter of the kind is.
    pub(crate) fn read(mut table: toml::Table, families: Families) -> Result<Self, String> {
        let mut common = toml::Table::new();
        for key in COMMON {
            common.extend(table.remove(key).map(|value| (key.to_owned(), value)));
        }
        let common: Common =
            common.try_into().map_err(|error: toml::de::Error| format!("condition: {}{LISTED}", error.message()))?;
        let names = || KINDS.iter().map(|kind| kind.name).collect::<Vec<_>>().join(", ");
        let kind = kind(&common.kind).ok_or_else(|| {
            format!("condition `{}`: there is no kind `{}` -> write one of {}", common.id, common.kind, names())
        })?;
        if common.id.is_empty() || !common.id.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c)) {
            return Err(format!(
                "condition `{}`: the id must consist of letters, digits, `_`, `-` and `.` -> rename the condition",
                common.id
            ));
        }
        if common.max_items == Some(0) {
            return Err(format!("condition `{}`: max_items is 0 -> write at least 1, or leave the key out", common.id));
        }
        if let Some(what) = common.subset.problem() {
            return Err(format!("condition `{}`: {what}", common.id));
        }
        let mut given = table.clone();
        if !kind.templates.is_empty() {
            given.entry(FAMILIES).or_insert_with(|| families.name().into());
        }
        let mut perturbation = (kind.build)(given).map_err(|error| {
            // Problems with a value have their own advice.
            let advice = if error.message().contains(" -> ") { "" } else { LISTED };
            format!("condition `{}` of kind `{}`: {}{advice}", common.id, kind.name, error.message())
        })?;
        let (mut on, mut purpose) = (None, kind.purpose);
        if let Some(name) = &common.on {
            let combined = Combined::images(name).and_then(|images| {
                let (combined, purpose) = Combined::new(kind, Arc::clone(&perturbation), images)?;
                Ok((images.name, combined, purpose))
            });
            let (images, combined, of_both) = combined.map_err(|what| format!("condition `{}`: {what}", common.id))?;
            (on, purpose, perturbation) = (Some(images), of_both, Arc::new(combined));
        }
        Ok(Self {
            id: common.id,
            kind: kind.name,
            on,
            purpose,
            control: common.control,
            max_items: common.max_items,
            subset: common.subset,
            parameters: table,
            perturbation,
        })
    }
}
