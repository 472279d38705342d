//! Image encoder of InternVL3 with its connector: pixel shuffle, a norm and two linear layers.

use burn::tensor::{Device, Tensor};
use stepwise_ops::gelu;

use super::config::Config;
use super::tower::Tower;
use crate::encoder::{self, EncoderPlan, EncoderShape, TileSizes};
use crate::nn::checkpointing::Block;
use crate::nn::layers::{LayerNorm, Linear};
use crate::nn::parameter::{ParameterVisitor, Pass};
use crate::nn::source::{Source, WeightError};
use crate::pixel_shuffle::pixel_shuffle;

/// Epsilon of the connector's norm, the default of PyTorch.
const NORM_EPSILON: f32 = 1e-5;

/// Image encoder and connector.
#[derive(Clone, Debug)]
pub(crate) struct Encoder {
    shape: EncoderShape,
    tower: Tower,
    norm: LayerNorm,
    projector: [Linear; 2],
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
        let (part, joined) = ("model.multi_modal_projector", shape.hidden_size * shape.merge_size.pow(2));
        let mut linear = |name: &str, sides| Linear::read(source, format!("{part}.{name}"), sides, true);
        Ok(Self {
            shape: *shape,
            projector: [linear("linear_1", [joined, text_width])?, linear("linear_2", [text_width; 2])?],
            norm: LayerNorm::read(source, format!("{part}.layer_norm"), joined, NORM_EPSILON)?,
            tower: Tower::read(source, shape, config)?,
        })
    }
}

impl encoder::Encoder for Encoder {
    fn plan(&self, sizes: Vec<TileSizes>, _: &Device) -> EncoderPlan {
        self.tower.plan(sizes)
    }

    fn embed(&self, pixels: &[Tensor<4>], _: &EncoderPlan, pass: &Pass) -> Tensor<2> {
        self.tower.embed(pixels, pass)
    }

    fn blocks<'a>(&'a self, plan: &'a EncoderPlan) -> Vec<Block<'a>> {
        self.tower.blocks(plan)
    }

    fn connect(&self, encoded: Tensor<2>, plan: &EncoderPlan, pass: &Pass) -> Tensor<2> {
        let [all, width] = encoded.dims();
        // All tiles have one size. Each begins with the class token.
        let tiles: usize = plan.sizes.iter().map(|[tiles, ..]| tiles).sum();
        let patches = all / tiles - 1;
        let encoded = encoded.reshape([tiles, patches + 1, width]).narrow(1, 1, patches);
        let joined = pixel_shuffle(encoded.reshape([tiles * patches, width]), patches.isqrt(), self.shape.merge_size);
        let [first, second] = &self.projector;
        second.forward(gelu(first.forward(self.norm.forward(joined, pass), pass)), pass)
    }

    fn block_count(&self) -> usize {
        self.tower.block_count()
    }

    fn block_of(&self, name: &str) -> Option<usize> {
        self.tower.block_of(name)
    }

    fn visit(&mut self, visitor: &mut impl ParameterVisitor) {
        self.tower.visit(visitor);
        self.norm.visit(visitor);
        self.projector.iter_mut().for_each(|linear| linear.visit(visitor));
    }

    fn linears(&mut self) -> Vec<&mut Linear> {
        self.tower.linears().chain(&mut self.projector).collect()
    }
}
