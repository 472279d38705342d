//! Statistics that are functions of sums over cells of patients and questions.

use std::sync::Arc;

/// Function from the sums of a statistic's columns to its value; None where the value is not defined, such as a share
/// of zero items.
pub type Formula = Arc<dyn Fn(&[f64]) -> Option<f64> + Send + Sync>;

/// Population that the uncertainty of a statistic is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sampling {
    /// New patients and new questions and, where sentences are drawn, new sentences.
    #[default]
    PatientsAndQuestions,
    /// New patients with the same questions: for statistics of whole chains, which combine several questions.
    Patients,
    /// No variance formula holds, as for a median: there is no interval and no test.
    Unknown,
}

/// A statistic that is a function of sums over cells; a cell is the items of one patient that ask one question.
#[derive(Clone)]
pub struct Statistic {
    /// `columns[c][k]` is the sum of column `c` over the items of cell `k`.
    pub columns: Vec<Vec<f64>>,
    /// `by_sentence[c][s]` is the sum of column `c` over the items that were asked with sentence `s`, as long as
    /// `columns`. Empty where no sentences are drawn, so that no uncertainty comes from them.
    pub by_sentence: Vec<Vec<f64>>,
    /// Formula applied to the sums of all columns over all cells.
    pub formula: Formula,
    /// Population that the uncertainty is about.
    pub sampling: Sampling,
    /// Least and largest value that the statistic can take; None where it is not bounded.
    pub range: Option<[f64; 2]>,
}

impl Statistic {
    /// Creates a statistic without known range, sampled over patients and questions. `columns` holds, for each column,
    /// its sum in every cell; `formula` computes the value from the sums of the columns over all cells.
    pub fn new(columns: Vec<Vec<f64>>, formula: impl Fn(&[f64]) -> Option<f64> + Send + Sync + 'static) -> Self {
        Self {
            columns,
            by_sentence: Vec::new(),
            formula: Arc::new(formula),
            sampling: Sampling::default(),
            range: None,
        }
    }

    /// Returns the statistic over drawn sentences, with the sums of [`by_sentence`](Self::by_sentence).
    #[must_use]
    pub fn over_sentences(self, by_sentence: Vec<Vec<f64>>) -> Self {
        Self { by_sentence, ..self }
    }

    /// Returns the statistic with `low` and `high` as the least and the largest value that it can take. Intervals are
    /// cut to them.
    #[must_use]
    pub fn within(self, low: f64, high: f64) -> Self {
        Self { range: Some([low, high]), ..self }
    }

    /// Returns the statistic with `sampling` as the population that its uncertainty is about.
    #[must_use]
    pub fn sampled(self, sampling: Sampling) -> Self {
        Self { sampling, ..self }
    }

    /// Returns the value over all cells; None where it is not defined or not finite.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        self.at(&self.totals())
    }

    /// Returns the value at `sums`, one sum per column; None where it is not defined or not finite.
    pub(super) fn at(&self, sums: &[f64]) -> Option<f64> {
        (self.formula)(sums).filter(|value| value.is_finite())
    }

    /// Returns the sum of each column over all cells.
    pub(super) fn totals(&self) -> Vec<f64> {
        self.columns.iter().map(|column| column.iter().sum()).collect()
    }

    /// Returns `self` less `other`. Both must be over the same cells and sentences; one statistic holds the columns of both, so its
    /// uncertainty is the uncertainty of the paired difference. Its range is None where one of the two ranges is; its
    /// sampling is that of `self`.
    #[must_use]
    pub fn less(self, other: Self) -> Self {
        let middle = self.columns.len();
        let (first, second) = (self.formula, other.formula);
        let range = self.range.zip(other.range).map(|(own, other)| [own[0] - other[1], own[1] - other[0]]);
        Self {
            columns: self.columns.into_iter().chain(other.columns).collect(),
            by_sentence: self.by_sentence.into_iter().chain(other.by_sentence).collect(),
            formula: Arc::new(move |t| Some(first(&t[..middle])? - second(&t[middle..])?)),
            sampling: self.sampling,
            range,
        }
    }

    /// Returns the mean of statistics over the same cells and sentences, such as one metric in several seeds. Its value is not
    /// defined where one of theirs is not; range and sampling are those of the first. None without statistics.
    #[must_use]
    pub fn mean(statistics: &[&Self]) -> Option<Self> {
        let first = statistics.first()?;
        let parts: Vec<(usize, Formula)> =
            statistics.iter().map(|part| (part.columns.len(), Arc::clone(&part.formula))).collect();
        let formula = move |mut sums: &[f64]| {
            let mut total = 0.0;
            for (width, formula) in &parts {
                let (own, rest) = sums.split_at(*width);
                total += formula(own)?;
                sums = rest;
            }
            Some(total / parts.len() as f64)
        };
        let columns = statistics.iter().flat_map(|part| part.columns.iter().cloned()).collect();
        let by_sentence = statistics.iter().flat_map(|part| part.by_sentence.iter().cloned()).collect();
        Some(Self { columns, by_sentence, formula: Arc::new(formula), sampling: first.sampling, range: first.range })
    }
}
