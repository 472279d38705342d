//! Cells: the crossing of patients and questions. A cell holds the items of one patient that ask one question.

/// Patient and question of every cell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cells {
    /// Number of the patient of each cell.
    pub patients: Vec<usize>,
    /// Number of the question of each cell.
    pub questions: Vec<usize>,
}

impl Cells {
    /// Number of cells.
    #[must_use]
    pub fn len(&self) -> usize {
        self.patients.len()
    }

    /// Whether there are no cells.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.patients.is_empty()
    }

    /// Number of patients.
    #[must_use]
    pub fn patient_count(&self) -> usize {
        count(&self.patients)
    }

    /// Number of questions.
    #[must_use]
    pub fn question_count(&self) -> usize {
        count(&self.questions)
    }
}

/// Number of different numbers, which are dense from 0.
fn count(numbers: &[usize]) -> usize {
    numbers.iter().max().map_or(0, |most| most + 1)
}
