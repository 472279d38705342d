//! What the layers of a decoder need to know about the tokens: rotary angles, and which tokens attend to which.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use burn::tensor::Device;
use stepwise_ops::{AttentionPlan, Segment};

use super::config::{DecoderConfig, Rope};
use crate::nn::angles::Angles;
use crate::packed_sequences::PackedSequences;

/// Plan of one kind of layers.
pub(crate) struct LayerPlan {
    /// Rotary angles of the rows.
    pub angles: Angles,
    /// Rows that each row attends to.
    pub attention: Arc<AttentionPlan>,
}

/// Plan of all layers, made once for a forward pass.
pub(crate) struct DecoderPlan {
    global: LayerPlan,
    /// Plan of the layers with a window; None without such layers.
    local: Option<LayerPlan>,
    /// Whether each layer has a window; empty without such layers.
    is_local: Vec<bool>,
}

/// Rotary angles of rows in all layers.
#[derive(Debug)]
pub(crate) struct LayerAngles {
    global: Angles,
    /// Angles of the layers with a window; None without such layers.
    local: Option<Angles>,
}

impl LayerAngles {
    /// Makes the angles of rows at `positions`, each with time, row and column, counted from 0.
    pub fn new(config: &DecoderConfig, positions: &[[u32; 3]], device: &Device) -> Self {
        let of = |rope: &Rope| angles(rope, config.head_dim, positions, device);
        Self { global: of(&config.rope), local: config.switches.local.as_ref().map(|local| of(&local.rope)) }
    }

    /// Returns the angles of row `row`, counted from 0.
    fn row(&self, row: usize) -> Self {
        Self { global: self.global.row(row), local: self.local.as_ref().map(|local| local.row(row)) }
    }
}

impl DecoderPlan {
    /// Plans a pass over packed sequences.
    ///
    /// # Panics
    /// When the family's image tokens attend in both directions and an image does not lie inside one segment.
    pub fn of(config: &DecoderConfig, layout: &PackedSequences, device: &Device) -> Self {
        Self::new(config, &layout.segments, &layout.tiles, LayerAngles::new(config, &layout.positions, device), 0)
    }

    /// Plans a pass over one new token of a sequence, after `past` cached tokens. The token does not belong to an image.
    /// Its angles are row `row` of `angles`.
    pub fn continued(config: &DecoderConfig, past: usize, angles: &LayerAngles, row: usize) -> Self {
        let whole = [Segment { len: past + 1, parent: None, silent: false }];
        Self::new(config, &whole, &[], angles.row(row), past)
    }

    /// Plans a pass over `segments`, whose first `past` tokens are cached. `tiles` are the rows of each image tile,
    /// `angles` belong to the tokens after the past.
    fn new(
        config: &DecoderConfig,
        segments: &[Segment],
        tiles: &[Range<usize>],
        angles: LayerAngles,
        past: usize,
    ) -> Self {
        let switches = &config.switches;
        let blocks = if switches.image_blocks { tiles } else { &[] };
        let plan = |angles: Angles, window: Option<usize>| {
            let attention = AttentionPlan::new(segments, true, past).with_bidirectional(blocks);
            let attention = match window {
                Some(window) => attention.with_window(window),
                None => attention,
            };
            LayerPlan { angles, attention: Arc::new(attention) }
        };
        let local = switches.local.as_ref().zip(angles.local).map(|(local, angles)| plan(angles, Some(local.window)));
        Self {
            global: plan(angles.global, None),
            local,
            is_local: switches.local.as_ref().map_or_else(Vec::new, |local| local.layers.clone()),
        }
    }

    /// Returns the plan of layer `index`, counted from 0.
    pub fn layer(&self, index: usize) -> &LayerPlan {
        let is_local = self.is_local.get(index).copied().unwrap_or(false);
        self.local.as_ref().filter(|_| is_local).unwrap_or(&self.global)
    }
}

/// Returns the rotary angles (Su et al. 2021) of tokens at `positions`, each with time, row and column, counted from 0. An
/// angle is the position on the axis of its frequency times the frequency.
fn angles(rope: &Rope, head_dim: usize, positions: &[[u32; 3]], device: &Device) -> Angles {
    let frequencies: Vec<f32> = Angles::frequencies(rope.theta, head_dim).iter().map(|f| f / rope.factor).collect();
    let axes: Vec<usize> = (0..frequencies.len()).map(|index| rope.axes.axis(index)).collect();
    let angle = |position: &[u32; 3]| {
        let each: Vec<f32> = axes.iter().zip(&frequencies).map(|(axis, f)| position[*axis] as f32 * f).collect();
        each
    };
    // Many rows of a tree have equal positions; cosines and sines are computed once for each.
    let (mut places, mut distinct) = (HashMap::new(), Vec::new());
    let mut place_of = |position: &[u32; 3]| {
        *places.entry(*position).or_insert_with(|| {
            distinct.push(*position);
            distinct.len() - 1
        })
    };
    let rows: Vec<usize> = positions.iter().map(&mut place_of).collect();
    let values: Vec<f32> = distinct.iter().flat_map(angle).collect();
    let angles = Angles::new(&values, frequencies.len(), device);
    if distinct.len() == rows.len() { angles } else { angles.select(&rows) }
}
