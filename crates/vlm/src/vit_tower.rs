//! CLIP (Radford et al. 2021) or SigLIP (Zhai et al. 2023) image encoder without pooling head, as module
//! `model.vision_tower`.

use std::sync::Arc;

use burn::tensor::Tensor;

use crate::encoder::{EncoderPlan, EncoderShape, TileSizes, layer_of};
use crate::nn::checkpointing::Block;
use crate::nn::layers::{LayerNorm, Linear, Table};
use crate::nn::parameter::{Parameter, ParameterVisitor, Pass};
use crate::nn::source::{Source, WeightError};
use crate::patches::embedded_patches;
use crate::vit::VitLayer;
use crate::vit_config::VitConfig;

/// Module name of the image encoder.
const TOWER: &str = "model.vision_tower";

/// Image encoder. All layers are loaded, also those that a family does not compute, because an exported model holds them.
#[derive(Clone, Debug)]
pub(crate) struct VitTower {
    shape: EncoderShape,
    /// Row before the patches, `[width]`, CLIP only.
    class: Option<Parameter<1>>,
    /// Kernel of the patch embedding, `[width, 3, patch, patch]`.
    patches: Parameter<4>,
    /// Bias of the patch embedding, SigLIP only.
    patch_bias: Option<Parameter<1>>,
    positions: Table,
    /// Norm before the first layer, CLIP only.
    pre_norm: Option<LayerNorm>,
    layers: Vec<VitLayer>,
    /// Norm after the last layer.
    post_norm: LayerNorm,
}

impl VitTower {
    /// Reads the weights from `source`.
    ///
    /// # Errors
    /// When a tensor is missing, cannot be read or has another shape.
    pub fn read(source: &mut dyn Source, shape: &EncoderShape, config: &VitConfig) -> Result<Self, WeightError> {
        let (width, patch, epsilon) = (shape.hidden_size, shape.patch_size, config.layer_norm_eps);
        let embedding = |name: &str| format!("{TOWER}.embeddings.{name}");
        let places = (config.image_size / patch).pow(2) + usize::from(config.clip);
        let mut vector = |name: &str, wanted: bool| -> Result<Option<Parameter<1>>, WeightError> {
            Ok(if wanted { Some(Parameter::frozen(source.vector(&embedding(name), width)?)) } else { None })
        };
        let (class, patch_bias) =
            (vector("class_embedding", config.clip)?, vector("patch_embedding.bias", !config.clip)?);
        let kernel = source.kernel(&embedding("patch_embedding.weight"), [width, 3, patch, patch])?;
        let layer = |layer, source: &mut dyn Source| {
            VitLayer::read(source, &format!("{TOWER}.encoder.layers.{layer}"), shape, config.activation, epsilon)
        };
        let layers = (0..shape.num_hidden_layers).map(|index| layer(index, source)).collect::<Result<_, _>>()?;
        let pre_norm = match config.clip {
            true => Some(LayerNorm::read(source, format!("{TOWER}.pre_layrnorm"), width, epsilon)?),
            false => None,
        };
        Ok(Self {
            shape: *shape,
            class,
            patches: Parameter::frozen(kernel),
            patch_bias,
            positions: Table::read(source, embedding("position_embedding"), [places, width])?,
            pre_norm,
            layers,
            post_norm: LayerNorm::read(source, format!("{TOWER}.post_layernorm"), width, epsilon)?,
        })
    }

    /// Returns whether a class token stands before the patches of each tile.
    pub fn has_class(&self) -> bool {
        self.class.is_some()
    }

    /// Rows of a tile: its patches, and the class token.
    fn rows(&self, height: usize, width: usize) -> usize {
        self.shape.patches(height, width) + usize::from(self.has_class())
    }

    /// Plans the computation for tiles of these sizes, in order.
    pub fn plan(&self, sizes: Vec<TileSizes>) -> EncoderPlan {
        EncoderPlan::of_tiles(sizes, |height, width| self.rows(height, width))
    }

    /// Returns the input of the first layer, `[rows of all tiles, width]`, for normalised pixels, one tensor
    /// `[tiles, 3, height, width]` for tiles of one size.
    pub fn embed(&self, pixels: &[Tensor<4>], pass: &Pass) -> Tensor<2> {
        Tensor::cat(pixels.iter().map(|pixels| self.embedded(pixels, pass)).collect(), 0)
    }

    fn embedded(&self, pixels: &Tensor<4>, pass: &Pass) -> Tensor<2> {
        let [tiles, _, height, width] = pixels.dims();
        let hidden = self.shape.hidden_size;
        let bias = self.patch_bias.as_ref().map(|bias| bias.read(pass));
        let patches = embedded_patches(pixels, self.patches.read(pass), bias);
        let patches = patches.reshape([tiles, self.shape.patches(height, width), hidden]);
        let all = match &self.class {
            Some(class) => {
                let class = class.read(pass).reshape([1, 1, hidden]).repeat_dim(0, tiles);
                Tensor::cat(vec![class, patches], 1)
            }
            None => patches,
        };
        let embedded = all + self.positions.weight.read(pass).unsqueeze_dim(0);
        let embedded = embedded.reshape([tiles * self.rows(height, width), hidden]);
        match &self.pre_norm {
            Some(norm) => norm.forward(embedded, pass),
            None => embedded,
        }
    }

    /// Returns the first `count` layers as functions of hidden states.
    pub fn layer_blocks<'a>(&'a self, count: usize, plan: &'a EncoderPlan) -> Vec<Block<'a>> {
        let layers = self.layers[..count].iter();
        layers.map(|layer| -> Block<'a> { Box::new(move |x, pass| layer.forward(x, &plan.whole, pass)) }).collect()
    }

    /// Returns the first `count` layers as functions of hidden states, which append the outputs of the layers `kept` as
    /// further columns, in ascending order. `kept` are numbers of layers below `count`, where 0 is the input of the first
    /// layer.
    pub fn keeping_blocks<'a>(&'a self, count: usize, kept: Vec<usize>, plan: &'a EncoderPlan) -> Vec<Block<'a>> {
        let kept = Arc::new(kept);
        let block = |(index, layer): (usize, &'a VitLayer)| -> Block<'a> {
            let kept = Arc::clone(&kept);
            Box::new(move |x, pass| {
                let ([_, width], hidden) = (x.dims(), self.shape.hidden_size);
                let state = x.clone().narrow(1, 0, hidden);
                let mut columns = vec![layer.forward(state.clone(), &plan.whole, pass)];
                if width > hidden {
                    columns.push(x.narrow(1, hidden, width - hidden));
                }
                if kept.contains(&index) {
                    columns.push(state);
                }
                Tensor::cat(columns, 1)
            })
        };
        self.layers[..count].iter().enumerate().map(block).collect()
    }

    /// Returns all layers and the norm after them as functions of hidden states.
    pub fn blocks<'a>(&'a self, plan: &'a EncoderPlan) -> Vec<Block<'a>> {
        let mut blocks = self.layer_blocks(self.layers.len(), plan);
        blocks.push(Box::new(|x, pass| self.post_norm.forward(x, pass)));
        blocks
    }

    /// Returns the number of functions that [`VitTower::blocks`] returns.
    pub fn block_count(&self) -> usize {
        self.layers.len() + 1
    }

    /// Returns the index, in [`VitTower::blocks`], of the block to which the parameter `name` belongs; None for a parameter of
    /// the embedding.
    pub fn block_of(&self, name: &str) -> Option<usize> {
        let is_norm = name.strip_prefix(TOWER).is_some_and(|name| name.starts_with(".post_layernorm."));
        layer_of(&format!("{TOWER}.encoder.layers"), name).or(is_norm.then_some(self.layers.len()))
    }

    /// Calls `visitor` for every parameter, in a fixed order.
    pub fn visit(&mut self, visitor: &mut impl ParameterVisitor) {
        if let Some(class) = &mut self.class {
            visitor.visit(&format!("{TOWER}.embeddings.class_embedding"), class);
        }
        visitor.visit(&format!("{TOWER}.embeddings.patch_embedding.weight"), &mut self.patches);
        if let Some(bias) = &mut self.patch_bias {
            visitor.visit(&format!("{TOWER}.embeddings.patch_embedding.bias"), bias);
        }
        self.positions.visit(visitor);
        if let Some(norm) = &mut self.pre_norm {
            norm.visit(visitor);
        }
        self.layers.iter_mut().for_each(|layer| layer.visit(visitor));
        self.post_norm.visit(visitor);
    }

    /// Returns the linear layers in the order of computation.
    pub fn linears(&mut self) -> impl Iterator<Item = &mut Linear> {
        self.layers.iter_mut().flat_map(VitLayer::linears)
    }
}
