//! InternViT image encoder (Chen et al. 2024) as module `model.vision_tower`.

use burn::tensor::Tensor;

use super::config::Config;
use super::layer::Layer;
use crate::encoder::{EncoderPlan, EncoderShape, TileSizes, layer_of};
use crate::nn::checkpointing::Block;
use crate::nn::layers::{LayerNorm, Linear};
use crate::nn::parameter::{Parameter, ParameterVisitor, Pass};
use crate::nn::source::{Source, WeightError};
use crate::patches::embedded_patches;

/// Module name of the image encoder.
const TOWER: &str = "model.vision_tower";

/// Image encoder. All layers are loaded, also those that are not computed, because an exported model holds them.
#[derive(Clone, Debug)]
pub(super) struct Tower {
    shape: EncoderShape,
    config: Config,
    /// Row before the patches, `[1, 1, width]`.
    class: Parameter<3>,
    /// Positions of the class token and the patches, `[1, 1 + patches, width]`; None without positions.
    positions: Option<Parameter<3>>,
    /// Kernel of the patch embedding, `[width, 3, patch, patch]`.
    patches: Parameter<4>,
    patch_bias: Parameter<1>,
    layers: Vec<Layer>,
    last_norm: Option<LayerNorm>,
}

fn embedding(name: &str) -> String {
    format!("{TOWER}.embeddings.{name}")
}

impl Tower {
    /// Reads the weights from `source`.
    ///
    /// # Errors
    /// When a tensor is missing, cannot be read or has another shape.
    pub fn read(source: &mut dyn Source, shape: &EncoderShape, config: &Config) -> Result<Self, WeightError> {
        let (width, patch) = (shape.hidden_size, shape.patch_size);
        let places = 1 + (config.image_size / patch).pow(2);
        let mut rows = |name: &str, rows| source.tensor(&embedding(name), [1, rows, width]).map(Parameter::frozen);
        let class = rows("cls_token", 1)?;
        let positions = if config.positions { Some(rows("position_embeddings", places)?) } else { None };
        let projection = embedding("patch_embeddings.projection");
        let kernel = source.kernel(&format!("{projection}.weight"), [width, 3, patch, patch])?;
        let bias = source.vector(&format!("{projection}.bias"), width)?;
        let layers = (0..shape.num_hidden_layers)
            .map(|layer| Layer::read(source, format!("{TOWER}.encoder.layer.{layer}"), shape, config))
            .collect::<Result<_, _>>()?;
        let last_norm = match config.has_last_norm {
            true => Some(LayerNorm::read(source, format!("{TOWER}.layernorm"), width, config.norm_eps)?),
            false => None,
        };
        Ok(Self {
            shape: *shape,
            config: config.clone(),
            class,
            positions,
            patches: Parameter::frozen(kernel),
            patch_bias: Parameter::frozen(bias),
            layers,
            last_norm,
        })
    }

    /// Plans the computation for tiles of these sizes, in order. A tile has the rows of its patches and the class token.
    pub fn plan(&self, sizes: Vec<TileSizes>) -> EncoderPlan {
        EncoderPlan::of_tiles(sizes, |height, width| 1 + self.shape.patches(height, width))
    }

    /// Returns the input of the first layer, `[rows of all tiles, width]`, for normalised pixels
    /// `[tiles, 3, height, width]`.
    pub fn embed(&self, pixels: &[Tensor<4>], pass: &Pass) -> Tensor<2> {
        Tensor::cat(pixels.iter().map(|pixels| self.embedded(pixels, pass)).collect(), 0)
    }

    fn embedded(&self, pixels: &Tensor<4>, pass: &Pass) -> Tensor<2> {
        let [tiles, _, height, width] = pixels.dims();
        let (count, hidden) = (self.shape.patches(height, width), self.shape.hidden_size);
        let patches = embedded_patches(pixels, self.patches.read(pass), Some(self.patch_bias.read(pass)));
        let class = self.class.read(pass).repeat_dim(0, tiles);
        let all = Tensor::cat(vec![class, patches.reshape([tiles, count, hidden])], 1);
        let embedded = match &self.positions {
            Some(positions) => all + positions.read(pass),
            None => all,
        };
        embedded.reshape([tiles * (1 + count), hidden])
    }

    /// Returns the layers up to the feature layer, and the norm if features pass it, as functions of hidden states.
    pub fn blocks<'a>(&'a self, plan: &'a EncoderPlan) -> Vec<Block<'a>> {
        let layers = self.layers[..self.config.feature_layers].iter();
        let layers = layers.map(|layer| -> Block<'a> { Box::new(move |x, pass| layer.forward(x, &plan.whole, pass)) });
        let last = self.last_norm.iter().filter(|_| self.config.uses_last_norm);
        layers.chain(last.map(|norm| -> Block<'a> { Box::new(move |x, pass| norm.forward(x, pass)) })).collect()
    }

    /// Returns the number of functions that [`Tower::blocks`] returns.
    pub fn block_count(&self) -> usize {
        self.config.feature_layers + usize::from(self.config.uses_last_norm)
    }

    /// Returns the index, in [`Tower::blocks`], of the block to which the parameter `name` belongs; None for a parameter of the
    /// embedding. Features pass the last norm only after all layers.
    pub fn block_of(&self, name: &str) -> Option<usize> {
        let is_last_norm = name.strip_prefix(TOWER).is_some_and(|name| name.starts_with(".layernorm."));
        layer_of(&format!("{TOWER}.encoder.layer"), name).or(is_last_norm.then_some(self.layers.len()))
    }

    /// Calls `visitor` for every parameter, in a fixed order.
    pub fn visit(&mut self, visitor: &mut impl ParameterVisitor) {
        visitor.visit(&embedding("cls_token"), &mut self.class);
        if let Some(positions) = &mut self.positions {
            visitor.visit(&embedding("position_embeddings"), positions);
        }
        visitor.visit(&embedding("patch_embeddings.projection.weight"), &mut self.patches);
        visitor.visit(&embedding("patch_embeddings.projection.bias"), &mut self.patch_bias);
        self.layers.iter_mut().for_each(|layer| layer.visit(visitor));
        if let Some(norm) = &mut self.last_norm {
            norm.visit(visitor);
        }
    }

    /// Returns the linear layers in the order of computation.
    pub fn linears(&mut self) -> impl Iterator<Item = &mut Linear> {
        self.layers.iter_mut().flat_map(Layer::linears)
    }
}
