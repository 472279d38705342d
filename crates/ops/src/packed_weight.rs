//! Frozen weights of linear layers in a memory layout for fast products, in f32, bf16 or NF4.
#![allow(unsafe_code)] // Tasks write disjoint tiles of one buffer; bounds are checked before.

use rayon::prelude::*;

use crate::matmul::Shared;
use crate::nf4::Nf4;
use crate::simd;
use crate::tile::{COLUMNS, Lane, Pair, ROWS, interleave, tile};

/// Number format in which a [`PackedWeight`] stores its values and computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// 32-bit floats; products are computed in f32.
    F32,
    /// Values rounded to bf16. On processors with AVX512-BF16 the other operand of a product is rounded to bf16 too;
    /// elsewhere it stays f32. Sums are always f32.
    Bf16,
    /// Values quantised to NF4 (Dettmers et al. 2023, QLoRA) in blocks of 64, dequantised panel by panel during
    /// a product.
    Nf4 {
        /// Whether the scales of the blocks are stored in eight bits (double quantisation) instead of f32.
        double_quant: bool,
        /// Whether products compute as with [`Precision::Bf16`]; false computes in f32.
        bf16: bool,
    },
}

/// Frozen weight of a linear layer, `[outputs, inputs]`. It is stored in panels of 32 outputs (NF4: row by row) and in
/// no other form.
#[derive(Clone, Debug)]
pub struct PackedWeight {
    outputs: usize,
    inputs: usize,
    precision: Precision,
    values: Values,
}

/// Stored values. Panels are `[outputs / COLUMNS, rounded up][inputs / DEPTH, rounded up][COLUMNS]`; NF4 is row by row.
#[derive(Clone, Debug)]
enum Values {
    F32(Vec<f32>),
    Bf16(Vec<Pair>),
    Nf4(Nf4),
}

impl PackedWeight {
    /// Packs `weight`, `[outputs, inputs]` row by row, in the given precision.
    ///
    /// # Panics
    /// When `weight` does not have `outputs * inputs` values.
    #[must_use]
    pub fn new(weight: &[f32], [outputs, inputs]: [usize; 2], precision: Precision) -> Self {
        assert_eq!(weight.len(), outputs * inputs, "one value per output and input");
        let values = match precision {
            Precision::F32 => Values::F32(panels(weight, outputs, inputs)),
            Precision::Bf16 => Values::Bf16(panels(weight, outputs, inputs)),
            Precision::Nf4 { double_quant, .. } => Values::Nf4(Nf4::new(weight, double_quant)),
        };
        Self { outputs, inputs, precision, values }
    }

    /// Returns the shape of the weight, `[outputs, inputs]`.
    #[must_use]
    pub fn sides(&self) -> [usize; 2] {
        [self.outputs, self.inputs]
    }

    /// Returns the number format that was given to [`PackedWeight::new`].
    #[must_use]
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Returns the memory of the stored values in bytes, including padding and the scales of NF4.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match &self.values {
            Values::F32(values) => size_of_val(&values[..]),
            Values::Bf16(values) => size_of_val(&values[..]),
            Values::Nf4(values) => values.bytes(),
        }
    }

    /// Returns the weight in f32, `[outputs, inputs]` row by row. Rounding by bf16 or NF4 remains.
    #[must_use]
    pub fn unpacked(&self) -> Vec<f32> {
        let mut weight = vec![0.0; self.outputs * self.inputs];
        if self.inputs > 0 {
            weight.par_chunks_exact_mut(self.inputs).enumerate().for_each(|(output, row)| self.read(output, 0, row));
        }
        weight
    }

    /// Fills `out` with the values of row `output` from input `first` on.
    #[inline(always)]
    fn read(&self, output: usize, first: usize, out: &mut [f32]) {
        let (panel, column) = (output / COLUMNS, output % COLUMNS);
        match &self.values {
            Values::F32(values) => {
                let row = values[(panel * self.inputs + first) * COLUMNS + column..].iter().step_by(COLUMNS);
                out.iter_mut().zip(row).for_each(|(out, value)| *out = *value);
            }
            Values::Bf16(values) => {
                for (input, out) in (first..).zip(out) {
                    let pair = values[(panel * self.inputs.div_ceil(2) + input / 2) * COLUMNS + column];
                    *out = pair.halves()[input % 2];
                }
            }
            Values::Nf4(values) => values.read(output * self.inputs + first, out),
        }
    }

    /// Returns `x weight^T + bias`, `[tokens, outputs]` row by row, for `x`, `[tokens, inputs]`. `bias` is `[outputs]`;
    /// None adds nothing. `added` holds `left`, `[tokens, rank]`, and `right`, `[outputs, rank]`, of a LoRA adapter;
    /// `left right^T` is added to the result, nothing for None.
    ///
    /// # Panics
    /// When `x`, `bias` or `left` has another size.
    pub(crate) fn forward(
        &self,
        x: &[f32],
        tokens: usize,
        bias: Option<&[f32]>,
        added: Option<(&[f32], &[f32])>,
    ) -> Vec<f32> {
        let rank = added.map_or(0, |(_, right)| right.len() / self.outputs.max(1));
        let panel = |panel: usize, out: &mut [f32]| {
            let (first, right) = (panel * COLUMNS, added.map_or(&[][..], |(_, right)| right));
            let rows = COLUMNS.min(self.outputs - first);
            interleave::<_, COLUMNS>(&right[first * rank..], rows, rank, rank, out);
        };
        let added = added.map(|(left, _)| Added::new(left, rank, tokens, &panel));
        let product = Product { tokens, inner: self.inputs, columns: self.outputs, bias, added };
        match &self.values {
            Values::F32(values) => product.run(x, &Right::Ready(values)),
            Values::Bf16(values) if Pair::native() => product.run(x, &Right::Ready(values)),
            Values::Bf16(values) => {
                let lanes = self.inputs.div_ceil(2) * COLUMNS;
                let widen = |panel: usize, out: &mut [f32]| {
                    for (index, pair) in values[panel * lanes..(panel + 1) * lanes].iter().enumerate() {
                        let (lane, column) = (index / COLUMNS, index % COLUMNS);
                        for (half, value) in pair.halves().into_iter().enumerate().take(self.inputs - lane * 2) {
                            out[(lane * 2 + half) * COLUMNS + column] = value;
                        }
                    }
                };
                product.run(x, &Right::Made(&widen))
            }
            Values::Nf4(values) => match self.precision {
                Precision::Nf4 { bf16: true, .. } if Pair::native() => {
                    product.run(x, &Right::Made(&|panel, out: &mut [Pair]| self.panel(values, panel, out)))
                }
                _ => product.run(x, &Right::Made(&|panel, out: &mut [f32]| self.panel(values, panel, out))),
            },
        }
    }

    /// Returns `d weight`, `[tokens, inputs]` row by row: the gradient with respect to the layer's input, for the
    /// gradient `d` of its output, `[tokens, outputs]`. `added` holds `left`, `[tokens, rank]`, and `right`, `[rank,
    /// inputs]`, of a LoRA adapter; `left right` is added to the result, nothing for None.
    ///
    /// # Panics
    /// When `d` or `left` has another size.
    pub(crate) fn backward(&self, d: &[f32], tokens: usize, added: Option<(&[f32], &[f32])>) -> Vec<f32> {
        let rank = added.map_or(0, |(_, right)| right.len() / self.inputs.max(1));
        let panel = |panel: usize, out: &mut [f32]| {
            let columns = panel * COLUMNS..self.inputs.min((panel + 1) * COLUMNS);
            for (row, out) in out.chunks_exact_mut(COLUMNS).enumerate() {
                let right = added.map_or(&[][..], |(_, right)| right);
                out[..columns.len()].copy_from_slice(&right[row * self.inputs..][columns.clone()]);
            }
        };
        let added = added.map(|(left, _)| Added::new(left, rank, tokens, &panel));
        let product = Product { tokens, inner: self.outputs, columns: self.inputs, bias: None, added };
        match &self.values {
            Values::F32(values) => {
                product.run(d, &Right::Made(&|panel, out: &mut [f32]| self.turn(values, panel, out)))
            }
            Values::Bf16(values) if Pair::native() => {
                product.run(d, &Right::Made(&|panel, out: &mut [Pair]| self.turn_pairs(values, panel, out)))
            }
            Values::Nf4(_) if matches!(self.precision, Precision::Nf4 { bf16: true, .. }) && Pair::native() => {
                let made = |panel: usize, out: &mut [Pair]| {
                    let columns = panel * COLUMNS..self.inputs.min((panel + 1) * COLUMNS);
                    for (lane, out) in out.chunks_exact_mut(COLUMNS).enumerate() {
                        let mut rows = [[0.0; COLUMNS]; 2];
                        for (output, row) in (lane * 2..self.outputs).zip(&mut rows) {
                            self.read(output, columns.start, &mut row[..columns.len()]);
                        }
                        for (column, out) in out.iter_mut().enumerate() {
                            *out = Pair::new(rows[0][column], rows[1][column]);
                        }
                    }
                };
                product.run(d, &Right::Made(&made))
            }
            Values::Bf16(_) | Values::Nf4(_) => {
                let made = |panel: usize, out: &mut [f32]| {
                    let columns = panel * COLUMNS..self.inputs.min((panel + 1) * COLUMNS);
                    for (output, out) in out.chunks_exact_mut(COLUMNS).enumerate() {
                        self.read(output, columns.start, &mut out[..columns.len()]);
                    }
                };
                product.run(d, &Right::Made(&made))
            }
        }
    }

    /// Fills `out` with a panel of outputs, dequantised from NF4 rows.
    fn panel<L: Lane>(&self, values: &Nf4, panel: usize, out: &mut [L]) {
        let first = panel * COLUMNS;
        let rows = COLUMNS.min(self.outputs - first);
        let mut read = vec![0.0; rows * self.inputs];
        values.read(first * self.inputs, &mut read);
        interleave::<_, COLUMNS>(&read, rows, self.inputs, self.inputs, out);
    }

    /// Fills `out` with a panel of inputs, `[outputs][COLUMNS]`, from panels of outputs.
    fn turn(&self, values: &[f32], panel: usize, out: &mut [f32]) {
        let inputs = panel * COLUMNS..self.inputs.min((panel + 1) * COLUMNS);
        for (block, out) in out.chunks_mut(COLUMNS * COLUMNS).enumerate() {
            let from = &values[(block * self.inputs + inputs.start) * COLUMNS..][..inputs.len() * COLUMNS];
            for (output, out) in out.chunks_exact_mut(COLUMNS).enumerate() {
                for (out, value) in out.iter_mut().zip(from[output..].iter().step_by(COLUMNS)) {
                    *out = *value;
                }
            }
        }
    }

    /// [`PackedWeight::turn`] for bf16 pairs, `[outputs / 2, rounded up][COLUMNS]`: pairs of neighbouring inputs become
    /// pairs of neighbouring outputs.
    fn turn_pairs(&self, values: &[Pair], panel: usize, out: &mut [Pair]) {
        let lanes = self.inputs.div_ceil(2);
        let inputs = panel * COLUMNS / 2..lanes.min((panel + 1) * COLUMNS / 2);
        for (block, out) in out.chunks_mut(COLUMNS * COLUMNS / 2).enumerate() {
            let from = &values[(block * lanes + inputs.start) * COLUMNS..][..inputs.len() * COLUMNS];
            for (output, out) in out.chunks_exact_mut(COLUMNS).enumerate() {
                let rows = from[output * 2..].chunks(COLUMNS);
                for (out, row) in out.chunks_exact_mut(2).zip(rows) {
                    let ([a, b], [c, d]) = (row[0].halves(), row[1].halves());
                    (out[0], out[1]) = (Pair::new(a, c), Pair::new(b, d));
                }
            }
        }
    }
}

/// Packs `weight`, `[outputs, inputs]`, into panels of outputs.
fn panels<L: Lane>(weight: &[f32], outputs: usize, inputs: usize) -> Vec<L> {
    let lanes = inputs.div_ceil(L::DEPTH);
    let mut out = vec![L::default(); outputs.div_ceil(COLUMNS) * lanes * COLUMNS];
    if lanes > 0 {
        out.par_chunks_exact_mut(lanes * COLUMNS).enumerate().for_each(|(panel, out)| {
            let rows = COLUMNS.min(outputs - panel * COLUMNS);
            interleave::<_, COLUMNS>(&weight[panel * COLUMNS * inputs..], rows, inputs, inputs, out);
        });
    }
    out
}

/// Right operand of a product, panel by panel.
enum Right<'a, L> {
    /// All panels, packed already.
    Ready(&'a [L]),
    /// Function that fills a buffer with the panel of the given number. The buffer is zero before its first use.
    Made(&'a (dyn Fn(usize, &mut [L]) + Sync)),
}

/// Second product with a short inner side (LoRA), added to each tile of the first right after the tile is computed.
struct Added<'a> {
    /// `[tokens / ROWS, rounded up][rank][ROWS]`.
    left: Vec<f32>,
    rank: usize,
    /// Function that fills a panel of the right operand, `[rank][COLUMNS]`.
    panel: &'a (dyn Fn(usize, &mut [f32]) + Sync),
}

impl<'a> Added<'a> {
    /// `left` is `[tokens, rank]`.
    fn new(left: &[f32], rank: usize, tokens: usize, panel: &'a (dyn Fn(usize, &mut [f32]) + Sync)) -> Self {
        assert_eq!(left.len(), tokens * rank, "the left operand is [tokens, rank]");
        let mut packed = vec![0.0; tokens.div_ceil(ROWS) * rank * ROWS];
        interleave::<_, ROWS>(left, tokens, rank, rank, &mut packed);
        Self { left: packed, rank, panel }
    }
}

/// Sizes of a product, and the bias and second product that are added to it.
struct Product<'a> {
    tokens: usize,
    inner: usize,
    columns: usize,
    /// One value per column.
    bias: Option<&'a [f32]>,
    added: Option<Added<'a>>,
}

impl Product<'_> {
    /// Returns `left right + bias`, `[tokens, columns]`; `left` is `[tokens, inner]`.
    fn run<L: Lane>(&self, left: &[f32], right: &Right<'_, L>) -> Vec<f32> {
        assert_eq!(left.len(), self.tokens * self.inner, "the left operand is [tokens, inner]");
        assert!(self.bias.is_none_or(|bias| bias.len() == self.columns), "one bias value per column");
        let lanes = self.inner.div_ceil(L::DEPTH);
        let tiles = self.tokens.div_ceil(ROWS);
        if tiles == 0 || self.columns == 0 {
            return Vec::new();
        }
        let mut packed = L::buffers().take(tiles * lanes * ROWS);
        packed.par_chunks_mut((lanes * ROWS).max(1)).with_min_len(4).enumerate().for_each(|(tile, packed)| {
            let first = tile * ROWS;
            let rows = ROWS.min(self.tokens - first);
            interleave::<_, ROWS>(&left[first * self.inner..], rows, self.inner, self.inner, packed);
        });
        let panels = self.columns.div_ceil(COLUMNS);
        // Every task makes its panel anew, so rows are divided only as far as needed to occupy all threads.
        let parts = (rayon::current_num_threads() * 3).div_ceil(panels).min(tiles);
        let part = tiles.div_ceil(parts);
        let length = self.tokens * self.columns;
        let mut out = Vec::with_capacity(length);
        let shared = Shared::spare(&mut out, length);
        let buffers = || (Vec::new(), Vec::new());
        (0..panels * parts).into_par_iter().with_max_len(1).for_each_init(buffers, |(buffer, short), task| {
            let (panel, part_start) = (task / parts, task % parts * part);
            let right = match right {
                Right::Ready(values) => &values[panel * lanes * COLUMNS..(panel + 1) * lanes * COLUMNS],
                Right::Made(make) => {
                    buffer.resize(lanes * COLUMNS, L::default());
                    make(panel, buffer);
                    &buffer[..]
                }
            };
            if let Some(added) = &self.added {
                short.resize(added.rank * COLUMNS, 0.0);
                (added.panel)(panel, short);
            }
            for tile in part_start..tiles.min(part_start + part) {
                let left = &packed[tile * lanes * ROWS..(tile + 1) * lanes * ROWS];
                self.tile(left, right, short, &shared, tile * ROWS, panel * COLUMNS);
            }
        });
        L::buffers().give(packed);
        // SAFETY: every tile of every panel is written.
        unsafe { out.set_len(length) };
        out
    }

    /// Computes the tile with its first value at `row` and `column` of the target. No other task computes this tile.
    fn tile<L: Lane>(&self, left: &[L], right: &[L], short: &[f32], out: &Shared<'_>, row: usize, column: usize) {
        let (rows, columns) = (ROWS.min(self.tokens - row), COLUMNS.min(self.columns - column));
        let lanes = left.len() / ROWS;
        if (rows, columns) == (ROWS, COLUMNS) {
            let target = out.pointer(row * self.columns + column, (ROWS - 1) * self.columns + COLUMNS);
            // SAFETY: operands hold `lanes`; the target's bounds are checked above, and only this task writes it.
            unsafe { L::tile_at(lanes, left.as_ptr(), right.as_ptr(), target, self.columns, false) };
            if let Some(Added { left, rank, .. }) = &self.added {
                let left = &left[row * rank..(row + ROWS) * rank];
                // SAFETY: as above; `short` is `[rank][COLUMNS]`.
                unsafe { f32::tile_at(*rank, left.as_ptr(), short.as_ptr(), target, self.columns, true) };
            }
        } else {
            let mut whole = [0.0; ROWS * COLUMNS];
            // SAFETY: as above; the target is a buffer of one tile.
            unsafe { L::tile_at(lanes, left.as_ptr(), right.as_ptr(), whole.as_mut_ptr(), COLUMNS, false) };
            if let Some(Added { left, rank, .. }) = &self.added {
                tile(*rank, &left[row * rank..], short, &mut whole, COLUMNS, true);
            }
            for (index, line) in whole.chunks_exact(COLUMNS).take(rows).enumerate() {
                let target = out.pointer((row + index) * self.columns + column, columns);
                // SAFETY: the target's bounds are checked above, and only this task writes it.
                unsafe { target.copy_from_nonoverlapping(line.as_ptr(), columns) };
            }
        }
        if let Some(bias) = self.bias {
            for index in 0..rows {
                // SAFETY: written above, and only this task uses it.
                let target = unsafe { out.slice((row + index) * self.columns + column, columns) };
                simd::add_scaled(target, &bias[column..column + columns], 1.0);
            }
        }
    }
}

#[cfg(test)]
mod tests;
