//! SigLIP image encoder (Zhai et al. 2023) as used in Idefics3.

use std::sync::Arc;

use burn::tensor::{Int, Tensor};
use stepwise_ops::{AttentionPlan, row_of};

use super::config::Config;
use crate::encoder::{EncoderShape, layer_of};
use crate::nn::checkpointing::Block;
use crate::nn::layers::{LayerNorm, Table};
use crate::nn::parameter::{Parameter, ParameterVisitor, Pass};
use crate::nn::source::{Source, WeightError};
use crate::patches::embedded_patches;
use crate::vit::{Activation, VitLayer};

/// Module name of the image encoder.
const TOWER: &str = "model.vision_model";

/// Image encoder: one output feature per patch.
#[derive(Clone, Debug)]
pub(crate) struct VisionTower {
    shape: EncoderShape,
    /// Places along a side of the position table.
    side: usize,
    patch_name: String,
    /// Kernel of the patch embedding, `[hidden, channels, patch, patch]`.
    patch_weight: Parameter<4>,
    patch_bias: Parameter<1>,
    positions: Table,
    /// Layers in order of computation.
    pub layers: Vec<VitLayer>,
    final_norm: LayerNorm,
}

impl VisionTower {
    /// Reads the image encoder's weights from `source`.
    ///
    /// # Errors
    /// When a tensor is missing, cannot be read, or has another shape than `config` requires.
    pub fn read(source: &mut dyn Source, shape: &EncoderShape, config: &Config) -> Result<Self, WeightError> {
        let (width, patch, epsilon) = (shape.hidden_size, shape.patch_size, config.layer_norm_eps);
        let patch_name = format!("{TOWER}.embeddings.patch_embedding");
        let patch_weight = source.kernel(&format!("{patch_name}.weight"), [width, 3, patch, patch])?;
        let patch_bias = source.vector(&format!("{patch_name}.bias"), width)?;
        let side = config.image_size / patch;
        let positions = Table::read(source, format!("{TOWER}.embeddings.position_embedding"), [side * side, width])?;
        let layers = (0..shape.num_hidden_layers)
            .map(|layer| {
                VitLayer::read(source, &format!("{TOWER}.encoder.layers.{layer}"), shape, Activation::GeluTanh, epsilon)
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            shape: *shape,
            side,
            patch_name,
            patch_weight: Parameter::frozen(patch_weight),
            patch_bias: Parameter::frozen(patch_bias),
            positions,
            layers,
            final_norm: LayerNorm::read(source, format!("{TOWER}.post_layernorm"), width, epsilon)?,
        })
    }

    /// Returns layers and final norm as functions of hidden states. `plan` has one sequence per tile.
    pub fn blocks<'a>(&'a self, plan: &'a Arc<AttentionPlan>) -> Vec<Block<'a>> {
        let layers = self.layers.iter();
        let layers = layers.map(|layer| -> Block<'a> { Box::new(move |x, pass| layer.forward(x, plan, pass)) });
        let last: Block<'a> = Box::new(move |x, pass| self.final_norm.forward(x, pass));
        layers.chain([last]).collect()
    }

    /// Returns the number of functions that [`VisionTower::blocks`] returns.
    pub fn block_count(&self) -> usize {
        self.layers.len() + 1
    }

    /// Returns the index, in [`VisionTower::blocks`], of the block to which the parameter `name` belongs; None for a parameter of
    /// the embedding.
    pub fn block_of(&self, name: &str) -> Option<usize> {
        let is_norm = name.strip_prefix(TOWER).is_some_and(|name| name.starts_with(".post_layernorm."));
        layer_of(&format!("{TOWER}.encoder.layers"), name).or(is_norm.then_some(self.layers.len()))
    }

    /// Returns patch plus position embeddings, `[tiles * patches, hidden]`, patches row by row, for normalised pixels
    /// `[tiles, 3, height, width]`.
    pub fn embed(&self, pixels: Tensor<4>, pass: &Pass) -> Tensor<2> {
        let [tiles, _, height, width] = pixels.dims();
        let x = embedded_patches(&pixels, self.patch_weight.read(pass), Some(self.patch_bias.read(pass)));
        let places = place_ids([height, width].map(|side| side / self.shape.patch_size), self.side).repeat(tiles);
        let places = row_of::<Int>(places, &x.device().without_autodiff());
        x + self.positions.weight.read(pass).select(0, places)
    }

    /// Calls `visitor` for every parameter, in a fixed order.
    pub fn visit(&mut self, visitor: &mut impl ParameterVisitor) {
        visitor.visit(&format!("{}.weight", self.patch_name), &mut self.patch_weight);
        visitor.visit(&format!("{}.bias", self.patch_name), &mut self.patch_bias);
        self.positions.visit(visitor);
        for layer in &mut self.layers {
            layer.visit(visitor);
        }
        self.final_norm.visit(visitor);
    }
}

/// Row of the position table, which has `side` x `side` places, for each patch of a tile of `rows` x `columns` patches. A
/// patch at fraction f of a side takes the place whose interval contains f.
fn place_ids([rows, columns]: [usize; 2], side: usize) -> Vec<i64> {
    let place = |patch| bucket(patch / columns, rows, side) * side + bucket(patch % columns, columns, side);
    (0..rows * columns).map(|patch| place(patch) as i64).collect()
}

/// Index of the interval of width `1 / side` that contains the fraction `index / count`. Computed in `f32` like
/// transformers; a fraction on a boundary belongs to the upper interval.
fn bucket(index: usize, count: usize, side: usize) -> usize {
    let fraction = (index as f32 * (1.0 / count as f32)).min(1.0 - 1e-6);
    (1..side).take_while(|boundary| (*boundary as f64 / side as f64) as f32 <= fraction).count()
}
