//! Image encoder and merger of Qwen2-VL and Qwen2.5-VL.

use std::sync::Arc;

use burn::tensor::{Device, Int, Tensor, TensorData};
use stepwise_ops::{AttentionPlan, gelu, linear};

use super::config::Config;
use super::layer::{EncoderLayer, Norm};
use super::order::PatchOrder;
use crate::encoder::{self, EncoderPlan, EncoderShape, TileSizes};
use crate::nn::angles::Angles;
use crate::nn::checkpointing::Block;
use crate::nn::layers::Linear;
use crate::nn::parameter::{Parameter, ParameterVisitor, Pass};
use crate::nn::source::{Source, WeightError};

/// Base of the frequencies of the encoder's rotary positions, a constant in transformers.
const THETA: f64 = 10_000.0;

/// Name of the patch embedding.
const PATCHES: &str = "model.visual.patch_embed.proj.weight";

/// Image encoder with its merger, which is the connector.
#[derive(Clone, Debug)]
pub(crate) struct Encoder {
    shape: EncoderShape,
    config: Config,
    /// Kernel of the patch embedding, `[hidden, 3, frames, patch, patch]`.
    patches: Parameter<5>,
    layers: Vec<EncoderLayer>,
    merger_norm: Norm,
    /// The two linear layers of the merger.
    merger: [Linear; 2],
}

impl Encoder {
    /// Reads the weights from `source`. `text_width` is the width of the decoder.
    ///
    /// # Errors
    /// When a tensor is missing, cannot be read or has another shape.
    pub fn read(
        source: &mut dyn Source,
        shape: &EncoderShape,
        config: &Config,
        text_width: usize,
    ) -> Result<Self, WeightError> {
        let (width, patch, newer) = (shape.hidden_size, shape.patch_size, config.windows.is_some());
        let patches = source.tensor(PATCHES, [width, 3, config.temporal_patch_size, patch, patch])?;
        let layers = (0..shape.num_hidden_layers)
            .map(|layer| EncoderLayer::read(source, &format!("model.visual.blocks.{layer}"), shape, newer))
            .collect::<Result<_, _>>()?;
        let joined = width * shape.merge_size.pow(2);
        let mut merger = |name: &str, sides| Linear::read(source, format!("model.visual.merger.{name}"), sides, true);
        Ok(Self {
            shape: *shape,
            config: config.clone(),
            patches: Parameter::frozen(patches),
            layers,
            merger: [merger("mlp.0", [joined, joined])?, merger("mlp.2", [joined, text_width])?],
            merger_norm: Norm::read(source, "model.visual.merger.ln_q".to_owned(), width, newer)?,
        })
    }

    /// Rotary angles of patches at `places`, rows and columns: half of a head's pairs turn by the row, half by the column.
    fn angles(&self, places: &[[usize; 2]], device: &Device) -> Angles {
        let half = self.shape.hidden_size / self.shape.num_attention_heads / 2;
        let frequencies = Angles::frequencies(THETA, half);
        let angles: Vec<f32> = places
            .iter()
            .flatten()
            .flat_map(|place| frequencies.iter().map(move |frequency| *place as f32 * frequency))
            .collect();
        Angles::new(&angles, half, device)
    }
}

impl encoder::Encoder for Encoder {
    fn plan(&self, sizes: Vec<TileSizes>, device: &Device) -> EncoderPlan {
        let EncoderShape { patch_size, merge_size, .. } = self.shape;
        let side = self.config.windows.as_ref().map(|windows| windows.side);
        let (mut places, mut order, mut restore) = (Vec::new(), Vec::new(), Vec::new());
        let (mut whole, mut windows) = (Vec::new(), Vec::new());
        for [tiles, height, width] in &sizes {
            let [rows, columns] = [height, width].map(|length| length / (patch_size * merge_size));
            let tile = PatchOrder::new(rows, columns, merge_size, side);
            for _ in 0..*tiles {
                let (patches, cells) = (order.len(), restore.len());
                let index = |[row, column]: &[usize; 2]| (patches + row * columns * merge_size + column) as i64;
                order.extend(tile.patches.iter().map(index));
                restore.extend(tile.cells.iter().map(|place| (cells + place) as i64));
                places.extend_from_slice(&tile.patches);
                whole.push(tile.patches.len());
                windows.extend_from_slice(&tile.windows);
            }
        }
        let indices = |values: Vec<i64>| {
            let length = values.len();
            Tensor::<1, Int>::from_data(TensorData::new(values, [length]), device)
        };
        EncoderPlan {
            sizes,
            whole: Arc::new(AttentionPlan::sequences(&whole, false)),
            windows: side.map(|_| Arc::new(AttentionPlan::sequences(&windows, false))),
            angles: Some(self.angles(&places, device)),
            order: Some(indices(order)),
            restore: side.map(|_| indices(restore)),
        }
    }

    fn embed(&self, pixels: &[Tensor<4>], plan: &EncoderPlan, pass: &Pass) -> Tensor<2> {
        let patch = self.shape.patch_size;
        let rows = |pixels: &Tensor<4>| {
            let [tiles, channels, height, width] = pixels.dims();
            let (rows, columns) = (height / patch, width / patch);
            pixels
                .clone()
                .reshape([tiles, channels, rows, patch, columns, patch])
                .permute([0, 2, 4, 1, 3, 5]) // [tiles, rows, columns, channels, patch, patch]
                .reshape([tiles * rows * columns, channels * patch * patch])
        };
        let patches = Tensor::cat(pixels.iter().map(rows).collect(), 0);
        // A still image is the same in all frames of a patch, so the kernel is summed over the frames.
        let kernel = self.patches.read(pass).sum_dim(2).reshape([self.shape.hidden_size, 3 * patch * patch]);
        let x = linear(patches, kernel, None);
        match &plan.order {
            Some(order) => x.select(0, order.clone()),
            None => x,
        }
    }

    fn blocks<'a>(&'a self, plan: &'a EncoderPlan) -> Vec<Block<'a>> {
        let windows = self.config.windows.as_ref().zip(plan.windows.as_ref());
        let block = |(index, layer): (usize, &'a EncoderLayer)| -> Block<'a> {
            let attention = match windows {
                Some((config, windows)) if !config.whole.contains(&index) => windows,
                _ => &plan.whole,
            };
            Box::new(move |x, pass| layer.forward(x, attention, plan.angles.as_ref(), pass))
        };
        self.layers.iter().enumerate().map(block).collect()
    }

    fn connect(&self, encoded: Tensor<2>, plan: &EncoderPlan, pass: &Pass) -> Tensor<2> {
        let [patches, width] = encoded.dims();
        let cell = self.shape.merge_size.pow(2);
        let joined = self.merger_norm.forward(encoded, pass).reshape([patches / cell, cell * width]);
        let [first, second] = &self.merger;
        let features = second.forward(gelu(first.forward(joined, pass)), pass);
        match &plan.restore {
            Some(restore) => features.select(0, restore.clone()),
            None => features,
        }
    }

    fn visit(&mut self, visitor: &mut impl ParameterVisitor) {
        visitor.visit(PATCHES, &mut self.patches);
        self.layers.iter_mut().for_each(|layer| layer.visit(visitor));
        self.merger_norm.visit(visitor);
        self.merger.iter_mut().for_each(|linear| linear.visit(visitor));
    }

    fn linears(&mut self) -> Vec<&mut Linear> {
        let mut linears: Vec<&mut Linear> = self.layers.iter_mut().flat_map(EncoderLayer::linears).collect();
        linears.extend(&mut self.merger);
        linears
    }
}
