//! Reads `augment = { hint_minus = 0.2, blank = { share = 0.1, fill = "noise" } }`: the conditions of the benchmark
//! that are applied to training examples, and their shares.

use std::sync::Arc;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use stepwise_benchmark::perturb::kinds::KINDS;
use stepwise_benchmark::perturb::support::masking::ANSWERS;
use stepwise_benchmark::perturb::support::templates::{FAMILIES, Families};
use stepwise_benchmark::perturb::trainable::{teaches_to_decline, untrainable};
use stepwise_benchmark::perturb::{self, Perturbation, PerturbationKind};
use stepwise_config::document::{Node, Value};
use stepwise_config::kind::{Accepts, ValueKind};
use stepwise_config::section::Section;

/// Key of a condition's share. The other keys of the table are parameters of the condition, as in a suite.
const SHARE: &str = "share";

/// Tolerance for sums of shares above 1: decimal fractions are rounded in binary.
pub(super) const ROUNDING: f64 = 1e-9;

const ACCEPTS: &str =
    "a number from 0 to 1, a table with `share` and the condition's parameters, or a list of such tables";

/// Description of the table in the reference.
const ABOUT: &str = "Shares of training examples that are shown under a condition of the benchmark, by the kind of the condition \
    (`docs/suite.md` describes the kinds). The trained answer is the one that is right under the condition. Where the evidence is gone \
    (blank, no_image, swap_far, region_mask, random_only, ...), the right answer is to abstain; such a condition is only applied to \
    questions with an abstain option (`abstain_option` in `[data]` adds one to choices). Under swap_near the right answer is what the other \
    image shows. Inserted sentences come from the templates for training.";

fn accepts() -> Accepts {
    let table = || ValueKind::Map(Box::new(ValueKind::Other));
    let share = ValueKind::number(&(0.0..=1.0));
    ValueKind::Either(vec![share, table(), ValueKind::list(table())]).called(ACCEPTS)
}

/// Conditions applied to the training examples of a phase. At most one is applied to an example.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Augment {
    /// Conditions in the order of the benchmark's registry of kinds; empty applies none.
    pub conditions: Vec<Augmentation>,
}

/// Condition of the benchmark with the share of training examples that it is applied to.
#[derive(Clone, Debug, PartialEq)]
pub struct Augmentation {
    /// Id of the condition's kind in the benchmark's registry, such as `hint_minus`.
    pub kind: &'static str,
    /// Probability of the condition in a training example that it applies to, above 0 and at most 1.
    pub share: f64,
    /// Parameters as in a suite; parameters with default values are absent.
    pub parameters: toml::Table,
}

impl Augmentation {
    /// Builds the perturbation (of the benchmark) that changes a question under this condition, with the templates for
    /// training.
    ///
    /// # Errors
    /// When the kind or a parameter does not exist, or a value is wrong. This cannot happen for a recipe that was
    /// loaded.
    pub fn perturbation(&self) -> Result<Arc<dyn Perturbation>, toml::de::Error> {
        let kind = perturb::kinds::kind(self.kind).ok_or_else(|| serde::de::Error::custom("no such kind"))?;
        build(kind, self.parameters.clone())
    }
}

/// Builds the perturbation of a kind from its parameters as in a suite. A kind with templates gets the families of
/// templates for training, in place of a `families` parameter.
///
/// # Errors
/// When a parameter does not exist or its value is wrong.
pub fn build(kind: &PerturbationKind, mut parameters: toml::Table) -> Result<Arc<dyn Perturbation>, toml::de::Error> {
    if !kind.templates.is_empty() {
        parameters.insert(FAMILIES.into(), Families::Training.name().into());
    }
    (kind.build)(parameters)
}

impl Augment {
    /// Returns whether no condition is applied to training examples.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.conditions.is_empty()
    }

    /// Returns the first kind of condition that removes the evidence, so that the right answer is to abstain. None
    /// without one.
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

/// Reads `augment`. Without the key the result is `inherited`; an empty table applies no condition. Wrong values, kinds
/// that cannot be trained and shares with a sum above 1 are reported; wrong conditions are left out.
pub(super) fn read(section: &mut Section<'_>, inherited: &Augment) -> Augment {
    let written = section.has("augment");
    let mut table = section.section("augment").about(ABOUT);
    let mut conditions = Vec::new();
    for kind in KINDS {
        match untrainable(kind) {
            None => {
                let help = "Share of the training examples that are shown under this condition, among those that it applies to.";
                if let Some(node) = table.take(kind.name, accepts(), None, help) {
                    conditions.extend(read_kind(&table, kind, &node));
                }
            }
            Some(reason) => {
                if let Some(at) = table.remove(kind.name) {
                    table.report(Some(&at), format!("`{}` cannot be applied to training examples", kind.name), reason);
                }
            }
        }
    }
    let sum: f64 = conditions.iter().map(|condition| condition.share).sum();
    if sum > 1.0 + ROUNDING {
        let message = format!("the shares of `augment` sum to {sum}");
        table.report(None, message, "lower them to a sum of 1 or less: at most one condition is applied to an example");
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

/// Reads one condition. None when its share is 0 or it is wrong; a wrong condition is reported.
fn read_one(section: &Section<'_>, kind: &'static PerturbationKind, node: &Node) -> Option<Augmentation> {
    let mut parameters = toml::Table::new();
    let share = match &node.value {
        Value::Table(entries) => {
            for (name, entry) in entries {
                if name == FAMILIES {
                    section.report(
                        Some(&entry.key),
                        "training examples use only the template families for training",
                        "leave `families` out: the other families are held out for the benchmark",
                    );
                } else if name == ANSWERS {
                    section.report(
                        Some(&entry.key),
                        "a mask shows the answers that `answers` selects, so abstaining would be wrong",
                        "leave `answers` out: training examples have masks only where the answer is in the pixels",
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
            section.report(Some(&share.at), message, "write 0.1 for one example in ten");
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
            let help = format!(
                "use the parameters that the condition has in a suite, as in `{} = {{ share = 0.1, … }}`",
                kind.name
            );
            section.report(Some(&node.at), message, help);
            None
        }
    }
}
