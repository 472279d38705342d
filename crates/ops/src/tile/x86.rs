//! The tile product with AVX-512, AVX512-BF16 and AVX2 instructions.

use std::arch::x86_64::*;

use super::{COLUMNS, ROWS};

/// Computes the tile product of [`super::tile`] with all eight rows and both vectors of the panel at once: sixteen sums
/// in registers.
///
/// # Safety
/// The processor must have AVX-512F, and the operands and `out` must be as long as [`super::tile`] requires.
#[target_feature(enable = "avx512f")]
pub unsafe fn avx512(inner: usize, a: *const f32, b: *const f32, out: *mut f32, stride: usize, add: bool) {
    // SAFETY: the caller guarantees that every address is in bounds.
    unsafe {
        let mut sums = [[_mm512_setzero_ps(); 2]; ROWS];
        for step in 0..inner {
            let b = b.add(step * COLUMNS);
            let (b0, b1) = (_mm512_loadu_ps(b), _mm512_loadu_ps(b.add(16)));
            for (row, sums) in sums.iter_mut().enumerate() {
                let a = _mm512_set1_ps(*a.add(step * ROWS + row));
                sums[0] = _mm512_fmadd_ps(a, b0, sums[0]);
                sums[1] = _mm512_fmadd_ps(a, b1, sums[1]);
            }
        }
        store(sums, out, stride, add);
    }
}

/// Computes [`avx512`] over pairs of bf16. `inner` counts pairs, and a pair is the 32 bits of a [`super::Pair`].
///
/// # Safety
/// The processor must have AVX-512F and AVX512-BF16, and the operands and `out` must be as long as
/// [`super::tile`] requires.
#[target_feature(enable = "avx512f,avx512bf16")]
pub unsafe fn avx512_pairs(inner: usize, a: *const i32, b: *const i32, out: *mut f32, stride: usize, add: bool) {
    // SAFETY: the caller guarantees that every address is in bounds; both vector types have 512 bits.
    unsafe {
        let pairs = |bits: __m512i| std::mem::transmute::<__m512i, __m512bh>(bits);
        let mut sums = [[_mm512_setzero_ps(); 2]; ROWS];
        for step in 0..inner {
            let b = b.add(step * COLUMNS);
            let (b0, b1) = (pairs(_mm512_loadu_si512(b.cast())), pairs(_mm512_loadu_si512(b.add(16).cast())));
            for (row, sums) in sums.iter_mut().enumerate() {
                let a = pairs(_mm512_set1_epi32(*a.add(step * ROWS + row)));
                sums[0] = _mm512_dpbf16_ps(sums[0], a, b0);
                sums[1] = _mm512_dpbf16_ps(sums[1], a, b1);
            }
        }
        store(sums, out, stride, add);
    }
}

/// Writes a whole tile to `out`, or adds it.
#[target_feature(enable = "avx512f")]
unsafe fn store(sums: [[__m512; 2]; ROWS], out: *mut f32, stride: usize, add: bool) {
    for (row, sums) in sums.into_iter().enumerate() {
        for (half, sum) in sums.into_iter().enumerate() {
            // SAFETY: the caller guarantees that every address is in bounds.
            unsafe {
                let out = out.add(row * stride + half * 16);
                _mm512_storeu_ps(out, if add { _mm512_add_ps(_mm512_loadu_ps(out), sum) } else { sum });
            }
        }
    }
}

/// Computes the tile product of [`super::tile`] with four rows and two vectors at a time, because AVX2 has only
/// 16 registers.
///
/// # Safety
/// The processor must have AVX2 and FMA, and the operands and `out` must be as long as [`super::tile`] requires.
#[target_feature(enable = "avx2,fma")]
pub unsafe fn avx2(inner: usize, a: *const f32, b: *const f32, out: *mut f32, stride: usize, add: bool) {
    for (top, left) in [(0, 0), (0, 16), (4, 0), (4, 16)] {
        // SAFETY: the caller guarantees that every address is in bounds.
        unsafe {
            let mut sums = [[_mm256_setzero_ps(); 2]; 4];
            for step in 0..inner {
                let b = b.add(step * COLUMNS + left);
                let (b0, b1) = (_mm256_loadu_ps(b), _mm256_loadu_ps(b.add(8)));
                for (row, sums) in sums.iter_mut().enumerate() {
                    let a = _mm256_set1_ps(*a.add(step * ROWS + top + row));
                    sums[0] = _mm256_fmadd_ps(a, b0, sums[0]);
                    sums[1] = _mm256_fmadd_ps(a, b1, sums[1]);
                }
            }
            for (row, sums) in sums.into_iter().enumerate() {
                for (half, sum) in sums.into_iter().enumerate() {
                    let out = out.add((top + row) * stride + left + half * 8);
                    _mm256_storeu_ps(out, if add { _mm256_add_ps(_mm256_loadu_ps(out), sum) } else { sum });
                }
            }
        }
    }
}
