//! SigLIP encoder and connector of Gemma 3: averages of neighbouring patches, a norm, and one matrix.

use burn::tensor::{Device, Tensor};

use super::config::Config;
use crate::encoder::{self, EncoderPlan, EncoderShape, TileSizes};
use crate::nn::checkpointing::Block;
use crate::nn::layers::{Linear, RmsNorm};
use crate::nn::parameter::{Parameter, ParameterVisitor, Pass};
use crate::nn::source::{Source, WeightError};
use crate::vit_tower::VitTower;

/// Name of the connector's matrix.
const PROJECTION: &str = "model.multi_modal_projector.mm_input_projection_weight";

/// Image encoder and connector.
#[derive(Clone, Debug)]
pub(crate) struct Encoder {
    shape: EncoderShape,
    tower: VitTower,
    norm: RmsNorm,
    /// Matrix from the width of the encoder to the width of the decoder, `[vision width, text width]`. It is no linear layer
    /// of transformers, so PEFT puts no adapter on it.
    projection: Parameter<2>,
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
        let (width, name) = (shape.hidden_size, "model.multi_modal_projector.mm_soft_emb_norm".to_owned());
        Ok(Self {
            shape: *shape,
            tower: VitTower::read(source, shape, &config.tower)?,
            norm: RmsNorm::read_offset(source, name, width, config.tower.layer_norm_eps)?,
            projection: Parameter::frozen(source.matrix(PROJECTION, [width, text_width])?),
        })
    }

    /// Averages squares of neighbouring patches of square tiles. `encoded` is `[patches of all tiles, width]`, the result
    /// `[features of all tiles, width]`, both row by row in each tile.
    fn averaged(&self, encoded: Tensor<2>, plan: &EncoderPlan) -> Tensor<2> {
        let (width, pooled) = (self.shape.hidden_size, self.shape.merge_size);
        // All tiles have one size.
        let side = plan.sizes.first().map_or(pooled, |[_, height, _]| height / self.shape.patch_size) / pooled;
        let tiles: usize = plan.sizes.iter().map(|[tiles, ..]| tiles).sum();
        encoded
            .reshape([tiles * side, pooled, side, pooled, width])
            .mean_dim(3)
            .mean_dim(1)
            .reshape([tiles * side * side, width])
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
        let features = self.norm.forward(self.averaged(encoded, plan), pass);
        features.matmul(self.projection.read(pass))
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
        visitor.visit(PROJECTION, &mut self.projection);
    }

    fn linears(&mut self) -> Vec<&mut Linear> {
        self.tower.linears().collect()
    }
}
