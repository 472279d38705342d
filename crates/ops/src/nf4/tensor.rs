//! NF4 weights on devices other than the CPU. They are dequantised by Burn's operations in pieces of rows.

use std::ops::Range;

use burn::tensor::{DType, Device, FloatDType, Int, Tensor, TensorData};

use super::{BLOCK, LEVELS, Nf4, SCALE_BLOCK, Scales};
use crate::products::product;

/// Most values of an [`Nf4Tensor`] that exist dequantised at once: 64 MiB in f32, and 32 MiB more in bf16. Where a row has
/// more values, one row exists, or the fewest rows that begin and end with whole blocks.
pub const NF4_PIECE: usize = 1 << 24;

/// Number of bytes in an integer of the device.
const BYTES: usize = 4;

/// Frozen weight of a linear layer in NF4 (Dettmers et al. 2023, QLoRA) on a device other than the CPU,
/// `[outputs, inputs]`. The values equal those of [`PackedWeight`](crate::PackedWeight) in NF4. Products dequantise at
/// most 16,777,216 values at once, forward and backward, so a model needs the memory of four bits per value.
#[derive(Clone, Debug)]
pub struct Nf4Tensor {
    outputs: usize,
    inputs: usize,
    /// Whether products round their operands to bf16.
    bf16: bool,
    /// Level indices of whole blocks, two per byte, four bytes per integer: `[blocks * 8]`.
    levels: Tensor<1, Int>,
    /// Both levels of each byte: `[256, 2]`.
    pairs: Tensor<2>,
    /// Bits before each byte of an integer: `[1, 4]`.
    shifts: Tensor<2, Int>,
    scales: ScaleTensor,
}

/// One scale for each block of 64 values.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // A few hundred bytes per weight.
enum ScaleTensor {
    /// `[blocks, 1]`.
    Plain(Tensor<2>),
    /// Quantised to eight bits, `mean + scale * level`, for groups of 256 blocks.
    Quantised {
        /// Level indices of whole groups, four per integer: `[groups * 64]`.
        levels: Tensor<1, Int>,
        /// `[groups, 1]`.
        scales: Tensor<2>,
        mean: f32,
        /// Value of each level, `[256, 1]`.
        table: Tensor<2>,
    },
}

impl Nf4Tensor {
    /// Quantises `weight`, `[outputs, inputs]` row by row, as [`PackedWeight::new`](crate::PackedWeight::new) does, and
    /// sends it to `device`. With `double_quant` the scales of the blocks are stored in eight bits. With `bf16`, products
    /// round their operands to bf16; without, or where the device has no bf16, they compute in f32.
    ///
    /// # Panics
    /// When `weight` does not have `outputs * inputs` values, or none.
    #[must_use]
    pub fn new(weight: &[f32], [outputs, inputs]: [usize; 2], double_quant: bool, bf16: bool, device: &Device) -> Self {
        assert_eq!(weight.len(), outputs * inputs, "one value per output and input");
        assert!(!weight.is_empty(), "a weight has values");
        let Nf4 { levels, scales } = Nf4::new(weight, double_quant);
        let blocks = weight.len().div_ceil(BLOCK);
        let column = |values: Vec<f32>| {
            let length = values.len();
            Tensor::from_data(TensorData::new(values, [length, 1]), device)
        };
        let scales = match scales {
            Scales::Plain(scales) => ScaleTensor::Plain(column(scales)),
            Scales::Quantised { levels, scales, mean, table } => ScaleTensor::Quantised {
                levels: words(levels, scales.len() * SCALE_BLOCK / BYTES, device),
                scales: column(scales),
                mean,
                table: column(table.to_vec()),
            },
        };
        let pairs: Vec<f32> = (0..256).flat_map(|byte| [LEVELS[byte >> 4], LEVELS[byte & 15]]).collect();
        Self {
            outputs,
            inputs,
            bf16: bf16 && device.supports_dtype(DType::BF16),
            levels: words(levels, blocks * BLOCK / 2 / BYTES, device),
            pairs: Tensor::from_data(TensorData::new(pairs, [256, 2]), device),
            shifts: Tensor::from_data(TensorData::new(vec![0, 8, 16, 24], [1, BYTES]), (device, DType::I32)),
            scales,
        }
    }

    /// Returns the shape of the weight, `[outputs, inputs]`.
    #[must_use]
    pub fn sides(&self) -> [usize; 2] {
        [self.outputs, self.inputs]
    }

    /// Returns the device memory of the stored values in bytes, including scales and tables.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let scales = match &self.scales {
            ScaleTensor::Plain(scales) => scales.shape().num_elements(),
            ScaleTensor::Quantised { levels, scales, table, .. } => {
                levels.shape().num_elements() + scales.shape().num_elements() + table.shape().num_elements()
            }
        };
        let tables = self.pairs.shape().num_elements() + self.shifts.shape().num_elements();
        (self.levels.shape().num_elements() + scales + tables) * size_of::<f32>()
    }

    /// Returns all values in f32, `[outputs, inputs]`. Rounding by NF4 remains.
    #[must_use]
    pub fn values(&self) -> Tensor<2> {
        let scales = self.scales();
        joined(self.pieces().map(|rows| self.piece(&scales, rows)).collect(), 0)
    }

    /// Returns `x weight^T`, `[tokens, outputs]`, for `x`, `[tokens, inputs]`.
    pub(crate) fn forward(&self, x: &Tensor<2>) -> Tensor<2> {
        let scales = self.scales();
        joined(self.pieces().map(|rows| product(x.clone(), self.operand(&scales, rows).transpose())).collect(), 1)
    }

    /// Returns `d weight`, `[tokens, inputs]`, for `d`, `[tokens, outputs]`.
    pub(crate) fn backward(&self, d: &Tensor<2>) -> Tensor<2> {
        let scales = self.scales();
        let of_piece = |rows: Range<usize>| {
            let d = d.clone().narrow(1, rows.start, rows.len());
            product(d, self.operand(&scales, rows))
        };
        self.pieces().map(of_piece).reduce(|sum, piece| sum + piece).expect("a weight has rows")
    }

    /// Pieces of rows with at most [`NF4_PIECE`] values, or as few rows as begin and end with whole blocks.
    fn pieces(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        pieces(self.outputs, self.inputs, NF4_PIECE)
    }

    /// Piece of the weight as operand of a product.
    fn operand(&self, scales: &Tensor<2>, rows: Range<usize>) -> Tensor<2> {
        let piece = self.piece(scales, rows);
        if self.bf16 { piece.cast(FloatDType::BF16) } else { piece }
    }

    /// Values of `rows` in f32, `[rows, inputs]`. The first row begins with a whole block.
    fn piece(&self, scales: &Tensor<2>, rows: Range<usize>) -> Tensor<2> {
        let length = rows.len() * self.inputs;
        let (first, blocks) = (rows.start * self.inputs / BLOCK, length.div_ceil(BLOCK));
        let integers = BLOCK / 2 / BYTES;
        let levels = self.levels.clone().narrow(0, first * integers, blocks * integers);
        let levels = self.pairs.clone().select(0, self.bytes_of(levels)).reshape([blocks, BLOCK]);
        let values = levels * scales.clone().narrow(0, first, blocks);
        values.reshape([blocks * BLOCK]).narrow(0, 0, length).reshape([rows.len(), self.inputs])
    }

    /// Scale of each block in f32, `[blocks, 1]`.
    fn scales(&self) -> Tensor<2> {
        match &self.scales {
            ScaleTensor::Plain(scales) => scales.clone(),
            ScaleTensor::Quantised { levels, scales, mean, table } => {
                let groups = scales.dims()[0];
                let levels = table.clone().select(0, self.bytes_of(levels.clone())).reshape([groups, SCALE_BLOCK]);
                (levels * scales.clone() + *mean).reshape([groups * SCALE_BLOCK, 1])
            }
        }
    }

    /// Bytes of integers, the lowest first, as numbers from 0 to 255: `[integers * 4]`.
    fn bytes_of(&self, integers: Tensor<1, Int>) -> Tensor<1, Int> {
        let [count] = integers.dims();
        let integers = integers.reshape([count, 1]).expand([count, BYTES]);
        let shifted = integers.bitwise_right_shift(self.shifts.clone().expand([count, BYTES]));
        shifted.bitwise_and_scalar(255).reshape([count * BYTES])
    }
}

/// Divides `rows` rows of `width` values, at least 1, into ranges that begin with a whole block. They hold at most
/// `most` values, or as few rows as make up whole blocks.
fn pieces(rows: usize, width: usize, most: usize) -> impl Iterator<Item = Range<usize>> {
    // After this many rows a block ends with a row.
    let unit = (1..=BLOCK).find(|unit| (unit * width).is_multiple_of(BLOCK)).unwrap_or(BLOCK);
    let step = (most / (width * unit)).max(1) * unit;
    (0..rows).step_by(step).map(move |start| start..rows.min(start + step))
}

/// Sends bytes to `device` as `count` integers, the lowest byte first; bytes beyond the last are 0.
fn words(mut bytes: Vec<u8>, count: usize, device: &Device) -> Tensor<1, Int> {
    bytes.resize(count * BYTES, 0);
    let words = bytes.chunks_exact(BYTES).map(|bytes| i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
    Tensor::from_data(TensorData::new(words.collect::<Vec<i32>>(), [count]), (device, DType::I32))
}

/// Joins tensors along `side`, a single one without a copy.
fn joined(mut parts: Vec<Tensor<2>>, side: usize) -> Tensor<2> {
    if parts.len() == 1 { parts.remove(0) } else { Tensor::cat(parts, side) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::read;
    use crate::{PackedWeight, Precision};

    fn weight(count: usize) -> Vec<f32> {
        (0..count).map(|index| ((index * 31) % 1009) as f32 / 504.0 - 1.0).collect()
    }

    #[test]
    #[allow(deprecated)] // Burn's second CPU backend stands for the backends of GPUs.
    fn values_equal_the_packed_weight() {
        for sides in [[1, 1], [3, 7], [200, 96], [5, 65], [300, 64]] {
            for double_quant in [false, true] {
                let weight = weight(sides[0] * sides[1]);
                let packed = PackedWeight::new(&weight, sides, Precision::Nf4 { double_quant, bf16: false });
                let held = Nf4Tensor::new(&weight, sides, double_quant, false, &Device::ndarray());
                assert_eq!(read(held.values()), packed.unpacked(), "{sides:?}");
            }
        }
    }

    #[test]
    fn a_weight_takes_little_more_than_four_bits() {
        let weight = weight(64 * 4096);
        let bits = |double_quant| {
            let held = Nf4Tensor::new(&weight, [64, 4096], double_quant, false, &Device::flex());
            held.bytes() as f64 * 8.0 / weight.len() as f64
        };
        assert!(bits(false) < 4.6, "{}", bits(false));
        assert!(bits(true) < 4.3, "{}", bits(true)); // The tables count 0.09.
    }

    #[test]
    fn pieces_begin_with_whole_blocks_and_are_bounded() {
        for (rows, width) in [(1, 1), (200, 96), (1000, 64), (77, 33), (10, 4096)] {
            let found: Vec<Range<usize>> = pieces(rows, width, 1000).collect();
            assert_eq!(found.iter().flat_map(Clone::clone).collect::<Vec<usize>>(), (0..rows).collect::<Vec<usize>>());
            for piece in &found {
                assert!((piece.start * width).is_multiple_of(BLOCK));
                assert!(piece.len() * width <= 1000.max(BLOCK * width), "{piece:?} of {width}");
            }
        }
        assert_eq!(pieces(0, 4, 1000).count(), 0);
    }
}
