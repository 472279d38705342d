//! Pairs of neighbouring inner values as bf16: half the memory of f32 and twice the products per instruction.

use super::{Buffers, Lane};

/// Two bf16 values, neighbours along the inner side of a product. The first is in the lower 16 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct Pair(u32);

impl Pair {
    /// Makes a pair of both values, each rounded to the nearest bf16, ties to even.
    #[inline(always)]
    pub fn new(first: f32, second: f32) -> Self {
        Self(round(first) | round(second) << 16)
    }

    /// Returns both values as f32.
    #[inline(always)]
    pub fn halves(self) -> [f32; 2] {
        [f32::from_bits(self.0 << 16), f32::from_bits(self.0 & 0xffff_0000)]
    }

    /// Returns whether this processor has instructions that multiply pairs (AVX512-BF16). [`Lane::tile_at`] needs them.
    pub fn native() -> bool {
        #[cfg(target_arch = "x86_64")]
        return is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bf16");
        #[cfg(not(target_arch = "x86_64"))]
        false
    }
}

/// Upper 16 bits of a value, rounded to the nearest, ties to even; NaN stays NaN.
#[inline(always)]
fn round(value: f32) -> u32 {
    let bits = value.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
    if value.is_nan() { bits >> 16 | 0x40 } else { rounded }
}

impl Lane for Pair {
    const DEPTH: usize = 2;

    fn buffers() -> &'static Buffers<Self> {
        static KEPT: Buffers<Pair> = Buffers::new();
        &KEPT
    }

    #[inline(always)]
    fn take(values: &[f32], at: usize) -> Self {
        let value = |at: usize| values.get(at).copied().unwrap_or(0.0);
        Self::new(value(at), value(at + 1))
    }

    unsafe fn tile_at(inner: usize, a: *const Self, b: *const Self, out: *mut f32, stride: usize, add: bool) {
        #[cfg(target_arch = "x86_64")]
        if Self::native() {
            // SAFETY: the processor has the feature, as checked above; the caller guarantees the rest.
            return unsafe { super::x86::avx512_pairs(inner, a.cast(), b.cast(), out, stride, add) };
        }
        let _ = (inner, a, b, out, stride, add);
        unreachable!("bf16 pairs need a processor with AVX512-BF16");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_to_the_nearest_even() {
        let rounded = |value: f32| Pair::new(value, 0.0).halves()[0];
        assert_eq!(rounded(1.0), 1.0);
        assert_eq!(rounded(1.0 + 1.0 / 256.0), 1.0, "halfway, to even");
        assert_eq!(rounded(1.0 + 3.0 / 256.0), 1.0 + 4.0 / 256.0, "halfway, to even");
        assert_eq!(rounded(-1.005), -1.0078125);
        assert_eq!(rounded(f32::MAX), f32::INFINITY);
        assert!(rounded(f32::from_bits(0x7f80_0001)).is_nan() && rounded(-f32::NAN).is_nan());
    }
}
