//! SigLIP image encoder (Zhai et al. 2023) as used in Idefics3.

use std::sync::Arc;

use burn::tensor::{Int, Tensor, TensorData};
use stepwise_ops::{AttentionPlan, attention, gelu_tanh};

use super::config::VisionConfig;
use crate::nn::checkpointing::Block;
use crate::nn::layers::{LayerNorm, Linear, Table};
use crate::nn::parameter::{Parameter, ParameterVisitor, Pass};
use crate::nn::source::{Source, WeightError};

/// Image encoder: one output feature per patch.
#[derive(Clone, Debug)]
pub(crate) struct VisionTower {
    config: VisionConfig,
    patch_name: String,
    /// Kernel of the patch embedding, `[hidden, channels, patch, patch]`.
    patch_weight: Parameter<4>,
    patch_bias: Parameter<1>,
    positions: Table,
    /// Layers in order of computation.
    pub layers: Vec<VisionLayer>,
    final_norm: LayerNorm,
}

/// Image encoder layer: attention, then feed-forward, each after a normalisation and with a residual connection.
#[derive(Clone, Debug)]
pub(crate) struct VisionLayer {
    norm1: LayerNorm,
    /// Projection to queries.
    pub q: Linear,
    /// Projection to keys.
    pub k: Linear,
    /// Projection to values.
    pub v: Linear,
    /// Projection of the attention output to the hidden state.
    pub out: Linear,
    norm2: LayerNorm,
    /// Projection into the feed-forward part.
    pub fc1: Linear,
    /// Projection of the feed-forward part back to the hidden state.
    pub fc2: Linear,
    heads: usize,
}

impl VisionTower {
    /// Reads the image encoder's weights from `source`.
    ///
    /// # Errors
    /// When a tensor is missing, cannot be read, or has another shape than `config` requires.
    pub fn read(source: &mut dyn Source, config: &VisionConfig) -> Result<Self, WeightError> {
        let prefix = "model.vision_model";
        let (width, patch, channels) = (config.hidden_size, config.patch_size, config.num_channels);
        let patch_name = format!("{prefix}.embeddings.patch_embedding");
        let patch_weight = source.kernel(&format!("{patch_name}.weight"), [width, channels, patch, patch])?;
        let patch_bias = source.vector(&format!("{patch_name}.bias"), width)?;
        let places = config.patches_per_side().pow(2);
        let positions = Table::read(source, format!("{prefix}.embeddings.position_embedding"), [places, width])?;
        let layers = (0..config.num_hidden_layers)
            .map(|layer| VisionLayer::read(source, format!("{prefix}.encoder.layers.{layer}"), config))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            config: config.clone(),
            patch_name,
            patch_weight: Parameter::frozen(patch_weight),
            patch_bias: Parameter::frozen(patch_bias),
            positions,
            layers,
            final_norm: LayerNorm::read(
                source,
                format!("{prefix}.post_layernorm"),
                width,
                config.layer_norm_eps as f32,
            )?,
        })
    }

    /// Returns features, `[tiles * patches, hidden]`, patches row by row, for normalised pixels
    /// `[tiles, channels, height, width]`. `valid` holds for each tile and patch whether it contains image (Idefics3's
    /// patch attention mask); None means that all do.
    pub fn forward(&self, pixels: Tensor<4>, valid: Option<&[Vec<bool>]>, pass: &Pass) -> Tensor<2> {
        let embedded = self.embed(pixels.clone(), valid, pass);
        let [tiles, _, height, width] = pixels.dims();
        let patches = (height / self.config.patch_size) * (width / self.config.patch_size);
        let packing = valid.map(Packing::new);
        let (mut x, plan) = match &packing {
            None => (embedded, AttentionPlan::sequences(&vec![patches; tiles], false)),
            Some(packing) => (embedded.clone().select(0, packing.order(&embedded)), packing.plan()),
        };
        let plan = Arc::new(plan);
        for layer in &self.layers {
            x = layer.forward(x, &plan, pass);
        }
        let x = self.final_norm.forward(x, pass);
        match &packing {
            None => x,
            Some(packing) => x.clone().select(0, packing.back(&x)),
        }
    }

    /// Returns layers and final norm of [`VisionTower::forward`] as blocks for gradient checkpointing. `plan` has one
    /// sequence per tile, so the blocks serve tiles without padding.
    pub fn blocks<'a>(&'a self, plan: &'a Arc<AttentionPlan>) -> Vec<Block<'a>> {
        let layers = self.layers.iter();
        let layers = layers.map(|layer| -> Block<'a> { Box::new(move |x, pass| layer.forward(x, plan, pass)) });
        let last: Block<'a> = Box::new(move |x, pass| self.final_norm.forward(x, pass));
        layers.chain([last]).collect()
    }

    /// Returns patch plus position embeddings, `[tiles * patches, hidden]`. Arguments as in [`VisionTower::forward`].
    pub fn embed(&self, pixels: Tensor<4>, valid: Option<&[Vec<bool>]>, pass: &Pass) -> Tensor<2> {
        let [tiles, channels, height, width] = pixels.dims();
        let patch = self.config.patch_size;
        let (rows, columns) = (height / patch, width / patch);
        let patches = pixels
            .reshape([tiles, channels, rows, patch, columns, patch])
            .permute([0, 2, 4, 1, 3, 5]) // [tiles, rows, columns, channels, patch, patch]
            .reshape([tiles * rows * columns, channels * patch * patch]);
        let weight = self.patch_weight.read(pass).reshape([self.config.hidden_size, channels * patch * patch]);
        let x = stepwise_ops::linear(patches, weight, Some(self.patch_bias.read(pass)));
        let side = self.config.patches_per_side();
        let places: Vec<i64> = (0..tiles)
            .flat_map(|tile| match valid {
                Some(valid) => place_ids(&valid[tile], [rows, columns], side),
                None => place_ids(&vec![true; rows * columns], [rows, columns], side),
            })
            .collect();
        let length = places.len();
        let places = Tensor::<1, Int>::from_data(TensorData::new(places, [length]), &x.device().without_autodiff());
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

impl VisionLayer {
    fn read(source: &mut dyn Source, prefix: String, config: &VisionConfig) -> Result<Self, WeightError> {
        let (width, inner, epsilon) = (config.hidden_size, config.intermediate_size, config.layer_norm_eps as f32);
        let mut square = |part: &str| Linear::read(source, format!("{prefix}.self_attn.{part}"), [width; 2], true);
        let (q, k, v, out) = (square("q_proj")?, square("k_proj")?, square("v_proj")?, square("out_proj")?);
        Ok(Self {
            norm1: LayerNorm::read(source, format!("{prefix}.layer_norm1"), width, epsilon)?,
            q,
            k,
            v,
            out,
            norm2: LayerNorm::read(source, format!("{prefix}.layer_norm2"), width, epsilon)?,
            fc1: Linear::read(source, format!("{prefix}.mlp.fc1"), [width, inner], true)?,
            fc2: Linear::read(source, format!("{prefix}.mlp.fc2"), [inner, width], true)?,
            heads: config.num_attention_heads,
        })
    }

    fn forward(&self, x: Tensor<2>, plan: &Arc<AttentionPlan>, pass: &Pass) -> Tensor<2> {
        let y = self.norm1.forward(x.clone(), pass);
        let q = self.q.forward(y.clone(), pass);
        let k = self.k.forward(y.clone(), pass);
        let v = self.v.forward(y, pass);
        let x = x + self.out.forward(attention(q, k, v, plan, self.heads, self.heads), pass);
        let y = gelu_tanh(self.fc1.forward(self.norm2.forward(x.clone(), pass), pass));
        x + self.fc2.forward(y, pass)
    }

    fn visit(&mut self, visitor: &mut impl ParameterVisitor) {
        self.norm1.visit(visitor);
        for linear in [&mut self.q, &mut self.k, &mut self.v, &mut self.out] {
            linear.visit(visitor);
        }
        self.norm2.visit(visitor);
        self.fc1.visit(visitor);
        self.fc2.visit(visitor);
    }
}

/// Row of the position table for each patch. The image part of a tile with padding is stretched over the whole
/// table: a patch at fraction f of the image part's side takes the table position whose interval contains f. Padding
/// takes row 0.
fn place_ids(valid: &[bool], [rows, columns]: [usize; 2], side: usize) -> Vec<i64> {
    let high = (0..rows).filter(|row| valid[row * columns]).count();
    let wide = (0..columns).filter(|column| valid[*column]).count();
    (0..rows * columns)
        .map(|patch| {
            let (row, column) = (patch / columns, patch % columns);
            if valid[patch] { (bucket(row, high, side) * side + bucket(column, wide, side)) as i64 } else { 0 }
        })
        .collect()
}

/// Index of the interval of width `1 / side` that contains the fraction `index / count`. Computed in `f32` like
/// transformers; a fraction on a boundary belongs to the upper interval.
fn bucket(index: usize, count: usize, side: usize) -> usize {
    let fraction = (index as f32 * (1.0 / count as f32)).min(1.0 - 1e-6);
    (1..side).take_while(|boundary| (*boundary as f64 / side as f64) as f32 <= fraction).count()
}

/// Row order and segments for tiles with padding: padding patches attend to image patches, and no patch
/// attends to padding.
struct Packing {
    order: Vec<i64>,
    segments: Vec<stepwise_ops::Segment>,
}

impl Packing {
    fn new(valid: &[Vec<bool>]) -> Self {
        let (mut order, mut segments, mut start) = (Vec::new(), Vec::new(), 0);
        for tile in valid {
            let with = |wanted: bool| {
                tile.iter()
                    .enumerate()
                    .filter(move |(_, valid)| **valid == wanted)
                    .map(move |(i, _)| (start + i) as i64)
            };
            let before = order.len();
            order.extend(with(true));
            let picture = order.len() - before;
            order.extend(with(false));
            segments.push(stepwise_ops::Segment { len: picture, parent: None, silent: false });
            let parent = Some(segments.len() - 1);
            segments.push(stepwise_ops::Segment { len: tile.len() - picture, parent, silent: true });
            start += tile.len();
        }
        Self { order, segments }
    }

    fn plan(&self) -> AttentionPlan {
        AttentionPlan::new(&self.segments, false, 0)
    }

    fn order(&self, like: &Tensor<2>) -> Tensor<1, Int> {
        let data = TensorData::new(self.order.clone(), [self.order.len()]);
        Tensor::from_data(data, &like.device().without_autodiff())
    }

    fn back(&self, like: &Tensor<2>) -> Tensor<1, Int> {
        let mut back = vec![0_i64; self.order.len()];
        for (place, row) in self.order.iter().enumerate() {
            back[*row as usize] = place as i64;
        }
        let data = TensorData::new(back, [self.order.len()]);
        Tensor::from_data(data, &like.device().without_autodiff())
    }
}
