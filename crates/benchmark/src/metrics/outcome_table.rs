//! Outcome table: outcomes by item and condition, with the groups by which intervals and tests are clustered.

use std::collections::BTreeMap;

use crate::outcome::Outcome;
use crate::suite::{Condition, Suite};

/// Numbered groups of a run. All outcome tables that are compared share them, so that one bootstrap draw means the same
/// groups in each table.
#[derive(Clone, Debug, Default)]
pub struct Clusters<'a> {
    numbers: BTreeMap<&'a str, usize>,
    by: By,
}

/// Criterion by which items form a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum By {
    /// Same patient: the `group_id` of the case.
    #[default]
    Subject,
    /// Same question text in the case.
    Question,
}

impl By {
    fn name(self, outcome: &Outcome) -> &str {
        match self {
            Self::Subject => &outcome.group_id,
            Self::Question => &outcome.question,
        }
    }
}

impl<'a> Clusters<'a> {
    /// Numbers the groups (`group_id`) of `outcomes` in the order of their names.
    pub fn new(outcomes: impl IntoIterator<Item = &'a Outcome>) -> Self {
        Self::by(By::Subject, outcomes)
    }

    /// Numbers the questions of `outcomes`: items with the same question text are one group, also across cases. None
    /// where an outcome has no question text.
    pub fn of_questions(outcomes: impl IntoIterator<Item = &'a Outcome>) -> Option<Self> {
        let questions = Self::by(By::Question, outcomes);
        (!questions.numbers.contains_key("")).then_some(questions)
    }

    fn by(by: By, outcomes: impl IntoIterator<Item = &'a Outcome>) -> Self {
        let mut numbers: BTreeMap<&str, usize> = outcomes.into_iter().map(|outcome| (by.name(outcome), 0)).collect();
        numbers.values_mut().enumerate().for_each(|(number, value)| *value = number);
        Self { numbers, by }
    }

    /// Number of groups.
    #[must_use]
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Whether there are no groups.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }
}

/// Outcome table: outcomes by item and condition.
#[derive(Clone, Debug)]
pub struct OutcomeTable<'a> {
    /// Suite of the outcomes.
    pub suite: &'a Suite,
    /// Number of groups.
    pub groups: usize,
    /// Whether all items of a case are in one group. Otherwise metrics of whole cases have no groups and are
    /// not defined.
    pub(super) has_whole_cases: bool,
    /// One row per item; the rows of a case are adjacent.
    pub rows: Vec<ItemRow<'a>>,
}

/// Outcomes of one item.
#[derive(Clone, Debug)]
pub struct ItemRow<'a> {
    /// Number of the item's group.
    pub group: usize,
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

/// Sums of `N` columns by group, with the number of summed items.
#[derive(Clone, Debug)]
pub struct ClusterSums<const N: usize> {
    /// `columns[c][g]` is the sum of column `c` over group `g`.
    pub columns: [Vec<f64>; N],
    /// Number of summed items (or cases).
    pub n: usize,
}

impl<'a> OutcomeTable<'a> {
    /// Builds the table of `outcomes`. Outcomes of conditions that the suite lacks, or of groups without a number, are
    /// left out.
    pub fn new(suite: &'a Suite, groups: &Clusters<'_>, outcomes: impl IntoIterator<Item = &'a Outcome>) -> Self {
        let clean = suite.conditions.iter().position(|condition| condition.kind == "clean").unwrap_or_default();
        let mut rows: BTreeMap<(&str, &str), ItemRow<'a>> = BTreeMap::new();
        for outcome in outcomes {
            let number = suite.conditions.iter().position(|condition| condition.id == outcome.condition);
            let (Some(number), Some(&group)) = (number, groups.numbers.get(groups.by.name(outcome))) else {
                continue;
            };
            let row = rows.entry((&outcome.case_id, &outcome.item_id)).or_insert_with(|| ItemRow {
                group,
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
        let has_whole_cases = groups.by == By::Subject;
        Self { suite, groups: groups.len(), has_whole_cases, rows: rows.into_values().collect() }
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
        let values = self.rows.iter().filter_map(|row| Some((row.group, value(row)?)));
        ClusterSums::collect(self.groups, values)
    }

    /// Sums `value` over the cases for which it is defined; `value` receives all items of a case. Where groups are
    /// questions, no case is summed.
    pub fn case_sums<const N: usize>(&self, value: impl Fn(&[ItemRow<'a>]) -> Option<[f64; N]>) -> ClusterSums<N> {
        let cases = self.cases();
        ClusterSums::collect(self.groups, cases.filter_map(|rows| Some((rows.first()?.group, value(rows)?))))
    }

    /// Sums `value` over the items for which it is defined; `value` receives the item and all items of its case. Where
    /// groups are questions, no item is summed.
    pub fn sums_within<const N: usize>(
        &self,
        value: impl Fn(&ItemRow<'a>, &[ItemRow<'a>]) -> Option<[f64; N]>,
    ) -> ClusterSums<N> {
        let items = self.cases().flat_map(|rows| rows.iter().map(move |row| (row, rows)));
        ClusterSums::collect(self.groups, items.filter_map(|(row, rows)| Some((row.group, value(row, rows)?))))
    }

    fn cases(&self) -> impl Iterator<Item = &[ItemRow<'a>]> {
        self.rows.chunk_by(|a, b| a.case_id == b.case_id).filter(|_| self.has_whole_cases)
    }

    /// Returns `base` for the condition whose metrics carry no suffix (`first`), else `base` with the id of
    /// the condition.
    #[must_use]
    pub fn name(base: &str, condition: &Condition, first: bool) -> String {
        if first { base.to_owned() } else { format!("{base}:{}", condition.id) }
    }
}

impl<const N: usize> ClusterSums<N> {
    fn collect(groups: usize, values: impl Iterator<Item = (usize, [f64; N])>) -> Self {
        let mut columns: [Vec<f64>; N] = std::array::from_fn(|_| vec![0.0; groups]);
        let mut n = 0;
        for (group, value) in values {
            n += 1;
            for (column, value) in columns.iter_mut().zip(value) {
                column[group] += value;
            }
        }
        Self { columns, n }
    }
}
