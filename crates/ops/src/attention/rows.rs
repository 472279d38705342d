//! Index lists on a device: rows that a product takes, and the order in which results are put together.

use std::ops::Range;

use burn::tensor::{Device, Int, Tensor};

use crate::values::row_of;

/// Rows of a tensor to take.
#[derive(Debug)]
pub enum Rows {
    /// All rows in order.
    All,
    /// Neighbouring rows in order.
    Range(Range<usize>),
    /// Any rows.
    List(Box<Tensor<1, Int>>),
}

impl Rows {
    /// Makes the list of `rows` of a tensor of `total` rows. None stands for any row.
    pub fn new(rows: &[Option<usize>], total: usize, device: &Device) -> Self {
        let first = rows.first().copied().flatten().unwrap_or(0);
        if !rows.iter().enumerate().all(|(place, row)| *row == Some(first + place)) {
            return Self::List(Box::new(ints(rows.iter().map(|row| row.unwrap_or(first)), device)));
        }
        if rows.len() == total { Self::All } else { Self::Range(first..first + rows.len()) }
    }

    /// Returns the rows of `x`.
    pub fn of(&self, x: &Tensor<2>) -> Tensor<2> {
        match self {
            Self::All => x.clone(),
            Self::Range(rows) => x.clone().narrow(0, rows.start, rows.len()),
            Self::List(rows) => x.clone().select(0, (**rows).clone()),
        }
    }
}

/// Order in which rows of several tensors make up one.
#[derive(Debug)]
pub struct Collected {
    /// Place of each row; missing rows have the place after the last row.
    pub rows: Rows,
    /// Whether rows are missing in the tensors.
    pub missing: bool,
}

impl Collected {
    /// Makes the order from the place of each row among `count` rows; None for a missing one.
    pub fn new(places: &[Option<usize>], count: usize, device: &Device) -> Self {
        let missing = places.iter().any(Option::is_none);
        let places: Vec<_> = places.iter().map(|place| Some(place.unwrap_or(count))).collect();
        Self { rows: Rows::new(&places, count + usize::from(missing), device), missing }
    }

    /// Returns the rows of `tensors`, in order. Missing rows are filled with `missing`.
    ///
    /// # Panics
    /// When there are no tensors.
    pub fn of(&self, mut tensors: Vec<Tensor<2>>, missing: f32) -> Tensor<2> {
        if self.missing {
            let (width, device, dtype) = (tensors[0].dims()[1], tensors[0].device(), tensors[0].dtype());
            tensors.push(Tensor::full([1, width], missing, (&device, dtype)));
        }
        let all = if tensors.len() == 1 { tensors.remove(0) } else { Tensor::cat(tensors, 0) };
        self.rows.of(&all)
    }
}

/// Makes a tensor of whole numbers on `device`.
pub fn ints(values: impl Iterator<Item = usize>, device: &Device) -> Tensor<1, Int> {
    let values: Vec<i64> = values.map(|value| value as i64).collect();
    row_of(values, device)
}
