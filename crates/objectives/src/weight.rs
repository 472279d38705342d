//! Weights of losses: constant, or with a linear schedule.

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use stepwise_config::document::{Node, Value};
use stepwise_config::kind::{Accepts, ValueKind};
use stepwise_config::section::Section;

/// Keys of a schedule: the weights of its first and its last step.
const ENDS: [&str; 2] = ["from", "to"];

const ACCEPTS: &str = "a number, at least 0, or a linear schedule, as in `{ from = 0.0, to = 0.5 }`";

/// Factor of a loss, finite and at least 0. It changes linearly from the first to the last step of its schedule; with equal
/// ends it is constant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weight {
    from: f64,
    to: f64,
}

impl Weight {
    /// Returns a constant weight. `weight` is finite and at least 0.
    #[must_use]
    pub const fn constant(weight: f64) -> Self {
        Self { from: weight, to: weight }
    }

    /// Returns a weight that changes linearly from the first step, with `from`, to the last step, with `to`. Both are finite
    /// and at least 0.
    #[must_use]
    pub const fn linear(from: f64, to: f64) -> Self {
        Self { from, to }
    }

    /// Returns the weight after the share `progress` of the schedule: `(1 - progress) from + progress to`. `progress` is 0 at
    /// the first and 1 at the last step.
    #[must_use]
    pub fn at(self, progress: f64) -> f64 {
        if self.is_constant() { self.from } else { (1.0 - progress) * self.from + progress * self.to }
    }

    /// Returns whether the weight is the same at all steps.
    #[must_use]
    pub fn is_constant(self) -> bool {
        self.from == self.to
    }

    /// Returns whether the weight is 0 at all steps.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self == Self::constant(0.0)
    }

    /// Reads the key `key` of `section`: a number, or a table with `from` and `to`. Returns the constant `default` when the key
    /// is not written or its value is wrong, which is reported.
    pub(crate) fn read(section: &mut Section<'_>, key: &'static str, default: f64, help: &'static str) -> Self {
        let number = || ValueKind::number(&(0.0..));
        let accepts = ValueKind::Either(vec![number(), ValueKind::Map(Box::new(number()))]).called(ACCEPTS);
        let documented = Some(format!("{default:?}"));
        let written = section.take(key, accepts, documented, help).and_then(|node| read_node(section, key, &node));
        written.unwrap_or(Self::constant(default))
    }
}

/// Reads a weight; None for a wrong value, which is reported.
fn read_node(section: &Section<'_>, key: &str, node: &Node) -> Option<Weight> {
    let Value::Table(entries) = &node.value else {
        return read_number(section, key, node).map(Weight::constant);
    };
    if let Some((name, entry)) = entries.iter().find(|(name, _)| !ENDS.contains(&name.as_str())) {
        section.report(Some(&entry.key), format!("a schedule of `{key}` has no `{name}`"), format!("write {ACCEPTS}"));
        return None;
    }
    let end = |end: &str| {
        let Some(entry) = entries.get(end) else {
            section.report(
                Some(&node.at),
                format!("the schedule of `{key}` has no `{end}`"),
                format!("write {ACCEPTS}"),
            );
            return None;
        };
        read_number(section, end, &entry.node)
    };
    let [from, to] = ENDS.map(end);
    Some(Weight::linear(from?, to?))
}

/// Reads a finite number of at least 0; None for a wrong value, which is reported.
fn read_number(section: &Section<'_>, key: &str, node: &Node) -> Option<f64> {
    let number = match node.value {
        Value::Float(number) => number,
        Value::Integer(number) => number as f64,
        _ => {
            section.mismatch(node, key, &Accepts::from(ValueKind::number(&(0.0..))).words);
            return None;
        }
    };
    if number.is_finite() && number >= 0.0 {
        return Some(number);
    }
    section.report(Some(&node.at), format!("`{key}` cannot be {number}"), format!("write {ACCEPTS}"));
    None
}

impl Serialize for Weight {
    /// Writes the weight as it is read: a number, or a table with `from` and `to`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.is_constant() {
            return serializer.serialize_f64(self.from);
        }
        let [from, to] = ENDS;
        let mut table = serializer.serialize_struct("Weight", 2)?;
        table.serialize_field(from, &self.from)?;
        table.serialize_field(to, &self.to)?;
        table.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_has_its_ends_at_the_first_and_the_last_step_and_is_linear_between_them() {
        for (from, to) in [(0.0, 0.5), (1.0, 0.1), (0.3, 0.7)] {
            let weight = Weight::linear(from, to);
            assert_eq!((weight.at(0.0), weight.at(1.0)), (from, to), "exactly");
            assert!((weight.at(0.5) - 0.5 * (from + to)).abs() < 1e-15);
            assert!((weight.at(0.25) - (0.75 * from + 0.25 * to)).abs() < 1e-15);
        }
        // 0.1 (1 - p) + 0.1 p is not 0.1 for every p.
        let constant = Weight::constant(0.1);
        assert!((0..=1000).all(|step| constant.at(f64::from(step) / 1000.0) == 0.1));
    }

    #[test]
    fn a_weight_is_zero_only_if_it_is_zero_at_all_steps() {
        assert!(Weight::constant(0.0).is_zero() && Weight::linear(0.0, 0.0).is_zero());
        assert!(!Weight::linear(0.0, 0.1).is_zero() && !Weight::linear(0.1, 0.0).is_zero());
    }
}
