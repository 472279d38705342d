//! Innermost loop of a matrix product: a tile of eight rows times a panel of 32 columns, held in registers during the
//! loop over the inner side. Compiled for AVX-512, AVX2 and portably, chosen at run time; with pairs of bf16 on
//! processors with AVX512-BF16.
#![allow(unsafe_code)] // Vector instructions, after checking that the processor has them; bounds are checked before.

use std::sync::{Mutex, PoisonError};

mod pair;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use pair::Pair;

/// Number of rows of a tile. A left operand is laid out as `[rows / ROWS][inner][ROWS]`. Eight rows of 32 columns fill
/// 16 vector registers of AVX-512.
pub const ROWS: usize = 8;
/// Number of columns of a tile. A right operand is laid out as `[columns / COLUMNS][inner][COLUMNS]`. A row of a tile
/// fills two vector registers of AVX-512.
pub const COLUMNS: usize = 32;

/// Computes `out = a b`, or `out += a b` if `add`, for one tile of [`ROWS`] x [`COLUMNS`]. `a` is `[inner][ROWS]`, `b`
/// is `[inner][COLUMNS]`, and the rows of `out` begin `stride` values apart.
///
/// # Panics
/// When an operand or `out` is too short, or `stride` is less than [`COLUMNS`].
pub fn tile(inner: usize, a: &[f32], b: &[f32], out: &mut [f32], stride: usize, add: bool) {
    assert!(a.len() >= inner * ROWS && b.len() >= inner * COLUMNS, "operands hold the inner side");
    assert!(stride >= COLUMNS && out.len() >= (ROWS - 1) * stride + COLUMNS, "target holds the tile");
    // SAFETY: the lengths have just been checked.
    unsafe { f32::tile_at(inner, a.as_ptr(), b.as_ptr(), out.as_mut_ptr(), stride, add) }
}

/// Element of an operand along the inner side of a product: one f32 value, or a pair of bf16 values.
pub trait Lane: Copy + Default + Send + Sync + 'static {
    /// Number of inner values in one lane: 1 for f32, 2 for a pair.
    const DEPTH: usize;

    /// Returns the process-wide pool of buffers that are kept between products.
    fn buffers() -> &'static Buffers<Self>;

    /// Makes the lane that starts at `values[at]`. Values beyond the end are zero.
    fn take(values: &[f32], at: usize) -> Self;

    /// Computes [`tile`] without bounds checks; `inner` counts lanes.
    ///
    /// # Safety
    /// The operands and the target must be as long as [`tile`] requires, and no other task may access the target.
    ///
    /// # Panics
    /// For pairs of bf16, when the processor lacks AVX512-BF16 ([`Pair::native`]).
    unsafe fn tile_at(inner: usize, a: *const Self, b: *const Self, out: *mut f32, stride: usize, add: bool);
}

/// Pool of reusable buffers, shared by all threads. Allocating new memory takes about a tenth of a product's time.
pub struct Buffers<L>(Mutex<Vec<Vec<L>>>);

impl<L: Lane> Buffers<L> {
    const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// Takes a buffer of `length` lanes with unspecified values out of the pool. Makes a new one when the pool
    /// is empty.
    pub fn take(&self, length: usize) -> Vec<L> {
        let mut buffer = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        buffer.resize(length, L::default());
        buffer
    }

    /// Puts a buffer into the pool for later products. The pool keeps its memory until the process ends.
    pub fn give(&self, buffer: Vec<L>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
    }
}

impl Lane for f32 {
    const DEPTH: usize = 1;

    fn buffers() -> &'static Buffers<Self> {
        static KEPT: Buffers<f32> = Buffers::new();
        &KEPT
    }

    #[inline(always)]
    fn take(values: &[f32], at: usize) -> Self {
        values.get(at).copied().unwrap_or(0.0)
    }

    unsafe fn tile_at(inner: usize, a: *const Self, b: *const Self, out: *mut f32, stride: usize, add: bool) {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                // SAFETY: the processor has the feature, as checked above; the caller guarantees the rest.
                return unsafe { x86::avx512(inner, a, b, out, stride, add) };
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                // SAFETY: as above.
                return unsafe { x86::avx2(inner, a, b, out, stride, add) };
            }
        }
        // SAFETY: guaranteed by the caller.
        unsafe { portable(inner, a, b, out, stride, add) }
    }
}

unsafe fn portable(inner: usize, a: *const f32, b: *const f32, out: *mut f32, stride: usize, add: bool) {
    for row in 0..ROWS {
        let mut sums = [0.0_f32; COLUMNS];
        for step in 0..inner {
            // SAFETY: inside the operands.
            let (a, b) =
                unsafe { (*a.add(step * ROWS + row), std::slice::from_raw_parts(b.add(step * COLUMNS), COLUMNS)) };
            for (sum, b) in sums.iter_mut().zip(b) {
                *sum += a * b;
            }
        }
        // SAFETY: inside the target.
        let out = unsafe { std::slice::from_raw_parts_mut(out.add(row * stride), COLUMNS) };
        for (out, sum) in out.iter_mut().zip(sums) {
            *out = if add { *out + sum } else { sum };
        }
    }
}

/// Lays out rows as an operand of [`tile`]: `N` is [`ROWS`] for a left operand and [`COLUMNS`] for a right one.
/// `values` holds `rows` rows of `inner` values, which begin `row_stride` apart. `out` becomes `[rows / N, rounded
/// up][inner / DEPTH, rounded up][N]`; places without a value are zero. A longer `out` keeps its end; a shorter one
/// gets only the groups of `N` rows that fit whole, without an error.
///
/// # Panics
/// When `values` is shorter than the rows that are laid out.
pub fn interleave<L: Lane, const N: usize>(
    values: &[f32],
    rows: usize,
    inner: usize,
    row_stride: usize,
    out: &mut [L],
) {
    let lanes = inner.div_ceil(L::DEPTH);
    for (group, out) in out.chunks_exact_mut((lanes * N).max(1)).take(rows.div_ceil(N)).enumerate() {
        let lines: [&[f32]; N] = std::array::from_fn(|line| {
            let row = group * N + line;
            if row < rows { &values[row * row_stride..row * row_stride + inner] } else { &[] }
        });
        for (lane, out) in out.chunks_exact_mut(N).enumerate() {
            for (out, line) in out.iter_mut().zip(lines) {
                *out = L::take(line, lane * L::DEPTH);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whole numbers so small that every instruction set, also with bf16, computes them without rounding.
    fn whole(count: usize, step: usize) -> Vec<f32> {
        (0..count).map(|i| ((i * step) % 13) as f32 - 6.0).collect()
    }

    #[test]
    fn every_form_of_the_tile_computes_the_same() {
        for inner in [0, 1, 7, 64] {
            let (a, b) = (whole(inner * ROWS, 5), whole(inner * COLUMNS, 7));
            let before = whole(ROWS * 40, 3);
            let mut expected = before.clone();
            for (row, column) in (0..ROWS).flat_map(|row| (0..COLUMNS).map(move |column| (row, column))) {
                let products = (0..inner).map(|step| a[step * ROWS + row] * b[step * COLUMNS + column]);
                expected[row * 40 + column] += products.sum::<f32>();
            }
            let mut mine = before.clone();
            tile(inner, &a, &b, &mut mine, 40, true);
            assert_eq!(mine, expected, "chosen at run time, {inner}");
            type Form = unsafe fn(usize, *const f32, *const f32, *mut f32, usize, bool);
            let mut forms: Vec<Form> = vec![portable];
            #[cfg(target_arch = "x86_64")]
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                forms.push(x86::avx2);
            }
            for form in forms {
                let mut mine = before.clone();
                // SAFETY: lengths as `tile` requires; the processor's features are checked above.
                unsafe { form(inner, a.as_ptr(), b.as_ptr(), mine.as_mut_ptr(), 40, true) };
                assert_eq!(mine, expected, "another form, {inner}");
            }
        }
    }

    #[test]
    fn interleaving_pads_with_zeros() {
        let mut out = vec![9.0_f32; 2 * 3 * ROWS];
        interleave::<_, ROWS>(&whole(50, 1), 9, 3, 5, &mut out);
        assert_eq!((out[1], out[ROWS], out[3 * ROWS], out[3 * ROWS + 1]), (-1.0, -5.0, whole(50, 1)[40], 0.0));
        let mut pairs = vec![Pair::default(); 2 * 2 * ROWS];
        interleave::<_, ROWS>(&whole(50, 1), 9, 3, 5, &mut pairs);
        assert_eq!((pairs[0].halves(), pairs[ROWS].halves()), ([-6.0, -5.0], [-4.0, 0.0]));
    }

    #[test]
    #[should_panic(expected = "target holds the tile")]
    fn a_target_too_small_is_refused() {
        tile(1, &[0.0; ROWS], &[0.0; COLUMNS], &mut [0.0; 255], COLUMNS, false);
    }
}
