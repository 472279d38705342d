//! Image encoder (CLIP or SigLIP) and projector of LLaVA-1.5 and LLaVA-NeXT.

use std::collections::BTreeSet;

use burn::tensor::{Device, Tensor};
use stepwise_ops::gelu;

use super::config::Config;
use crate::encoder::{self, EncoderPlan, EncoderShape, TileSizes};
use crate::nn::checkpointing::Block;
use crate::nn::layers::Linear;
use crate::nn::parameter::{Parameter, ParameterVisitor, Pass};
use crate::nn::source::{Source, WeightError};
use crate::vit_tower::VitTower;

/// Image encoder with the projector. Features do not pass the norm after the encoder's last layer.
#[derive(Clone, Debug)]
pub(crate) struct Encoder {
    shape: EncoderShape,
    tower: VitTower,
    /// As in [`Config::feature_layers`].
    feature_layers: Vec<usize>,
    projector: [Linear; 2],
    /// Embedding of a line break, `[text width]`, LLaVA-NeXT only.
    newline: Option<Parameter<1>>,
}

/// Name of the embedding of a line break.
const NEWLINE: &str = "model.image_newline";

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
                projector("linear_1", [config.feature_layers.len() * shape.hidden_size, text_width])?,
                projector("linear_2", [text_width; 2])?,
            ],
            newline: match config.newline {
                true => Some(Parameter::frozen(source.vector(NEWLINE, text_width)?)),
                false => None,
            },
            shape: *shape,
            tower,
            feature_layers: config.feature_layers.clone(),
        })
    }

    /// Number of layers that are computed.
    fn last(&self) -> usize {
        self.feature_layers.iter().copied().max().unwrap_or_default()
    }

    /// Feature layers before the last one, in ascending order without repetition.
    fn kept(&self) -> Vec<usize> {
        let kept: BTreeSet<usize> = self.feature_layers.iter().copied().filter(|layer| *layer < self.last()).collect();
        kept.into_iter().collect()
    }

    /// Returns the outputs of the feature layers side by side. `encoded` has the columns of the last layer, then of the kept
    /// ones.
    fn selected(&self, encoded: Tensor<2>) -> Tensor<2> {
        let (hidden, kept) = (self.shape.hidden_size, self.kept());
        if self.feature_layers.len() == 1 {
            return encoded;
        }
        let place = |layer: &usize| kept.binary_search(layer).map_or(0, |place| place + 1);
        let columns = self.feature_layers.iter().map(|layer| encoded.clone().narrow(1, place(layer) * hidden, hidden));
        Tensor::cat(columns.collect(), 1)
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
        let (last, kept) = (self.last(), self.kept());
        match kept.is_empty() {
            true => self.tower.layer_blocks(last, plan),
            false => self.tower.keeping_blocks(last, kept, plan),
        }
    }

    fn connect(&self, encoded: Tensor<2>, plan: &EncoderPlan, pass: &Pass) -> Tensor<2> {
        let encoded = self.selected(encoded);
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
        let features = second.forward(gelu(first.forward(patches, pass)), pass);
        match &self.newline {
            Some(newline) => with_newline(features, newline.read(pass), tiles),
            None => features,
        }
    }

    fn block_count(&self) -> usize {
        self.last()
    }

    fn block_of(&self, name: &str) -> Option<usize> {
        self.tower.block_of(name)
    }

    fn visit(&mut self, visitor: &mut impl ParameterVisitor) {
        self.tower.visit(visitor);
        self.projector.iter_mut().for_each(|linear| linear.visit(visitor));
        if let Some(newline) = &mut self.newline {
            visitor.visit(NEWLINE, newline);
        }
    }

    fn linears(&mut self) -> Vec<&mut Linear> {
        self.tower.linears().chain(&mut self.projector).collect()
    }
}

/// Appends the line break `newline`, `[width]`, to the features of each of `tiles` tiles: `features` is
/// `[tiles * features of a tile, width]`, and so is the result with one feature more for each tile.
fn with_newline(features: Tensor<2>, newline: Tensor<1>, tiles: usize) -> Tensor<2> {
    let [rows, width] = features.dims();
    let each = rows / tiles;
    let newline = newline.reshape([1, 1, width]).repeat_dim(0, tiles);
    Tensor::cat(vec![features.reshape([tiles, each, width]), newline], 1).reshape([tiles * (each + 1), width])
}
