//! Matrix products over strided views with checked bounds, and buffers that several tasks fill.
#![allow(unsafe_code)] // The gemm crate takes raw pointers; the bounds are checked before each call.

/// Products with fewer multiplications run on one thread.
const PARALLEL_FROM: usize = 1 << 20;

/// View of a matrix inside a slice. Its rows or columns may lie further apart than their length (strides).
#[derive(Clone, Copy)]
pub struct View<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> View<'a> {
    /// Views the first `rows * columns` values as a matrix of `rows` x `columns`, row by row.
    ///
    /// # Panics
    /// When the slice is shorter than the matrix.
    pub fn new(values: &'a [f32], rows: usize, columns: usize) -> Self {
        Self::strided(values, rows, columns, columns)
    }

    /// Views the start of `values` as a matrix of `rows` x `columns` whose rows begin `row_stride` values apart.
    ///
    /// # Panics
    /// When the matrix exceeds the slice.
    pub fn strided(values: &'a [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        assert!(reach(rows, columns, row_stride, 1) <= values.len(), "view within its slice");
        Self { values, rows, columns, row_stride, column_stride: 1 }
    }

    /// Returns a view of the same values with rows and columns exchanged. No value is copied.
    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

/// Length of the slice that a strided matrix needs.
fn reach(rows: usize, columns: usize, row_stride: usize, column_stride: usize) -> usize {
    if rows == 0 || columns == 0 { 0 } else { (rows - 1) * row_stride + (columns - 1) * column_stride + 1 }
}

/// Destination of a product: a matrix inside a buffer whose rows begin `row_stride` values apart. Several tasks may
/// hold targets in one buffer if the targets' rows and columns are disjoint.
#[derive(Clone, Copy)]
pub struct Target {
    pointer: *mut f32,
    length: usize,
    row_stride: usize,
}

// SAFETY: a target is only a location. It is made from an exclusive borrow, and its users write disjoint values.
unsafe impl Send for Target {}

impl Target {
    /// Makes a target that fills `values` row by row, with `columns` values per row.
    pub fn new(values: &mut [f32], columns: usize) -> Self {
        Self::part(values, 0, columns)
    }

    /// Makes a target whose first value is `values[offset]` and whose rows begin `row_stride` values apart.
    ///
    /// # Panics
    /// When `offset` exceeds the slice.
    pub fn part(values: &mut [f32], offset: usize, row_stride: usize) -> Self {
        let values = &mut values[offset..];
        Self { pointer: values.as_mut_ptr(), length: values.len(), row_stride }
    }
}

/// Buffer that several tasks fill at the same time, each task in its own part.
pub struct Shared<'a> {
    pointer: *mut f32,
    length: usize,
    buffer: std::marker::PhantomData<&'a mut [f32]>,
}

// SAFETY: all access goes through `pointer` and `slice`, whose callers guarantee disjoint parts.
unsafe impl Sync for Shared<'_> {}

impl<'a> Shared<'a> {
    /// Shares a buffer among tasks for the duration of the borrow.
    pub fn new(values: &'a mut [f32]) -> Self {
        Self { pointer: values.as_mut_ptr(), length: values.len(), buffer: std::marker::PhantomData }
    }

    /// Shares room for `length` values in the spare capacity of `values`. The room is uninitialised: write before
    /// reading. The length of `values` does not change.
    ///
    /// # Panics
    /// When the spare capacity is smaller than `length`.
    pub fn spare(values: &'a mut Vec<f32>, length: usize) -> Self {
        let spare = values.spare_capacity_mut();
        assert!(length <= spare.len(), "spare capacity for the values");
        Self { pointer: spare.as_mut_ptr().cast(), length, buffer: std::marker::PhantomData }
    }

    /// Returns a pointer to the `length` values from index `offset` on. Code that writes through it must make sure that
    /// no other task accesses these values.
    ///
    /// # Panics
    /// When the values exceed the buffer.
    pub fn pointer(&self, offset: usize, length: usize) -> *mut f32 {
        assert!(offset + length <= self.length, "place within its buffer");
        // SAFETY: inside the buffer.
        unsafe { self.pointer.add(offset) }
    }

    /// Returns the `length` values from index `offset` on.
    ///
    /// # Safety
    /// The values must have been written before, and no other task may access them while the slice lives.
    ///
    /// # Panics
    /// When the values exceed the buffer.
    #[allow(clippy::mut_from_ref)] // Purpose of this type; the safety contract is above.
    pub unsafe fn slice(&self, offset: usize, length: usize) -> &mut [f32] {
        assert!(offset + length <= self.length, "slice within its buffer");
        // SAFETY: inside the buffer, and the caller guarantees exclusive use.
        unsafe { std::slice::from_raw_parts_mut(self.pointer.add(offset), length) }
    }
}

/// Effect of a product on its target.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Into {
    /// The product replaces the target's values.
    Set,
    /// The product is added to the target's values.
    Add,
}

/// Computes `target = factor * a * b`, or `target += factor * a * b` with [`Into::Add`]. Products with 2^20 or more
/// multiplications use all threads. An empty product changes nothing.
///
/// # Panics
/// When the columns of `a` differ from the rows of `b`, the product does not fit the target, rows of the target
/// overlap, or `a` has no columns and `into` is [`Into::Set`].
pub fn product(target: Target, into: Into, factor: f32, a: View<'_>, b: View<'_>) {
    let work = a.rows * a.columns * b.columns;
    let threads = if work < PARALLEL_FROM || rayon::current_num_threads() == 1 {
        gemm::Parallelism::None
    } else {
        gemm::Parallelism::Rayon(0)
    };
    multiply(target, into, factor, a, b, threads);
}

fn multiply(target: Target, into: Into, factor: f32, a: View<'_>, b: View<'_>, threads: gemm::Parallelism) {
    assert_eq!(a.columns, b.rows, "inner sides of a product");
    let (rows, columns) = (a.rows, b.columns);
    if rows == 0 || columns == 0 {
        return;
    }
    assert!(reach(rows, columns, target.row_stride, 1) <= target.length, "target holds the product");
    assert!(rows == 1 || target.row_stride >= columns, "rows of the target do not overlap");
    let add = into == Into::Add;
    if a.columns == 0 {
        assert!(add, "an empty inner side needs Into::Add");
        return;
    }
    // SAFETY: all three matrices lie inside their buffers: views are checked when made, the target is checked above.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            a.columns,
            target.pointer,
            1,
            target.row_stride as isize,
            add,
            a.values.as_ptr(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.values.as_ptr(),
            b.column_stride as isize,
            b.row_stride as isize,
            if add { 1.0 } else { 0.0 },
            factor,
            false,
            false,
            false,
            threads,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::{Into, Target, View, product};

    #[test]
    fn products_of_transposed_operands_are_added() {
        let a = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]; // [2, 3]
        let mut out = [10.0; 4];
        product(Target::new(&mut out, 2), Into::Add, 2.0, View::new(&a, 2, 3), View::new(&a, 2, 3).transposed());
        assert_eq!(out, [38.0, 74.0, 74.0, 164.0]);
    }

    #[test]
    #[should_panic(expected = "target holds the product")]
    fn a_target_too_small_is_refused() {
        let a = [1.0; 6];
        product(Target::new(&mut [0.0; 3], 2), Into::Set, 1.0, View::new(&a, 2, 3), View::new(&a, 3, 2));
    }
}
