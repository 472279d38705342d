//! Accuracy of the readers, with intervals.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::stats::{Cells, Sampling, Statistic, infer};
use crate::summary::Estimate;

/// An item with the verdicts of the three readers.
pub struct JudgedItem {
    /// Number of the patient, from 0.
    pub patient: usize,
    /// Number of the question, from 0.
    pub question: usize,
    /// Whether the commonest answer is right.
    pub majority: bool,
    /// Whether the reader of the thumbnail is right.
    pub thumbnail: bool,
    /// Whether the reader of the image features is right.
    pub features: bool,
}

/// Accuracy of the three readers on the same items.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Accuracies {
    /// Commonest right answer of the question.
    pub majority: Estimate,
    /// Linear reader of the thumbnail.
    pub thumbnail: Estimate,
    /// Linear reader of the image features.
    pub features: Estimate,
    /// Image features less commonest answer: what the encoder shows of the answer.
    pub features_less_majority: Estimate,
    /// Image features less thumbnail: what the encoder shows beyond brightness and coarse shape.
    pub features_less_thumbnail: Estimate,
}

impl Accuracies {
    /// Computes the accuracies over `items`, with uncertainty over the population `sampling`. All are undefined without
    /// items.
    pub fn new<'a>(items: impl IntoIterator<Item = &'a JudgedItem>, sampling: Sampling) -> Self {
        let sums = CellSums::new(items);
        let difference = |of: Reader, less: Reader| {
            let statistic = sums.accuracy(of, sampling).less(sums.accuracy(less, sampling));
            Estimate::of_difference(infer(&statistic, &sums.cells), sums.items)
        };
        let accuracy = |of| Estimate::of_value(infer(&sums.accuracy(of, sampling), &sums.cells), sums.items);
        Self {
            majority: accuracy(|item| item.majority),
            thumbnail: accuracy(|item| item.thumbnail),
            features: accuracy(|item| item.features),
            features_less_majority: difference(|item| item.features, |item| item.majority),
            features_less_thumbnail: difference(|item| item.features, |item| item.thumbnail),
        }
    }
}

/// Verdict of one reader.
type Reader = fn(&JudgedItem) -> bool;

/// Items by cell of patient and question.
struct CellSums<'a> {
    cells: Cells,
    /// Items of each cell.
    of_cell: Vec<Vec<&'a JudgedItem>>,
    /// Number of items.
    items: usize,
}

impl<'a> CellSums<'a> {
    fn new(items: impl IntoIterator<Item = &'a JudgedItem>) -> Self {
        let mut by_cell: BTreeMap<(usize, usize), Vec<&JudgedItem>> = BTreeMap::new();
        for item in items {
            by_cell.entry((item.patient, item.question)).or_default().push(item);
        }
        let (patients, questions) = by_cell.keys().copied().unzip();
        let of_cell: Vec<_> = by_cell.into_values().collect();
        Self { cells: Cells { patients, questions }, items: of_cell.iter().map(Vec::len).sum(), of_cell }
    }

    fn accuracy(&self, reader: Reader, sampling: Sampling) -> Statistic {
        let right = |cell: &Vec<&JudgedItem>| cell.iter().filter(|item| reader(item)).count() as f64;
        let columns =
            vec![self.of_cell.iter().map(right).collect(), self.of_cell.iter().map(|cell| cell.len() as f64).collect()];
        Statistic::new(columns, |sums| (sums[1] > 0.0).then(|| sums[0] / sums[1])).within(0.0, 1.0).sampled(sampling)
    }
}
