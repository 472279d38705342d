//! Image encoder and mergers of Qwen3-VL.

use burn::tensor::{Device, Tensor};

use super::super::qwen::layer::{EncoderLayer, LayerForm};
use super::super::qwen::merger::{Merger, MergerForm};
use super::super::qwen::patches::PatchEmbedding;
use super::super::qwen::plan::plan;
use super::config::Config;
use super::positions::Positions;
use crate::encoder::{self, EncoderPlan, EncoderShape, TileSizes, layer_of};
use crate::nn::checkpointing::Block;
use crate::nn::layers::Linear;
use crate::nn::parameter::{ParameterVisitor, Pass};
use crate::nn::source::{Source, WeightError};

/// Module name of all layers.
const LAYERS: &str = "model.visual.blocks";

/// Image encoder with its mergers, which are the connector.
///
/// Blocks give `[patches, hidden * (1 + sets)]`: the hidden state, then the outputs of the layers of the deepstack
/// features so far. So the mergers, which belong to the connector, are all computed after the last block.
#[derive(Clone, Debug)]
pub(crate) struct Encoder {
    shape: EncoderShape,
    /// Layers whose outputs become further sets of features, counted from 0.
    deepstack: Vec<usize>,
    patches: PatchEmbedding,
    positions: Positions,
    layers: Vec<EncoderLayer>,
    /// Merger of the last layer's output, then one for each layer of `deepstack`.
    mergers: Vec<Merger>,
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
        let patches = PatchEmbedding::read(source, shape, config.temporal_patch_size, true)?;
        let positions = Positions::read(source, config.positions, shape.hidden_size)?;
        let form = LayerForm::TanhGelu;
        let layers = (0..shape.num_hidden_layers)
            .map(|layer| EncoderLayer::read(source, &format!("{LAYERS}.{layer}"), shape, form))
            .collect::<Result<_, _>>()?;
        let mut merger = |prefix: &str, norm_joined: bool| {
            let form = MergerForm { names: ["norm", "linear_fc1", "linear_fc2"], rms: form.rms(), norm_joined };
            Merger::read(source, prefix, form, shape, text_width)
        };
        let mut mergers = vec![merger("model.visual.merger", false)?];
        for set in 0..config.deepstack.len() {
            mergers.push(merger(&format!("model.visual.deepstack_merger_list.{set}"), true)?);
        }
        Ok(Self { shape: *shape, deepstack: config.deepstack.clone(), patches, positions, layers, mergers })
    }

    /// Output of one block: the hidden state after `layer`, the columns of earlier deepstack layers, and the hidden state
    /// again if the layer is one of them.
    fn block(&self, index: usize, x: Tensor<2>, plan: &EncoderPlan, pass: &Pass) -> Tensor<2> {
        let ([_, width], hidden) = (x.dims(), self.shape.hidden_size);
        let state = x.clone().narrow(1, 0, hidden);
        let state = self.layers[index].forward(state, &plan.whole, plan.angles.as_ref(), pass);
        let mut columns = vec![state.clone()];
        if width > hidden {
            columns.push(x.narrow(1, hidden, width - hidden));
        }
        if self.deepstack.contains(&index) {
            columns.push(state);
        }
        Tensor::cat(columns, 1)
    }
}

impl encoder::Encoder for Encoder {
    fn plan(&self, sizes: Vec<TileSizes>, device: &Device) -> EncoderPlan {
        plan(&self.shape, sizes, None, device)
    }

    fn embed(&self, pixels: &[Tensor<4>], plan: &EncoderPlan, pass: &Pass) -> Tensor<2> {
        let positions = self.positions.forward(&plan.sizes, self.shape.patch_size, pass);
        plan.ordered(self.patches.forward(pixels, pass) + positions)
    }

    fn blocks<'a>(&'a self, plan: &'a EncoderPlan) -> Vec<Block<'a>> {
        let block = |index: usize| -> Block<'a> { Box::new(move |x, pass| self.block(index, x, plan, pass)) };
        (0..self.layers.len()).map(block).collect()
    }

    fn connect(&self, encoded: Tensor<2>, _: &EncoderPlan, pass: &Pass) -> Tensor<2> {
        let hidden = self.shape.hidden_size;
        let of_layer = |place: usize| encoded.clone().narrow(1, place * hidden, hidden);
        let sets = self.mergers.iter().enumerate().map(|(place, merger)| merger.forward(of_layer(place), pass));
        Tensor::cat(sets.collect(), 1)
    }

    fn block_count(&self) -> usize {
        self.layers.len()
    }

    fn block_of(&self, name: &str) -> Option<usize> {
        layer_of(LAYERS, name)
    }

    fn visit(&mut self, visitor: &mut impl ParameterVisitor) {
        self.patches.visit(visitor);
        self.positions.visit(visitor);
        self.layers.iter_mut().for_each(|layer| layer.visit(visitor));
        self.mergers.iter_mut().for_each(|merger| merger.visit(visitor));
    }

    fn linears(&mut self) -> Vec<&mut Linear> {
        let mut linears: Vec<&mut Linear> = self.layers.iter_mut().flat_map(EncoderLayer::linears).collect();
        linears.extend(self.mergers.iter_mut().flat_map(Merger::linears));
        linears
    }
}
