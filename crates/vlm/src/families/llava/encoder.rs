//! Image encoder (CLIP or SigLIP) and projector of LLaVA-1.5.

use burn::tensor::{Device, Tensor};
use stepwise_ops::gelu;

use super::config::Config;
use crate::encoder::{self, EncoderPlan, EncoderShape, TileSizes};
use crate::nn::checkpointing::Block;
use crate::nn::layers::Linear;
use crate::nn::parameter::{ParameterVisitor, Pass};
use crate::nn::source::{Source, WeightError};
use crate::vit_tower::VitTower;

/// Image encoder with the projector. Features do not pass the norm after the encoder's last layer.
#[derive(Clone, Debug)]
pub(crate) struct Encoder {
    tower: VitTower,
    feature_layers: usize,
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
        let tower = VitTower::read(source, shape, &config.tower)?;
        let mut projector = |name: &str, sides| {
            Linear::read(source, format!("model.multi_modal_projector.{name}"), sides, config.projector_bias)
        };
        Ok(Self {
            projector: [
                projector("linear_1", [shape.hidden_size, text_width])?,
                projector("linear_2", [text_width; 2])?,
            ],
            tower,
            feature_layers: config.feature_layers,
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
        self.tower.layer_blocks(self.feature_layers, plan)
    }

    fn connect(&self, encoded: Tensor<2>, plan: &EncoderPlan, pass: &Pass) -> Tensor<2> {
        let [all, width] = encoded.dims();
        let tiles: usize = plan.sizes.iter().map(|[tiles, ..]| tiles).sum();
        let patches = match self.tower.has_class() {
            // All tiles have one size.
            true => {
                let rows = all / tiles;
                encoded.reshape([tiles, rows, width]).narrow(1, 1, rows - 1).reshape([tiles * (rows - 1), width])
            }
            false => encoded,
        };
        let [first, second] = &self.projector;
        second.forward(gelu(first.forward(patches, pass)), pass)
    }

    fn visit(&mut self, visitor: &mut impl ParameterVisitor) {
        self.tower.visit(visitor);
        self.projector.iter_mut().for_each(|linear| linear.visit(visitor));
    }

    fn linears(&mut self) -> Vec<&mut Linear> {
        self.tower.linears().chain(&mut self.projector).collect()
    }
}
