//! Outcome table: outcomes by item and condition, with the cells of patients and questions by which intervals and tests
//! are clustered.

use std::collections::{BTreeMap, BTreeSet};

use crate::outcome::Outcome;
use crate::stats::{Cells, Sampling};
use crate::suite::{Condition, Suite};

/// Numbered cells of a run, the crossing of patients and questions, and numbered sentences. All outcome tables that are
/// compared share them, so that a cell means the same patient and the same question in each table, and a number the same
/// sentence.
#[derive(Clone, Debug, Default)]
pub struct Crossing<'a> {
    numbers: BTreeMap<(&'a str, &'a str), usize>,
    cells: Cells,
    /// Id of a sentence template to its number.
    sentences: BTreeMap<&'a str, usize>,
}

impl<'a> Crossing<'a> {
    /// Numbers the cells and the sentences of `outcomes`, from 0. The patient is the `group_id`, the question its text, or the item's id
    /// where the text is empty. Equal outcomes in another order give the same numbers.
    pub fn new(outcomes: impl IntoIterator<Item = &'a Outcome>) -> Self {
        let (mut numbers, mut sentences) = (BTreeMap::new(), BTreeMap::new());
        for outcome in outcomes {
            numbers.insert(Self::key(outcome), 0);
            sentences.extend(outcome.sentence.iter().map(|sentence| (sentence.as_str(), 0)));
        }
        numbers.values_mut().enumerate().for_each(|(number, value)| *value = number);
        sentences.values_mut().enumerate().for_each(|(number, value)| *value = number);
        let patients = dense(numbers.keys().map(|(patient, _)| *patient));
        let questions = dense(numbers.keys().map(|(_, question)| *question));
        Self { numbers, cells: Cells { patients, questions }, sentences }
    }

    fn key(outcome: &Outcome) -> (&str, &str) {
        (&outcome.group_id, question_key(&outcome.question, &outcome.item_id))
    }

    /// Returns patient and question of every cell, as numbers from 0.
    #[must_use]
    pub fn cells(&self) -> &Cells {
        &self.cells
    }
}

/// Text by which items ask one question: the question, or the item's id where the question is unknown.
fn question_key<'a>(question: &'a str, item_id: &'a str) -> &'a str {
    if question.is_empty() { item_id } else { question }
}

/// Numbers names from 0 in their alphabetical order; equal names have equal numbers.
fn dense<'a>(names: impl Iterator<Item = &'a str> + Clone) -> Vec<usize> {
    let known: BTreeSet<&str> = names.clone().collect();
    let numbers: BTreeMap<&str, usize> = known.into_iter().zip(0..).collect();
    names.map(|name| numbers[name]).collect()
}

/// Outcomes of one model by item and condition, from which all metrics are computed.
#[derive(Clone, Debug)]
pub struct OutcomeTable<'a> {
    /// Suite of the outcomes.
    pub suite: &'a Suite,
    /// Number of cells of patients and questions.
    pub cells: usize,
    /// Number of sentences.
    pub sentences: usize,
    /// One row per item with an outcome, sorted by case and item id, so that the rows of a case are adjacent.
    pub rows: Vec<ItemRow<'a>>,
}

/// Outcomes of one item under all conditions of the suite.
#[derive(Clone, Debug)]
pub struct ItemRow<'a> {
    /// Number, in the [`Crossing`], of the cell of the item's patient and question.
    pub cell: usize,
    /// Id of the case.
    pub case_id: &'a str,
    /// Id of the item within the case.
    pub item_id: &'a str,
    /// Clinical stage, 1 to 4; 0 where it is unknown.
    pub stage: u8,
    /// Id of the category in the taxonomy.
    pub category: &'a str,
    /// Imaging modality of the case; empty where unknown.
    pub modality: &'a str,
    /// Data set of the case; empty where unknown.
    pub dataset: &'a str,
    /// Question of the stored item; empty where unknown.
    pub question: &'a str,
    /// Probability, 0 to 1, that a random pick answers the stored question rightly.
    pub chance: f64,
    /// Number of the clean condition.
    clean: usize,
    outcomes: Vec<Option<&'a Outcome>>,
    /// Number, in the [`Crossing`], of the sentence under each condition; None where none was drawn.
    sentences: Vec<Option<usize>>,
}

impl<'a> ItemRow<'a> {
    /// Returns the outcome under the condition with index `c` in the suite; None where the item was not evaluated under
    /// it.
    ///
    /// # Panics
    /// When the suite has no condition with this index.
    #[must_use]
    pub fn at(&self, c: usize) -> Option<&'a Outcome> {
        self.outcomes[c]
    }

    /// Returns 1 where the answer under the condition with index `c` is right, 0 where it is wrong or could not be
    /// parsed. None where the item was not evaluated under the condition.
    ///
    /// # Panics
    /// When the suite has no condition with this index.
    #[must_use]
    pub fn right(&self, c: usize) -> Option<f64> {
        self.at(c).map(|outcome| one_if(outcome.is_right()))
    }

    /// Returns the text by which items ask one question: the question, or the item's id where the question is unknown.
    #[must_use]
    pub fn question_key(&self) -> &'a str {
        question_key(self.question, self.item_id)
    }

    /// Returns the clean outcome; None where the item was not evaluated clean.
    #[must_use]
    pub fn clean(&self) -> Option<&'a Outcome> {
        self.at(self.clean)
    }

    /// Returns whether the right answer under the condition with index `c` equals the clean one, so that a change of
    /// the model's answer is a flip. None where the item was not evaluated under both.
    ///
    /// # Panics
    /// When the suite has no condition with this index.
    #[must_use]
    pub fn keeps_gold(&self, c: usize) -> Option<bool> {
        Some(self.at(c)?.gold == self.clean()?.gold)
    }

    /// Returns 1 where the answer under the condition with index `c` equals the clean answer, 0 where it does not. None
    /// where the item was not evaluated under both.
    ///
    /// # Panics
    /// When the suite has no condition with this index.
    #[must_use]
    pub fn alike(&self, c: usize) -> Option<f64> {
        Some(one_if(self.at(c)?.answers_like(self.clean()?)))
    }

    /// Returns 1 where the answer under the condition with index `c` is the one that the condition names, such as the
    /// answer in a hint; 0 where it is not. None where the condition names none or the item was not evaluated.
    ///
    /// # Panics
    /// When the suite has no condition with this index.
    #[must_use]
    pub fn follows(&self, c: usize) -> Option<f64> {
        let outcome = self.at(c)?;
        let named = outcome.named.as_ref()?;
        Some(one_if(outcome.followed || outcome.gives(named)))
    }

    /// Returns 1 where the answer under the condition with index `other` is the one that the condition with index
    /// `naming` names, 0 where it is not. It gives how often the answer occurs without being named. None where none is
    /// named or the item was not evaluated under both.
    ///
    /// # Panics
    /// When the suite has no condition with one of these indices.
    #[must_use]
    pub fn says_named(&self, naming: usize, other: usize) -> Option<f64> {
        let named = self.at(naming)?.named.as_ref()?;
        Some(one_if(self.at(other)?.gives(named)))
    }
}

/// Returns 1 where `is` is true, 0 where it is false, so that shares can be computed as means.
#[must_use]
pub fn one_if(is: bool) -> f64 {
    f64::from(u8::from(is))
}

/// Sums of `N` columns in each cell of a patient and a question, with the number of summed items.
#[derive(Clone, Debug)]
pub struct ClusterSums<const N: usize> {
    /// `columns[c][k]` is the sum of column `c` over cell `k`.
    pub columns: [Vec<f64>; N],
    /// `by_sentence[c][s]` is the sum of column `c` over the items with sentence `s`; empty where no sentences are drawn.
    pub by_sentence: Vec<Vec<f64>>,
    /// Number of summed items (or cases).
    pub n: usize,
    /// Population that the uncertainty of the sums is about.
    pub sampling: Sampling,
}

impl<'a> OutcomeTable<'a> {
    /// Builds the table of `outcomes`, one row per case id and item id. Outcomes of conditions that the suite lacks, or
    /// of cells that `crossing` does not number, are left out. Of several outcomes of one item under one condition, the
    /// last counts. Stage, category, modality, data set and question come from the first outcome of an item; the chance comes from its clean outcome,
    /// or from the first one where it has no clean outcome.
    pub fn new(suite: &'a Suite, crossing: &Crossing<'_>, outcomes: impl IntoIterator<Item = &'a Outcome>) -> Self {
        let clean = suite.conditions.iter().position(|condition| condition.kind == "clean").unwrap_or_default();
        let mut rows: BTreeMap<(&str, &str), ItemRow<'a>> = BTreeMap::new();
        for outcome in outcomes {
            let number = suite.conditions.iter().position(|condition| condition.id == outcome.condition);
            let (Some(number), Some(&cell)) = (number, crossing.numbers.get(&Crossing::key(outcome))) else {
                continue;
            };
            let row = rows.entry((&outcome.case_id, &outcome.item_id)).or_insert_with(|| ItemRow {
                cell,
                case_id: &outcome.case_id,
                item_id: &outcome.item_id,
                stage: outcome.stage,
                category: &outcome.category,
                modality: &outcome.modality,
                dataset: &outcome.dataset,
                question: &outcome.question,
                chance: outcome.chance,
                clean,
                outcomes: vec![None; suite.conditions.len()],
                sentences: vec![None; suite.conditions.len()],
            });
            if number == clean {
                // Other conditions may show a different number of options.
                row.chance = outcome.chance;
            }
            row.outcomes[number] = Some(outcome);
            let sentence = outcome.sentence.as_deref();
            row.sentences[number] = sentence.and_then(|sentence| crossing.sentences.get(sentence).copied());
        }
        let sentences = crossing.sentences.len();
        Self { suite, cells: crossing.cells.len(), sentences, rows: rows.into_values().collect() }
    }

    /// Returns both tables, reduced to the items in both and, per item, to the conditions under which both models were
    /// evaluated. Rows of equal index then belong to the same item. Both tables must be of the same suite and the same
    /// [`Crossing`]; this is not checked.
    #[must_use]
    pub fn common(&self, other: &Self) -> (Self, Self) {
        let theirs: BTreeMap<(&str, &str), &ItemRow<'a>> =
            other.rows.iter().map(|row| ((row.case_id, row.item_id), row)).collect();
        let (mut mine, mut their) = (Vec::new(), Vec::new());
        for row in &self.rows {
            let Some(other) = theirs.get(&(row.case_id, row.item_id)) else {
                continue;
            };
            let (mut left, mut right) = (row.clone(), (*other).clone());
            for (a, b) in left.outcomes.iter_mut().zip(&mut right.outcomes) {
                if a.is_none() || b.is_none() {
                    (*a, *b) = (None, None);
                }
            }
            mine.push(left);
            their.push(right);
        }
        (Self { rows: mine, ..*self }, Self { rows: their, ..*other })
    }

    /// Computes the share of the items that the patient with the most items holds, 0 to 1; 0 without items. `cells`
    /// gives the patient of each cell.
    ///
    /// # Panics
    /// When `cells` lacks a cell of the table; the cells of the table's own [`Crossing`] hold all.
    #[must_use]
    pub fn largest_patient(&self, cells: &Cells) -> f64 {
        let mut items = vec![0usize; cells.patient_count()];
        self.rows.iter().for_each(|row| items[cells.patients[row.cell]] += 1);
        items.into_iter().max().map_or(0.0, |most| most as f64 / self.rows.len().max(1) as f64)
    }

    /// Returns the index in the suite of the clean condition; 0 where the suite has none.
    #[must_use]
    pub fn clean(&self) -> usize {
        self.of_kind("clean").next().map_or(0, |(number, _)| number)
    }

    /// Iterates over the conditions of the kind with this name that are not combined with other images, each with its
    /// index in the suite; none for an unknown name.
    pub fn of_kind<'b>(&'b self, kind: &'b str) -> impl Iterator<Item = (usize, &'a Condition)> + 'b {
        self.conditions().filter(move |(_, condition)| condition.kind == kind && condition.on.is_none())
    }

    /// Returns the conditions of the kind with this name: index in the suite, condition, and whether the ids of its
    /// metrics carry no suffix. That is the first condition whose parameters all have their defaults or, where there is
    /// none, the first of the kind. Empty where the suite has no such condition.
    #[must_use]
    pub fn variants(&self, kind: &str) -> Vec<(usize, &'a Condition, bool)> {
        let all: Vec<_> = self.of_kind(kind).collect();
        let plain = all.iter().position(|(_, condition)| condition.is_plain()).unwrap_or_default();
        all.into_iter().enumerate().map(|(place, (c, condition))| (c, condition, place == plain)).collect()
    }

    /// Iterates over all conditions of the suite, each with its index in the suite.
    pub fn conditions(&self) -> impl Iterator<Item = (usize, &'a Condition)> + use<'a> {
        self.suite.conditions.iter().enumerate()
    }

    /// Returns the control of `condition`, the condition that it is compared with, and its index in the suite. None
    /// where `condition` has no control.
    #[must_use]
    pub fn control(&self, condition: &Condition) -> Option<(usize, &'a Condition)> {
        self.conditions().find(|(_, other)| Some(&other.id) == condition.control.as_ref())
    }

    /// Returns the counterpart of `condition`, with its index in the suite, among the conditions of `kind` whose
    /// control has the id `control`. It is the only one or, of several, the first with the parameters of `condition`.
    /// None where there is none.
    #[must_use]
    pub fn counterpart(&self, kind: &str, condition: &Condition, control: &str) -> Option<(usize, &'a Condition)> {
        let all = self.of_kind(kind).filter(|(_, other)| other.control.as_deref() == Some(control));
        match all.collect::<Vec<_>>()[..] {
            [only] => Some(only),
            ref several => several.iter().copied().find(|(_, other)| other.has_parameters_of(condition)),
        }
    }

    /// Adds up, in each cell, the `N` numbers that `value` returns per item; a cell is a patient and a question. An
    /// item for which `value` returns None is left out of the sums and of their count. Intervals and tests of the sums
    /// are clustered by patients and by questions.
    pub fn sums<const N: usize>(&self, value: impl Fn(&ItemRow<'a>) -> Option<[f64; N]>) -> ClusterSums<N> {
        let values = self.rows.iter().filter_map(|row| Some((row.cell, value(row)?)));
        ClusterSums::collect(self.cells, Sampling::PatientsAndQuestions, values)
    }

    /// Adds up like [`sums`](Self::sums) and, where the condition with the index `c` draws sentences, in each sentence
    /// as well. Intervals and tests of the sums are then clustered by sentences, too.
    ///
    /// # Panics
    /// When the suite has no condition with this index.
    pub fn sums_under<const N: usize>(
        &self,
        c: usize,
        value: impl Fn(&ItemRow<'a>) -> Option<[f64; N]>,
    ) -> ClusterSums<N> {
        let mut by_sentence = vec![vec![0.0; self.sentences]; N];
        let mut is_drawn = false;
        for (sentence, values) in self.rows.iter().filter_map(|row| Some((row.sentences[c]?, value(row)?))) {
            is_drawn = true;
            by_sentence.iter_mut().zip(values).for_each(|(column, value)| column[sentence] += value);
        }
        by_sentence.truncate(if is_drawn { N } else { 0 });
        ClusterSums { by_sentence, ..self.sums(value) }
    }

    /// Adds up, in each cell, the `N` numbers that `value` returns per case; `value` receives all items of the case. A
    /// case enters the cell (patient and question) of its first item. A case for which `value` returns None is left out
    /// of the sums and of their count. A case combines several questions, so intervals and tests are clustered by
    /// patients alone.
    pub fn case_sums<const N: usize>(&self, value: impl Fn(&[ItemRow<'a>]) -> Option<[f64; N]>) -> ClusterSums<N> {
        let values = self.cases().filter_map(|rows| Some((rows.first()?.cell, value(rows)?)));
        ClusterSums::collect(self.cells, Sampling::Patients, values)
    }

    /// Adds up, in each cell, the `N` numbers that `value` returns per item; a cell is a patient and a question.
    /// `value` receives the item and all items of its case. An item for which `value` returns None is left out of the
    /// sums and of their count. Intervals and tests of the sums are clustered by patients and by questions.
    pub fn sums_within<const N: usize>(
        &self,
        value: impl Fn(&ItemRow<'a>, &[ItemRow<'a>]) -> Option<[f64; N]>,
    ) -> ClusterSums<N> {
        let items = self.cases().flat_map(|rows| rows.iter().map(move |row| (row, rows)));
        let values = items.filter_map(|(row, rows)| Some((row.cell, value(row, rows)?)));
        ClusterSums::collect(self.cells, Sampling::PatientsAndQuestions, values)
    }

    fn cases(&self) -> impl Iterator<Item = &[ItemRow<'a>]> {
        self.rows.chunk_by(|a, b| a.case_id == b.case_id)
    }

    /// Returns the id of a metric of `condition`: `base` where `first` is true, which is for the condition whose
    /// metrics carry no suffix (see [`variants`](Self::variants)), else `base:ID` with the id of the condition.
    #[must_use]
    pub fn name(base: &str, condition: &Condition, first: bool) -> String {
        if first { base.to_owned() } else { format!("{base}:{}", condition.id) }
    }
}

impl<const N: usize> ClusterSums<N> {
    fn collect(cells: usize, sampling: Sampling, values: impl Iterator<Item = (usize, [f64; N])>) -> Self {
        let mut columns: [Vec<f64>; N] = std::array::from_fn(|_| vec![0.0; cells]);
        let mut n = 0;
        for (cell, value) in values {
            n += 1;
            for (column, value) in columns.iter_mut().zip(value) {
                column[cell] += value;
            }
        }
        Self { columns, by_sentence: Vec::new(), n, sampling }
    }
}
