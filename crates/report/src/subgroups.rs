//! Clean accuracy and paired image score by category, modality and data set.

use std::collections::BTreeMap;

use stepwise_benchmark::metrics::{Better, Feature, Subgroup};
use stepwise_benchmark::summary::Summary;
use stepwise_data::taxonomy::Taxonomy;

use super::ReportInput;
use super::section::ReportSection;
use super::table::{Cell, ReportTable};

/// Renders the section `subgroups` about the epoch that the report is about: a table of clean accuracy and paired image
/// score by category, modality and data set. A feature with one value is left out, because its metrics are those of all
/// items; `None` where all features are.
pub fn section(input: &ReportInput<'_>) -> Option<ReportSection> {
    let last = input.model();
    let clean = last.conditions.iter().find(|condition| condition.kind == "clean")?;
    let accuracy = format!("accuracy:{}", clean.id);
    let taxonomy = Taxonomy::default();
    let rows: Vec<_> = subgroups(last, &accuracy)
        .into_iter()
        .map(|subgroup| {
            let [accuracy, score] = [&accuracy, "image_score"].map(|all| subgroup.id(all));
            [
                Cell::text(subgroup.by.name()),
                Cell::text(name(&taxonomy, &subgroup)),
                Cell::Share(input.base.estimate(&accuracy)),
                Cell::Share(last.estimate(&accuracy)),
                Cell::Gain(last.gain(&accuracy), Better::Higher),
                Cell::Share(input.base.estimate(&score)),
                Cell::Share(last.estimate(&score)),
                Cell::Gain(last.gain(&score), Better::Higher),
            ]
        })
        .collect();
    if rows.is_empty() {
        return None;
    }
    let columns = [
        ("feature", "by"),
        ("value", "value"),
        ("accuracy_base", "clean accuracy, base"),
        ("accuracy_now", "model"),
        ("accuracy_gain", "gain, percentage points"),
        ("image_score_base", "image score, base"),
        ("image_score_now", "model"),
        ("image_score_gain", "gain, percentage points"),
    ];
    Some(ReportSection {
        id: "subgroups",
        title: "By category, modality and data set",
        intro: "Clean accuracy, and the paired image score: how often the right answer is likelier with the own image than with \
                the image of another patient for whom it is wrong; 50 % is a model that does not use the image. The p-values \
                of these gains are not adjusted to each other."
            .into(),
        body: String::new(),
        tables: vec![ReportTable::new("subgroups", "clean accuracy and image score by subgroup", columns, rows).open()],
        half: false,
    })
}

/// Subgroups of the features that have two or more values with items.
fn subgroups(summary: &Summary, accuracy: &str) -> Vec<Subgroup> {
    let mut by_feature: BTreeMap<Feature, Vec<Subgroup>> = BTreeMap::new();
    for (id, _) in summary.metrics.iter().filter(|(_, metric)| metric.estimate.n > 0) {
        if let Some((_, subgroup)) = Subgroup::of_id(id).filter(|(all, _)| *all == accuracy) {
            by_feature.entry(subgroup.by).or_default().push(subgroup);
        }
    }
    by_feature.into_values().filter(|values| values.len() > 1).flatten().collect()
}

/// Value of the feature; a category with its name, where the built-in taxonomy has it.
fn name(taxonomy: &Taxonomy, subgroup: &Subgroup) -> String {
    let category = taxonomy.category(&subgroup.value).filter(|_| subgroup.by == Feature::Category);
    category.map_or_else(|| subgroup.value.clone(), |category| format!("{} {}", category.id, category.name))
}
