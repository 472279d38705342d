//! `augment = { hint_minus = 0.2, blank = { share = 0.1, fill = "noise" } }`: which conditions of the benchmark stand in
//! lessons, and how often.

use std::sync::Arc;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use stepwise_benchmark::perturb::support::templates::{FAMILIES, Families};
use stepwise_benchmark::perturb::trainable::{teaches_to_decline, untrainable};
use stepwise_benchmark::perturb::{self, KINDS, Perturbation, PerturbationKind};
use stepwise_config::document::{Node, Value};
use stepwise_config::kind::{Accepts, ValueKind};
use stepwise_config::section::Section;

/// What stands in a condition's table beside the parameters that a suite gives it.
const SHARE: &str = "share";

/// Sums of shares may be above 1 by what decimal fractions lose in binary.
pub(super) const ROUNDING: f64 = 1e-9;

const ACCEPTS: &str =
    "a number from 0 to 1, a table with `share` and the condition's parameters, or a list of such tables";

/// For the reference.
const ABOUT: &str = "Shares of lessons that are asked under a condition of the benchmark, by the condition's kind (`docs/suite.md` \
    says what each does). The answer taught is the one that is right there. Where the evidence is gone (blank, no_image, swap_far, \
    region_mask, random_only, ...), that is to decline, in questions that can be declined and no others (`refusal` in `[data]` makes \
    choices such questions); under swap_near it is what the other picture shows. Sentences come from the templates for training.";

fn accepts() -> Accepts {
    let table = || ValueKind::Map(Box::new(ValueKind::Other));
    let share = ValueKind::number(&(0.0..=1.0));
    ValueKind::Either(vec![share, table(), ValueKind::list(table())]).called(ACCEPTS)
}

/// The conditions of a phase; at most one stands in a lesson.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Augment {
    /// In the order of the benchmark's registry.
    pub conditions: Vec<Augmentation>,
}

/// One condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Augmentation {
    /// Its kind in the benchmark's registry.
    pub kind: &'static str,
    /// How likely it stands in a lesson that it applies to.
    pub share: f64,
    /// As a suite would give them; those left at their defaults are absent.
    pub parameters: toml::Table,
}

impl Augmentation {
    /// What it does to a question. Words come from the families of templates that are for training.
    ///
    /// # Errors
    /// When the parameters are not those of the kind; a recipe that was read has none such.
    pub fn perturbation(&self) -> Result<Arc<dyn Perturbation>, toml::de::Error> {
        let kind = perturb::kind(self.kind).ok_or_else(|| serde::de::Error::custom("no such kind"))?;
        build(kind, self.parameters.clone())
    }
}

/// The perturbation of a kind, with words from the training families.
pub fn build(kind: &PerturbationKind, mut parameters: toml::Table) -> Result<Arc<dyn Perturbation>, toml::de::Error> {
    if !kind.templates.is_empty() {
        parameters.insert(FAMILIES.into(), Families::Training.name().into());
    }
    (kind.build)(parameters)
}

impl Augment {
    /// Whether every lesson is the question as it is stored.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.conditions.is_empty()
    }

    /// A kind of condition, if there is one, that takes the evidence away, so that lessons teach to decline.
    #[must_use]
    pub fn removal(&self) -> Option<&'static str> {
        self.conditions.iter().map(|one| one.kind).find(|kind| teaches_to_decline(kind))
    }
}

impl Serialize for Augment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let table = |one: &Augmentation| {
            let mut table = toml::Table::from_iter([(SHARE.to_owned(), one.share.into())]);
            table.extend(one.parameters.clone());
            toml::Value::Table(table)
        };
        let mut map = serializer.serialize_map(None)?;
        for of_kind in self.conditions.chunk_by(|a, b| a.kind == b.kind) {
            match of_kind {
                [one] if one.parameters.is_empty() => map.serialize_entry(one.kind, &one.share)?,
                [one] => map.serialize_entry(one.kind, &table(one))?,
                several => map.serialize_entry(several[0].kind, &several.iter().map(table).collect::<Vec<_>>())?,
            }
        }
        map.end()
    }
}

/// Reads `augment`; `inherited` where it is left out.
pub(super) fn read(section: &mut Section<'_>, inherited: &Augment) -> Augment {
    let written = section.has("augment");
    let mut table = section.section("augment").about(ABOUT);
    let mut conditions = Vec::new();
    for kind in KINDS {
        match untrainable(kind) {
            None => {
                let help = "Share of the lessons it applies to that are asked under this condition of the benchmark.";
                if let Some(node) = table.take(kind.name, accepts(), None, help) {
                    conditions.extend(read_kind(&table, kind, &node));
                }
            }
            Some(reason) => {
                if let Some(at) = table.remove(kind.name) {
                    table.report(Some(&at), format!("`{}` cannot stand in a lesson", kind.name), reason);
                }
            }
        }
    }
    let sum: f64 = conditions.iter().map(|condition| condition.share).sum();
    if sum > 1.0 + ROUNDING {
        let message = format!("the shares of `augment` sum to {sum}");
        table.report(None, message, "lower them to 1 or less: a lesson stands under one condition at most");
    }
    table.finish();
    if written { Augment { conditions } } else { inherited.clone() }
}

fn read_kind(section: &Section<'_>, kind: &'static PerturbationKind, node: &Node) -> Vec<Augmentation> {
    match &node.value {
        Value::List(elements) => elements.iter().filter_map(|element| read_one(section, kind, element)).collect(),
        _ => read_one(section, kind, node).into_iter().collect(),
    }
}

/// One condition; none where its share is 0, which takes a default's condition away.
fn read_one(section: &Section<'_>, kind: &'static PerturbationKind, node: &Node) -> Option<Augmentation> {
    let mut parameters = toml::Table::new();
    let share = match &node.value {
        Value::Table(entries) => {
            for (name, entry) in entries {
                if name == FAMILIES {
                    section.report(
                        Some(&entry.key),
                        "lessons draw from the families for training alone",
                        "leave `families` out: the others are held out for the benchmark",
                    );
                } else if name != SHARE {
                    parameters.insert(name.clone(), entry.node.plain());
                }
            }
            entries.get(SHARE).map(|entry| &entry.node)
        }
        _ => Some(node),
    };
    let Some(share) = share else {
        section.report(Some(&node.at), format!("`{}` has no `share`", kind.name), "add one, as in `share = 0.1`");
        return None;
    };
    let share = match share.value {
        Value::Float(number) if (0.0..=1.0).contains(&number) => number,
        Value::Integer(number @ 0..=1) => number as f64,
        Value::Float(_) | Value::Integer(_) => {
            let message = format!("the share of `{}` is not between 0 and 1", kind.name);
            section.report(Some(&share.at), message, "write 0.1 for one lesson in ten");
            return None;
        }
        _ => {
            section.mismatch(share, kind.name, ACCEPTS);
            return None;
        }
    };
    match build(kind, parameters.clone()) {
        Ok(_) => (share > 0.0).then_some(Augmentation { kind: kind.name, share, parameters }),
        Err(error) => {
            let message = format!("`{}`: {}", kind.name, error.message().lines().collect::<Vec<_>>().join(" "));
            let help = format!("its parameters are those of a suite, as in `{} = {{ share = 0.1, … }}`", kind.name);
            section.report(Some(&node.at), message, help);
            None
        }
    }
}
