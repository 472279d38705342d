//! Image encoder and merger of Qwen2-VL and Qwen2.5-VL.

use burn::tensor::{Device, Tensor};

use super::super::qwen::layer::{EncoderLayer, LayerForm};
use super::super::qwen::merger::{Merger, MergerForm};
use super::super::qwen::patches::PatchEmbedding;
use super::super::qwen::plan::plan;
use super::config::Config;
use crate::encoder::{self, EncoderPlan, EncoderShape, TileSizes, layer_of};
use crate::nn::checkpointing::Block;
use crate::nn::layers::Linear;
use crate::nn::parameter::{ParameterVisitor, Pass};
use crate::nn::source::{Source, WeightError};

/// Module name of all layers.
const LAYERS: &str = "model.visual.blocks";

/// Image encoder with its merger, which is the connector.
#[derive(Clone, Debug)]
pub(crate) struct Encoder {
    shape: EncoderShape,
    config: Config,
    patches: PatchEmbedding,
    layers: Vec<EncoderLayer>,
    merger: Merger,
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
        let form = if config.windows.is_some() { LayerForm::Gated } else { LayerForm::QuickGelu };
        let merger = MergerForm { names: ["ln_q", "mlp.0", "mlp.2"], rms: form.rms(), norm_joined: false };
        let layers = (0..shape.num_hidden_layers)
            .map(|layer| EncoderLayer::read(source, &format!("{LAYERS}.{layer}"), shape, form))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            shape: *shape,
            config: config.clone(),
            patches: PatchEmbedding::read(source, shape, config.temporal_patch_size, false)?,
            layers,
            merger: Merger::read(source, "model.visual.merger", merger, shape, text_width)?,
        })
    }
}

impl encoder::Encoder for Encoder {
    fn plan(&self, sizes: Vec<TileSizes>, device: &Device) -> EncoderPlan {
        plan(&self.shape, sizes, self.config.windows.as_ref().map(|windows| windows.side), device)
    }

    fn embed(&self, pixels: &[Tensor<4>], plan: &EncoderPlan, pass: &Pass) -> Tensor<2> {
        plan.ordered(self.patches.forward(pixels, pass))
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
        let features = self.merger.forward(encoded, pass);
        match &plan.restore {
            Some(restore) => features.select(0, restore.clone()),
            None => features,
        }
    }

    fn block_count(&self) -> usize {
        self.layers.len()
    }

    fn block_of(&self, name: &str) -> Option<usize> {
        layer_of(LAYERS, name)
    }

    fn visit(&mut self, visitor: &mut impl ParameterVisitor) {
        self.patches.visit(visitor);
        self.layers.iter_mut().for_each(|layer| layer.visit(visitor));
        self.merger.visit(visitor);
    }

    fn linears(&mut self) -> Vec<&mut Linear> {
        let mut linears: Vec<&mut Linear> = self.layers.iter_mut().flat_map(EncoderLayer::linears).collect();
        linears.extend(self.merger.linears());
        linears
    }
}
