//! NF4 weights with optional double quantisation (Dettmers et al. 2023, QLoRA). Each block of 64 values has one scale,
//! and each value is one of 16 levels that are equally likely under a normal distribution. Levels, blocks and rounding
//! follow bitsandbytes, so dequantised weights equal its results.

mod tensor;

pub use tensor::{NF4_PIECE, Nf4Tensor};

/// Number of values that share a scale.
const BLOCK: usize = 64;

/// Number of scales that share a second-level scale in double quantisation.
const SCALE_BLOCK: usize = 256;

/// The 16 levels of NF4 (QLoRA, appendix E).
const LEVELS: [f32; 16] = [
    -1.0,
    -0.696_192_8,
    -0.525_073_05,
    -0.394_917_5,
    -0.284_441_38,
    -0.184_773_43,
    -0.091_050_036,
    0.0,
    0.079_580_3,
    0.160_930_2,
    0.246_112_3,
    0.337_915_24,
    0.440_709_83,
    0.562_617,
    0.722_956_84,
    1.0,
];

/// Values quantised to four bits (NF4, Dettmers et al. 2023), with one scale per block of 64 values.
#[derive(Clone, Debug)]
pub struct Nf4 {
    /// Level indices, two per byte, the first in the upper four bits.
    levels: Vec<u8>,
    scales: Scales,
}

/// One scale per block.
#[derive(Clone, Debug)]
enum Scales {
    Plain(Vec<f32>),
    /// Quantised to eight bits: `mean + scale * level`.
    Quantised {
        levels: Vec<u8>,
        scales: Vec<f32>,
        mean: f32,
        table: Box<[f32; 256]>,
    },
}

impl Nf4 {
    /// Quantises `values` in blocks of 64; the last block may be shorter. With `double_quant` the scales of the blocks
    /// are quantised to eight bits as well, which saves memory and rounds once more.
    pub fn new(values: &[f32], double_quant: bool) -> Self {
        let scales: Vec<f32> = values.chunks(BLOCK).map(largest).collect();
        let rounded: Vec<u8> = values
            .chunks(BLOCK)
            .zip(&scales)
            .flat_map(|(block, scale)| {
                // Like bitsandbytes: an incomplete last block is divided by its scale, others are multiplied
                // by the inverse.
                let scale = scale.max(1e-38);
                let inverse = 1.0 / scale;
                let whole = block.len() == BLOCK;
                block.iter().map(move |value| nearest(&LEVELS, if whole { value * inverse } else { value / scale }))
            })
            .collect();
        let levels = rounded.chunks(2).map(|pair| pair[0] << 4 | pair.get(1).copied().unwrap_or_default()).collect();
        Self { levels, scales: if double_quant { Scales::quantised(&scales) } else { Scales::Plain(scales) } }
    }

    /// Fills `out` with the dequantised values from index `start` on.
    ///
    /// # Panics
    /// When `start + out.len()` exceeds the number of values rounded up to an even number.
    pub fn read(&self, start: usize, out: &mut [f32]) {
        let mut at = start;
        let mut rest = out;
        while !rest.is_empty() {
            let (now, later) = rest.split_at_mut(rest.len().min(BLOCK - at % BLOCK));
            let scale = self.scales.at(at / BLOCK);
            let table = LEVELS.map(|level| level * scale);
            for (place, out) in (at..).zip(now.iter_mut()) {
                let byte = self.levels[place / 2];
                *out = table[usize::from(if place % 2 == 0 { byte >> 4 } else { byte & 15 })];
            }
            at += now.len();
            rest = later;
        }
    }

    /// Returns the memory of levels and scales in bytes.
    pub fn bytes(&self) -> usize {
        let scales = match &self.scales {
            Scales::Plain(scales) => scales.len() * 4,
            Scales::Quantised { levels, scales, .. } => levels.len() + scales.len() * 4 + 4 + 256 * 4,
        };
        self.levels.len() + scales
    }
}

impl Scales {
    /// Quantises scales to eight bits: differences from the mean, in blocks of [`SCALE_BLOCK`].
    fn quantised(values: &[f32]) -> Self {
        let table = Box::new(dynamic_levels());
        let mean = (values.iter().map(|value| f64::from(*value)).sum::<f64>() / values.len().max(1) as f64) as f32;
        let distances: Vec<f32> = values.iter().map(|value| value - mean).collect();
        let scales: Vec<f32> = distances.chunks(SCALE_BLOCK).map(largest).collect();
        let levels = distances
            .chunks(SCALE_BLOCK)
            .zip(&scales)
            .flat_map(|(block, scale)| {
                let table = &table;
                block.iter().map(move |value| if *scale > 0.0 { nearest(&table[..], value / scale) } else { MIDDLE })
            })
            .collect();
        Self::Quantised { levels, scales, mean, table }
    }

    fn at(&self, block: usize) -> f32 {
        match self {
            Self::Plain(scales) => scales[block],
            Self::Quantised { levels, scales, mean, table } => {
                table[usize::from(levels[block])] * scales[block / SCALE_BLOCK] + mean
            }
        }
    }
}

fn largest(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |most, value| most.max(value.abs()))
}

/// Index of the nearest level in ascending `levels`; halfway between two, the lower one.
fn nearest(levels: &[f32], value: f32) -> u8 {
    let above = levels.partition_point(|level| *level < value);
    if above == 0 || above == levels.len() {
        return above.min(levels.len() - 1) as u8;
    }
    let middle = (levels[above - 1] + levels[above]) / 2.0;
    (if value <= middle { above - 1 } else { above }) as u8
}

/// Index of zero in [`dynamic_levels`].
const MIDDLE: u8 = 127;

/// The 256 levels of a signed 8-bit number with a dynamic exponent (Dettmers 2015, arXiv 1511.04561), ascending: zero,
/// one, and for each exponent from -6 to 0 both signs of `10^exponent` times the midpoints of equal parts of the
/// interval 0.1 to 1. The number of parts is 1 for exponent -6 and doubles with each exponent.
fn dynamic_levels() -> [f32; 256] {
    let mut levels = vec![0.0, 1.0];
    for exponent in 0..7 {
        let fractions = 1_usize << exponent;
        let power = 10.0_f64.powi(exponent - 6) as f32;
        let bound = |index: usize| 0.1 + 0.9 * (index as f64 / fractions as f64);
        for index in 0..fractions {
            let level = power * ((bound(index) as f32 + bound(index + 1) as f32) / 2.0);
            levels.extend([level, -level]);
        }
    }
    levels.sort_by(f32::total_cmp);
    std::array::from_fn(|index| levels[index])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn levels_rise_and_include_zero() {
        let dynamic = dynamic_levels();
        assert!(dynamic.windows(2).all(|pair| pair[0] < pair[1]) && LEVELS.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!((dynamic[usize::from(MIDDLE)], dynamic[255]), (0.0, 1.0));
    }

    #[test]
    fn ties_round_down_and_values_beyond_the_ends_are_clamped() {
        let rounded: Vec<u8> = [-9.0, 0.0, 0.5, 0.500_001, 1.0, 7.0].map(|value| nearest(&[0.0, 1.0], value)).to_vec();
        assert_eq!(rounded, [0, 0, 0, 1, 1, 1]);
    }

    #[test]
    fn zeros_stay_zeros() {
        for double_quant in [false, true] {
            let mut out = [1.0; 70];
            Nf4::new(&[0.0; 70], double_quant).read(0, &mut out);
            assert_eq!(out, [0.0; 70]);
        }
    }

    #[test]
    fn a_weight_takes_little_more_than_four_bits() {
        let values: Vec<f32> = (0..64 * 4096).map(|index| (index % 997) as f32 / 500.0 - 1.0).collect();
        let bits = |double_quant| Nf4::new(&values, double_quant).bytes() as f64 * 8.0 / values.len() as f64;
        assert!((bits(false) - 4.5).abs() < 1e-9, "{}", bits(false));
        assert!(bits(true) < 4.17, "{}", bits(true)); // Without the table: 4 + 8 / 64 + 32 / (64 * 256).
    }

    proptest! {
        #[test]
        fn every_value_is_rounded_to_a_near_level(
            values in prop::collection::vec(-3.0_f32..3.0, 1..300), double_quant: bool, cut in 0.0..1.0_f64,
        ) {
            let held = Nf4::new(&values, double_quant);
            let mut all = vec![0.0; values.len()];
            held.read(0, &mut all);
            let start = (cut * values.len() as f64) as usize;
            let mut part = vec![0.0; values.len() - start];
            held.read(start, &mut part);
            prop_assert_eq!(&all[start..], &part[..]);
            // The widest gap between levels is 0.304; quantised scales are off by less than a hundredth
            // of their spread.
            let spread = if double_quant { 0.03 } else { 0.0 };
            for (block, held) in values.chunks(BLOCK).zip(all.chunks(BLOCK)) {
                let most = largest(block);
                for (value, held) in block.iter().zip(held) {
                    prop_assert!((value - held).abs() <= 0.1521 * most + 3.0 * spread, "{} became {}", value, held);
                }
            }
        }
    }
}
