//! What the layers of a decoder need to know about the tokens: rotary angles, and which tokens attend to which.

use std::ops::Range;
use std::sync::Arc;

use burn::tensor::Device;
use stepwise_ops::{AttentionPlan, Segment};

use super::config::{DecoderConfig, LocalLayers, Rope};
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

impl DecoderPlan {
    /// Plans a pass over packed sequences.
    ///
    /// # Panics
    /// When the family's image tokens attend in both directions and an image does not lie inside one segment.
    pub fn of(config: &DecoderConfig, layout: &PackedSequences, device: &Device) -> Self {
        Self::new(config, &layout.segments, &layout.tiles, &layout.positions, 0, device)
    }

    /// Plans a pass over `new` tokens of one sequence at `positions`, after `past` cached tokens. No image lies among the new
    /// tokens.
    pub fn continued(config: &DecoderConfig, past: usize, positions: &[[u32; 3]], device: &Device) -> Self {
        let whole = [Segment { len: past + positions.len(), parent: None, silent: false }];
        Self::new(config, &whole, &[], positions, past, device)
    }

    /// Plans a pass over `segments`, whose first `past` tokens are cached. `tiles` are the rows of each image tile,
    /// `positions` belong to the tokens after the past.
    fn new(
        config: &DecoderConfig,
        segments: &[Segment],
        tiles: &[Range<usize>],
        positions: &[[u32; 3]],
        past: usize,
        device: &Device,
    ) -> Self {
        let switches = &config.switches;
        let blocks = if switches.image_blocks { tiles } else { &[] };
        let plan = |rope: &Rope, window: Option<usize>| {
            let attention = AttentionPlan::new(segments, true, past).with_bidirectional(blocks);
            let attention = match window {
                Some(window) => attention.with_window(window),
                None => attention,
            };
            LayerPlan { angles: angles(rope, config.head_dim, positions, device), attention: Arc::new(attention) }
        };
        let local = |local: &LocalLayers| plan(&local.rope, Some(local.window));
        Self {
            global: plan(&config.rope, None),
            local: switches.local.as_ref().map(local),
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
    let angles: Vec<f32> = positions.iter().flat_map(angle).collect();
    Angles::new(&angles, frequencies.len(), device)
}
