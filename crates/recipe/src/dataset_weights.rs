//! `dataset_weights = { chest-xray = 2, bccd = 0.5 }`: how often a pass visits the cases of each data set.

use std::collections::BTreeMap;

use stepwise_config::document::{Node, Value};
use stepwise_config::kind::ValueKind;
use stepwise_config::section::Section;

const KEY: &str = "dataset_weights";
const ACCEPTS: &str = "a table of data sets, each with a number, at least 0, as in `{ chest-xray = 2 }`";

/// Reads `dataset_weights`; `inherited` where it is left out, which is `otherwise` in words.
pub(super) fn read(
    section: &mut Section<'_>,
    inherited: &BTreeMap<String, f64>,
    otherwise: &str,
) -> BTreeMap<String, f64> {
    let accepts = ValueKind::Map(Box::new(ValueKind::number(&(0.0..)))).called(ACCEPTS);
    let help = "How often a pass visits each case of a data set, as `source.dataset` of cases names it; 1 for those not named.";
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
            section.report(Some(&node.at), message, "write 2 for two visits a pass, 0.5 for half of the cases");
            None
        }
    };
    entries.iter().filter_map(|(name, entry)| Some((name.clone(), weight(&entry.node)?))).collect()
}
