//! Cells: the crossing of patients and questions. A cell holds the items of one patient that ask one question.

/// Patient and question of every cell; a cell holds the items of one patient that ask one question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cells {
    /// Number of the patient of each cell, from 0 without gaps.
    pub patients: Vec<usize>,
    /// Number of the question of each cell, from 0 without gaps; as long as `patients`.
    pub questions: Vec<usize>,
}

impl Cells {
    /// Returns the number of cells.
    #[must_use]
    pub fn len(&self) -> usize {
        self.patients.len()
    }

    /// Returns whether there are no cells.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.patients.is_empty()
    }

    /// Returns the number of patients: the largest number plus one, because patients are numbered from 0 without gaps.
    #[must_use]
    pub fn patient_count(&self) -> usize {
        count(&self.patients)
    }

    /// Returns the number of questions: the largest number plus one, because questions are numbered from 0 without
    /// gaps.
    #[must_use]
    pub fn question_count(&self) -> usize {
        count(&self.questions)
    }
}

/// Number of different numbers, which are dense from 0.
fn count(numbers: &[usize]) -> usize {
    numbers.iter().max().map_or(0, |most| most + 1)
}
