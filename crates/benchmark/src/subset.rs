//! Filter of the items that a suite or a condition asks.

use serde::Deserialize;
use stepwise_data::case::{Case, Item};

/// Reason, in [`Plan::skipped`](crate::plan::Plan::skipped), for items left out because they lie outside the subset of
/// the suite or of the condition.
pub const OUTSIDE: &str = "outside the subset that the suite asks";

/// Filter by stage, category and modality. An item must match every list; a list of `None` matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subset {
    /// Clinical stages, 1 to 4; None matches all stages.
    pub stages: Option<Vec<u8>>,
    /// Categories, spelled as in the items; None matches all categories.
    pub categories: Option<Vec<String>>,
    /// Modalities, spelled as in the cases; None matches all modalities.
    pub modalities: Option<Vec<String>>,
}

impl Subset {
    /// Returns whether `item` of `case` matches all three lists of the filter; a list of None matches everything.
    #[must_use]
    pub fn holds(&self, case: &Case, item: &Item) -> bool {
        let among = |list: &Option<Vec<String>>, value: &str| {
            list.as_ref().is_none_or(|list| list.iter().any(|one| one == value))
        };
        self.stages.as_ref().is_none_or(|stages| stages.contains(&item.stage))
            && among(&self.categories, &item.category)
            && among(&self.modalities, &case.modality)
    }

    /// Returns a message with advice about an invalid filter, an empty list or a stage outside 1 to 4; `None` when the
    /// filter is valid.
    pub(crate) fn problem(&self) -> Option<String> {
        let empty = [
            ("stages", self.stages.as_ref().is_some_and(Vec::is_empty)),
            ("categories", self.categories.as_ref().is_some_and(Vec::is_empty)),
            ("modalities", self.modalities.as_ref().is_some_and(Vec::is_empty)),
        ];
        if let Some((key, _)) = empty.into_iter().find(|(_, empty)| *empty) {
            return Some(format!("subset.{key}: is empty -> list at least one value, or leave the key out"));
        }
        let wrong = self.stages.iter().flatten().find(|stage| !(1..=4).contains(*stage))?;
        Some(format!("subset.stages: is {wrong} -> write stages from 1 to 4"))
    }
}
