//! Reads `dataset_weights = { chest-xray = 2, bccd = 0.5 }`: visits per pass to the cases of each data set.

use std::collections::BTreeMap;

use stepwise_config::document::{Node, Value};
use stepwise_config::kind::ValueKind;
use stepwise_config::section::Section;

const KEY: &str = "dataset_weights";
const ACCEPTS: &str = "a table of data sets, each with a number, at least 0, as in `{ chest-xray = 2 }`";

/// Reads `dataset_weights`. Without the key, or where its value is no table, the result is `inherited`; `otherwise`
/// describes that default. Wrong weights are reported and left out.
pub(super) fn read(
    section: &mut Section<'_>,
    inherited: &BTreeMap<String, f64>,
    otherwise: &str,
) -> BTreeMap<String, f64> {
    let accepts = ValueKind::Map(Box::new(ValueKind::number(&(0.0..)))).called(ACCEPTS);
    let help = "Visits per pass to each case, by data set (`source.dataset` of the cases). Data sets that are not named have 1.";
    let Some(node) = section.take(KEY, accepts, Some(otherwise.into()), help) else { return inherited.clone() };
    let Value::Table(entries) = &node.value else {
        section.mismatch(&node, KEY, ACCEPTS);
        return inherited.clone();
    };
    let weight = |node: &Node| match node.value {
        Value::Float(weight) if weight.is_finite() && weight >= 0.0 => Some(weight),
        Value::Integer(weight @ 0..=1_000_000) => Some(weight as f64),
        _ => {
            let message = format!("a weight of `{KEY}` is not a number, at least 0");
            section.report(Some(&node.at), message, "write 2 for two visits per pass, or 0.5 for half of the cases");
            None
        }
    };
    entries.iter().filter_map(|(name, entry)| Some((name.clone(), weight(&entry.node)?))).collect()
}
