//! Outcome table: outcomes by item and condition, with the cells of patients and questions by which intervals and tests
//! are clustered.

use std::collections::{BTreeMap, BTreeSet};

use crate::outcome::Outcome;
use crate::stats::{Cells, Sampling};
use crate::suite::{Condition, Suite};

/// Numbered cells of a run: the crossing of patients and questions. All outcome tables that are compared share them, so
/// that a cell means the same patient and the same question in each table.
#[derive(Clone, Debug, Default)]
pub struct Crossing<'a> {
    numbers: BTreeMap<(&'a str, &'a str), usize>,
    cells: Cells,
}

impl<'a> Crossing<'a> {
    /// Numbers the cells of `outcomes`. The patient is the `group_id`, the question its text, or the item's id where
    /// the text is unknown.
    pub fn new(outcomes: impl IntoIterator<Item = &'a Outcome>) -> Self {
        let mut numbers: BTreeMap<(&str, &str), usize> =
            outcomes.into_iter().map(|outcome| (Self::key(outcome), 0)).collect();
        numbers.values_mut().enumerate().for_each(|(number, value)| *value = number);
        let patients = dense(numbers.keys().map(|(patient, _)| *patient));
        let questions = dense(numbers.keys().map(|(_, question)| *question));
        Self { numbers, cells: Cells { patients, questions } }
    }

    fn key(outcome: &Outcome) -> (&str, &str) {
        let question = if outcome.question.is_empty() { &outcome.item_id } else { &outcome.question };
        (&outcome.group_id, question)
    }

    /// Patient and question of every cell.
    #[must_use]
    pub fn cells(&self) -> &Cells {
        &self.cells
    }
}

/// Numbers names from 0 in their alphabetical order; equal names have equal numbers.
fn dense<'a>(names: impl Iterator<Item = &'a str> + Clone) -> Vec<usize> {
    let known: BTreeSet<&str> = names.clone().collect();
    let numbers: BTreeMap<&str, usize> = known.into_iter().zip(0..).collect();
    names.map(|name| numbers[name]).collect()
}

/// Outcome table: outcomes by item and condition.
#[derive(Clone, Debug)]
pub struct OutcomeTable<'a> {
    /// Suite of the outcomes.
    pub suite: &'a Suite,
    /// Number of cells of patients and questions.
    pub cells: usize,
    /// One row per item; the rows of a case are adjacent.
    pub rows: Vec<ItemRow<'a>>,
}

/// Outcomes of one item.
#[derive(Clone, Debug)]
pub struct ItemRow<'a> {
    /// Number of the item's cell.
    pub cell: usize,
    /// Id of the case.
    pub case_id: &'a str,
    /// Id of the item within the case.
    pub item_id: &'a str,
    /// Clinical stage, 1 to 4; 0 where it is unknown.
    pub stage: u8,
    /// Id of the category in the taxonomy.
    pub category: &'a str,
    /// Probability, 0 to 1, that a random pick answers the stored question rightly.
    pub chance: f64,
    /// Number of the clean condition.
    clean: usize,
    outcomes: Vec<Option<&'a Outcome>>,
}

impl<'a> ItemRow<'a> {
    /// Returns the outcome under condition number `c`; None where the item was not evaluated under it.
    ///
    /// # Panics
    /// When the suite has no condition number `c`.
    #[must_use]
    pub fn at(&self, c: usize) -> Option<&'a Outcome> {
        self.outcomes[c]
    }

    /// Returns 1 where the item is right under condition number `c`, 0 where it is not, None where it was
    /// not evaluated.
    #[must_use]
    pub fn right(&self, c: usize) -> Option<f64> {
        self.at(c).map(|outcome| one_if(outcome.is_right()))
    }

    /// Returns the clean outcome; None where the item was not evaluated clean.
    #[must_use]
    pub fn clean(&self) -> Option<&'a Outcome> {
        self.at(self.clean)
    }

    /// Whether the right answer under condition number `c` equals the clean one, so that a change of the answer is a
    /// flip. None where the item was not evaluated under both.
    #[must_use]
    pub fn keeps_gold(&self, c: usize) -> Option<bool> {
        Some(self.at(c)?.gold == self.clean()?.gold)
    }

    /// Returns 1 where the answer under condition number `c` equals the clean answer, 0 where it does not; None where
    /// the item was not evaluated under both.
    #[must_use]
    pub fn alike(&self, c: usize) -> Option<f64> {
        Some(one_if(self.at(c)?.answers_like(self.clean()?)))
    }

    /// Returns 1 where the answer under condition number `c` is the one that the condition names, 0 where it is not;
    /// None where the condition names none or the item was not evaluated.
    #[must_use]
    pub fn follows(&self, c: usize) -> Option<f64> {
        let outcome = self.at(c)?;
        let named = outcome.named.as_ref()?;
        Some(one_if(outcome.followed || outcome.gives(named)))
    }

    /// Returns 1 where the answer under condition number `other` is the one that condition number `naming` names, 0
    /// where it is not; None where none is named or the item was not evaluated under both.
    #[must_use]
    pub fn says_named(&self, naming: usize, other: usize) -> Option<f64> {
        let named = self.at(naming)?.named.as_ref()?;
        Some(one_if(self.at(other)?.gives(named)))
    }
}

/// Returns 1 for true, 0 for false.
#[must_use]
pub fn one_if(is: bool) -> f64 {
    f64::from(u8::from(is))
}

/// Sums of `N` columns by cell, with the number of summed items.
#[derive(Clone, Debug)]
pub struct ClusterSums<const N: usize> {
    /// `columns[c][k]` is the sum of column `c` over cell `k`.
    pub columns: [Vec<f64>; N],
    /// Number of summed items (or cases).
    pub n: usize,
    /// Population that the uncertainty of the sums is about.
    pub sampling: Sampling,
}

impl<'a> OutcomeTable<'a> {
    /// Builds the table of `outcomes`. Outcomes of conditions that the suite lacks, or of cells without a number, are
    /// left out.
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
                chance: outcome.chance,
                clean,
                outcomes: vec![None; suite.conditions.len()],
            });
            if number == clean {
                // Other conditions may show a different number of options.
                row.chance = outcome.chance;
            }
            row.outcomes[number] = Some(outcome);
        }
        Self { suite, cells: crossing.cells.len(), rows: rows.into_values().collect() }
    }

    /// Returns both tables, reduced to the items and conditions on which both models were evaluated.
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

    /// Share of the items that the patient with the most items holds, 0 to 1; 0 without items.
    #[must_use]
    pub fn largest_patient(&self, cells: &Cells) -> f64 {
        let mut items = vec![0usize; cells.patient_count()];
        self.rows.iter().for_each(|row| items[cells.patients[row.cell]] += 1);
        items.into_iter().max().map_or(0.0, |most| most as f64 / self.rows.len().max(1) as f64)
    }

    /// Number of the clean condition; 0 where the suite has none.
    #[must_use]
    pub fn clean(&self) -> usize {
        self.of_kind("clean").next().map_or(0, |(number, _)| number)
    }

    /// Iterates over the conditions of one kind with their numbers.
    pub fn of_kind<'b>(&'b self, kind: &'b str) -> impl Iterator<Item = (usize, &'a Condition)> + 'b {
        self.conditions().filter(move |(_, condition)| condition.kind == kind)
    }

    /// Returns the conditions of one kind: number, condition, and whether its metrics carry no suffix. The condition
    /// without a suffix is the first whose parameters all have their defaults or, where there is none, the first of
    /// the kind.
    #[must_use]
    pub fn variants(&self, kind: &str) -> Vec<(usize, &'a Condition, bool)> {
        let all: Vec<_> = self.of_kind(kind).collect();
        let plain = all.iter().position(|(_, condition)| condition.is_plain()).unwrap_or_default();
        all.into_iter().enumerate().map(|(place, (c, condition))| (c, condition, place == plain)).collect()
    }

    /// Iterates over all conditions with their numbers.
    pub fn conditions(&self) -> impl Iterator<Item = (usize, &'a Condition)> + use<'a> {
        self.suite.conditions.iter().enumerate()
    }

    /// Returns the number and the condition of the control of `condition`; None where it has no control.
    #[must_use]
    pub fn control(&self, condition: &Condition) -> Option<(usize, &'a Condition)> {
        self.conditions().find(|(_, other)| Some(&other.id) == condition.control.as_ref())
    }

    /// Returns the number and the condition of the counterpart of `condition` among the conditions of `kind` whose control
    /// is `control`: the only one or, of several, the one with the parameters of `condition`. None where there is none.
    #[must_use]
    pub fn counterpart(&self, kind: &str, condition: &Condition, control: &str) -> Option<(usize, &'a Condition)> {
        let all = self.of_kind(kind).filter(|(_, other)| other.control.as_deref() == Some(control));
        match all.collect::<Vec<_>>()[..] {
            [only] => Some(only),
            ref several => several.iter().copied().find(|(_, other)| other.has_parameters_of(condition)),
        }
    }

    /// Sums `value` over the items for which it is defined.
    pub fn sums<const N: usize>(&self, value: impl Fn(&ItemRow<'a>) -> Option<[f64; N]>) -> ClusterSums<N> {
        let values = self.rows.iter().filter_map(|row| Some((row.cell, value(row)?)));
        ClusterSums::collect(self.cells, Sampling::PatientsAndQuestions, values)
    }

    /// Sums `value` over the cases for which it is defined; `value` receives all items of a case. A case combines
    /// several questions, so the sums are clustered by patients alone.
    pub fn case_sums<const N: usize>(&self, value: impl Fn(&[ItemRow<'a>]) -> Option<[f64; N]>) -> ClusterSums<N> {
        let values = self.cases().filter_map(|rows| Some((rows.first()?.cell, value(rows)?)));
        ClusterSums::collect(self.cells, Sampling::Patients, values)
    }

    /// Sums `value` over the items for which it is defined; `value` receives the item and all items of its case.
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

    /// Returns `base` for the condition whose metrics carry no suffix (`first`), else `base` with the id of
    /// the condition.
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
        Self { columns, n, sampling }
    }
}
