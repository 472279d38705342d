//! Metrics of subgroups: the items of one category, one imaging modality or one data set.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::image_score;
use super::metric::{Better, Metric};
use super::outcome_table::{ClusterSums, ItemRow, OutcomeTable};
use crate::outcome::Outcome;

/// Feature of an item by which subgroups are formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Feature {
    /// Category in the taxonomy.
    Category,
    /// Imaging modality of the case.
    Modality,
    /// Data set of the case.
    Dataset,
}

impl Feature {
    /// All features, in the order of the metrics.
    pub const ALL: [Self; 3] = [Self::Category, Self::Modality, Self::Dataset];

    /// Returns the name of the feature in ids of metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Category => "category",
            Self::Modality => "modality",
            Self::Dataset => "dataset",
        }
    }
}

/// A subgroup: the items with one value of one feature.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Subgroup {
    /// Feature that the items share.
    pub by: Feature,
    /// Value of the feature, such as the category `10`; never empty.
    pub value: String,
}

impl Subgroup {
    /// Returns the subgroups of the items in `outcomes` and those that the metric ids `named` end in, in the order of
    /// feature and value. Unknown values, which are empty, form no subgroup.
    #[must_use]
    pub fn all<'a>(outcomes: impl IntoIterator<Item = &'a Outcome>, named: &[String]) -> Vec<Self> {
        let mut found: BTreeSet<(Feature, &str)> = BTreeSet::new();
        for outcome in outcomes {
            found.insert((Feature::Category, &outcome.category));
            found.insert((Feature::Modality, &outcome.modality));
            found.insert((Feature::Dataset, &outcome.dataset));
        }
        let of_outcomes = found.into_iter().filter(|(_, value)| !value.is_empty());
        let of_outcomes = of_outcomes.map(|(by, value)| Self { by, value: value.to_owned() });
        let of_ids = named.iter().filter_map(|id| Some(Self::of_id(id)?.1));
        of_outcomes.chain(of_ids).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Splits the id of a subgroup's metric, such as `image_score:category_10`, into the id over all items and the
    /// subgroup. None where the id does not end in a subgroup.
    #[must_use]
    pub fn of_id(id: &str) -> Option<(&str, Self)> {
        let (all, value, by) = Feature::ALL.into_iter().find_map(|by| {
            let (all, value) = id.split_once(&format!(":{}_", by.name()))?;
            Some((all, value, by))
        })?;
        (!value.is_empty()).then(|| (all, Self { by, value: value.to_owned() }))
    }

    /// Returns the id of a metric of the subgroup; `all` is the id of the metric over all items.
    #[must_use]
    pub fn id(&self, all: &str) -> String {
        format!("{all}:{}_{}", self.by.name(), self.value)
    }

    fn holds(&self, row: &ItemRow<'_>) -> bool {
        let value = match self.by {
            Feature::Category => row.category,
            Feature::Modality => row.modality,
            Feature::Dataset => row.dataset,
        };
        value == self.value
    }
}

/// Value of one item; None leaves the item out.
type ItemValue = Box<dyn Fn(&ItemRow<'_>) -> Option<f64>>;

/// A metric that is also computed within subgroups.
struct Divided {
    id: String,
    label: &'static str,
    better: Better,
    of_item: ItemValue,
}

/// Returns three metrics of each of `subgroups`; `FEATURE` is `category`, `modality` or `dataset`, and `VALUE` the
/// category, modality or data set:
///
/// - `accuracy:CLEAN:FEATURE_VALUE`: clean accuracy, where `CLEAN` is the id of the clean condition;
/// - `image_score:FEATURE_VALUE` and `image_score_control:FEATURE_VALUE`: the paired image score and its control (see
///   [`image_score`]).
///
/// The ids depend on the suite and on `subgroups`. A metric without items in the subgroup is not defined.
#[must_use]
pub fn metrics(table: &OutcomeTable<'_>, subgroups: &[Subgroup]) -> Vec<Metric> {
    let divided = divided(table);
    let of_subgroup = |subgroup: &Subgroup| -> Vec<Metric> {
        let metric = |metric: &Divided| {
            let label = format!("{}, {} {}", metric.label, subgroup.by.name(), subgroup.value);
            Metric::mean(subgroup.id(&metric.id), label, metric.better, within(table, subgroup, &metric.of_item))
        };
        divided.iter().map(metric).collect()
    };
    subgroups.iter().flat_map(of_subgroup).collect()
}

/// Returns the ids over all items of the metrics that [`metrics`] computes within subgroups.
#[must_use]
pub fn divided_ids(table: &OutcomeTable<'_>) -> Vec<String> {
    divided(table).into_iter().map(|metric| metric.id).collect()
}

fn divided(table: &OutcomeTable<'_>) -> Vec<Divided> {
    let clean = table.clean();
    let mut divided: Vec<Divided> = Vec::new();
    if let Some((_, condition)) = table.conditions().nth(clean) {
        divided.push(Divided {
            id: format!("accuracy:{}", condition.id),
            label: "accuracy on unchanged questions",
            better: Better::Higher,
            of_item: Box::new(move |row| row.right(clean)),
        });
    }
    for (c, condition, first) in table.variants("swap_near") {
        divided.push(Divided {
            id: OutcomeTable::name("image_score", condition, first),
            label: "paired image score",
            better: Better::Higher,
            of_item: Box::new(move |row| image_score::score(row, c)),
        });
    }
    for (c, condition, first) in table.variants("swap_same") {
        divided.push(Divided {
            id: OutcomeTable::name("image_score_control", condition, first),
            label: "control of the paired image score",
            better: Better::Neither,
            of_item: Box::new(move |row| image_score::score(row, c)),
        });
    }
    divided
}

fn within(
    table: &OutcomeTable<'_>,
    subgroup: &Subgroup,
    of_item: impl Fn(&ItemRow<'_>) -> Option<f64>,
) -> ClusterSums<2> {
    table.sums(|row| if subgroup.holds(row) { Some([of_item(row)?, 1.0]) } else { None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_name_their_subgroup() {
        let subgroup = |by, value: &str| Subgroup { by, value: value.to_owned() };
        for (id, all, of) in [
            ("image_score:category_10", "image_score", subgroup(Feature::Category, "10")),
            ("accuracy:clean:dataset_my set_2", "accuracy:clean", subgroup(Feature::Dataset, "my set_2")),
            ("image_score_control:modality_x-ray", "image_score_control", subgroup(Feature::Modality, "x-ray")),
        ] {
            assert_eq!(Subgroup::of_id(id), Some((all, of.clone())));
            assert_eq!(of.id(all), id);
        }
        for id in ["image_score", "image_score:stage_2", "image_score:category_", "image_score:organ_lung"] {
            assert_eq!(Subgroup::of_id(id), None, "{id}");
        }
    }

    #[test]
    fn named_subgroups_are_listed_without_items() {
        let named = ["chain_accuracy".to_owned(), "image_score:category_10".to_owned()];
        let only = Subgroup { by: Feature::Category, value: "10".to_owned() };
        assert_eq!(Subgroup::all([], &named), [only]);
    }
}
