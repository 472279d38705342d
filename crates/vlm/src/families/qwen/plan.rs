//! Plan of the image encoder: order, attention and rotary angles of the patches.

use std::sync::Arc;

use burn::tensor::{Device, Int};
use stepwise_ops::{AttentionPlan, row_of};

use super::order::PatchOrder;
use crate::encoder::{EncoderPlan, EncoderShape, TileSizes};
use crate::nn::angles::Angles;

/// Base of the frequencies of the encoder's rotary positions, a constant in transformers.
const THETA: f64 = 10_000.0;

/// Plans the computation for tiles of these sizes. `side` is the side of an attention window in features; None plans no
/// windows.
pub(crate) fn plan(shape: &EncoderShape, sizes: Vec<TileSizes>, side: Option<usize>, device: &Device) -> EncoderPlan {
    let EncoderShape { patch_size, merge_size, .. } = *shape;
    let (mut places, mut order, mut restore) = (Vec::new(), Vec::new(), Vec::new());
    let (mut lengths, mut windows) = (Vec::new(), Vec::new());
    for [tiles, height, width] in &sizes {
        let [rows, columns] = [height, width].map(|length| length / (patch_size * merge_size));
        let tile = PatchOrder::new(rows, columns, merge_size, side);
        for _ in 0..*tiles {
            let (patches, cells) = (order.len(), restore.len());
            let index = |[row, column]: &[usize; 2]| (patches + row * columns * merge_size + column) as i64;
            order.extend(tile.patches.iter().map(index));
            restore.extend(tile.cells.iter().map(|place| (cells + place) as i64));
            places.extend_from_slice(&tile.patches);
            lengths.push(tile.patches.len());
            windows.extend_from_slice(&tile.windows);
        }
    }
    let indices = |values: Vec<i64>| row_of::<Int>(values, device);
    EncoderPlan {
        sizes,
        whole: Arc::new(AttentionPlan::sequences(&lengths, false)),
        rows: lengths,
        windows: side.map(|_| Arc::new(AttentionPlan::sequences(&windows, false))),
        angles: Some(angles(shape, &places, device)),
        order: Some(indices(order)),
        restore: side.map(|_| indices(restore)),
    }
}

/// Rotary angles of patches at `places`, rows and columns: half of a head's pairs turn by the row, half by the column.
fn angles(shape: &EncoderShape, places: &[[usize; 2]], device: &Device) -> Angles {
    let half = shape.hidden_size / shape.num_attention_heads / 2;
    let frequencies = Angles::frequencies(THETA, half);
    let angles: Vec<f32> = places
        .iter()
        .flatten()
        .flat_map(|place| frequencies.iter().map(move |frequency| *place as f32 * frequency))
        .collect();
    Angles::new(&angles, half, device)
}
