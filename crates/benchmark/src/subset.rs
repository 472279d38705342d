//! Which items a suite or one of its conditions is about.

use serde::Deserialize;
use stepwise_data::case::{Case, Item};

/// The reason under which items outside of it are counted.
pub const OUTSIDE: &str = "outside the subset that the suite asks";

/// Items by what they are asked about; a list that is left out holds everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subset {
    /// Clinical stages, 1 to 4.
    pub stages: Option<Vec<u8>>,
    /// Categories, as the items have them.
    pub categories: Option<Vec<String>>,
    /// Modalities, as the cases have them.
    pub modalities: Option<Vec<String>>,
}

impl Subset {
    /// Whether `item` of `case` belongs to it.
    #[must_use]
    pub fn holds(&self, case: &Case, item: &Item) -> bool {
        let among = |list: &Option<Vec<String>>, value: &str| {
            list.as_ref().is_none_or(|list| list.iter().any(|one| one == value))
        };
        self.stages.as_ref().is_none_or(|stages| stages.contains(&item.stage))
            && among(&self.categories, &item.category)
            && among(&self.modalities, &case.modality)
    }

    /// What is wrong with it, and what to do.
    pub(crate) fn problem(&self) -> Option<String> {
        let empty = [
            ("stages", self.stages.as_ref().is_some_and(Vec::is_empty)),
            ("categories", self.categories.as_ref().is_some_and(Vec::is_empty)),
            ("modalities", self.modalities.as_ref().is_some_and(Vec::is_empty)),
        ];
        if let Some((key, _)) = empty.into_iter().find(|(_, empty)| *empty) {
            return Some(format!("subset.{key}: is empty -> name what is asked, or leave it out to ask everything"));
        }
        let wrong = self.stages.iter().flatten().find(|stage| !(1..=4).contains(*stage))?;
        Some(format!("subset.stages: {wrong} -> the stages are 1 to 4"))
    }
}
