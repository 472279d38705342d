//! Image encoder and connector of a model family, as the model uses them.

use std::fmt::Debug;
use std::sync::Arc;

use burn::tensor::{Device, Int, Tensor};
use stepwise_ops::AttentionPlan;

use crate::nn::angles::Angles;
use crate::nn::checkpointing::Block;
use crate::nn::layers::Linear;
use crate::nn::parameter::{ParameterVisitor, Pass};

/// Sizes of an image encoder, whatever its family. Lengths count values or pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncoderShape {
    /// Width of a patch's hidden state.
    pub hidden_size: usize,
    /// Width inside the feed-forward layers.
    pub intermediate_size: usize,
    /// Number of layers.
    pub num_hidden_layers: usize,
    /// Number of attention heads.
    pub num_attention_heads: usize,
    /// Side of a patch in pixels.
    pub patch_size: usize,
    /// Side, in patches, of the square of neighbouring patches that becomes one feature.
    pub merge_size: usize,
    /// Whether a feed-forward layer has a gate beside the values that the gate multiplies.
    pub gated: bool,
    /// Side of a tile in pixels; `None` if tiles may have any size.
    pub image_size: Option<usize>,
    /// Number of sets of features that are added to hidden states between decoder layers (deepstack, Meng et al. 2024,
    /// arXiv 2406.04334); 0 for families without them.
    pub deepstack: usize,
}

impl EncoderShape {
    /// Returns the number of patches of a tile of `height` x `width` pixels.
    #[must_use]
    pub fn patches(&self, height: usize, width: usize) -> usize {
        (height / self.patch_size) * (width / self.patch_size)
    }

    /// Returns the number of features of a tile of `height` x `width` pixels.
    #[must_use]
    pub fn features(&self, height: usize, width: usize) -> usize {
        self.patches(height, width) / self.merge_size.pow(2)
    }
}

/// Size of neighbouring tiles: their number, and height and width of each in pixels.
pub(crate) type TileSizes = [usize; 3];

/// What the computation of an encoder needs to know about the sizes of the tiles, made once for all layers.
#[derive(Debug)]
pub(crate) struct EncoderPlan {
    /// Sizes of the tiles in order.
    pub sizes: Vec<TileSizes>,
    /// Number of hidden states of each tile, in order.
    pub rows: Vec<usize>,
    /// Attention of every patch to all patches of its tile.
    pub whole: Arc<AttentionPlan>,
    /// Attention within windows, for families that have layers with windows.
    pub windows: Option<Arc<AttentionPlan>>,
    /// Rotary angles of the patches in the order of the layers, for families that have them.
    pub angles: Option<Angles>,
    /// Order in which the layers take the patches of all tiles, each tile row by row; `None` for this order.
    pub order: Option<Tensor<1, Int>>,
    /// Order in which the features of all tiles, each tile row by row, are taken from the outputs of the connector;
    /// `None` if they are in this order.
    pub restore: Option<Tensor<1, Int>>,
}

impl EncoderPlan {
    /// Plans layers without windows, angles and another order, for tiles of these sizes. `rows` gives the rows of a tile of
    /// some height and width in pixels.
    pub fn of_tiles(sizes: Vec<TileSizes>, rows: impl Fn(usize, usize) -> usize) -> Self {
        let of_size = |[tiles, height, width]: &TileSizes| std::iter::repeat_n(rows(*height, *width), *tiles);
        let rows: Vec<usize> = sizes.iter().flat_map(of_size).collect();
        let whole = Arc::new(AttentionPlan::sequences(&rows, false));
        Self { sizes, rows, whole, windows: None, angles: None, order: None, restore: None }
    }

    /// Returns the rows of `patches`, `[patches of all tiles, width]`, each tile row by row, in the order of the layers.
    pub fn ordered(&self, patches: Tensor<2>) -> Tensor<2> {
        match &self.order {
            Some(order) => patches.select(0, order.clone()),
            None => patches,
        }
    }
}

/// Returns the index of the layer to which the parameter `name` belongs: N for the module `list.N`, where `list` is the module
/// name of all layers. None for parameters outside these layers.
pub(crate) fn layer_of(list: &str, name: &str) -> Option<usize> {
    name.strip_prefix(list)?.strip_prefix('.')?.split('.').next()?.parse().ok()
}

/// Image encoder with its connector. `Tensor<4>` are normalised pixels of tiles of one size,
/// `[tiles, 3, height, width]`; several of them hold tiles of several sizes.
pub(crate) trait Encoder: Clone + Debug {
    /// Plans the computation for tiles of these sizes, in order.
    fn plan(&self, sizes: Vec<TileSizes>, device: &Device) -> EncoderPlan;

    /// Returns the input of the first layer, `[patches of all tiles, hidden]`.
    fn embed(&self, pixels: &[Tensor<4>], plan: &EncoderPlan, pass: &Pass) -> Tensor<2>;

    /// Returns the layers, and the final norm if the encoder has one, as functions of hidden states. The first `hidden`
    /// columns are hidden states; an encoder can append columns, which [`Encoder::connect`] takes.
    fn blocks<'a>(&'a self, plan: &'a EncoderPlan) -> Vec<Block<'a>>;

    /// Returns the features of all tiles, `[features, text width * (1 + deepstack)]`, for the output of the last block.
    /// The first columns are the decoder's input; further sets are added after its first layers, one after each.
    fn connect(&self, encoded: Tensor<2>, plan: &EncoderPlan, pass: &Pass) -> Tensor<2>;

    /// Returns the number of functions that [`Encoder::blocks`] returns.
    fn block_count(&self) -> usize;

    /// Returns the index, in [`Encoder::blocks`], of the block to which the parameter `name` of the image encoder belongs; None
    /// for a parameter of [`Encoder::embed`]. Layers and a norm that no block computes have indices from
    /// [`Encoder::block_count`] on.
    fn block_of(&self, name: &str) -> Option<usize>;

    /// Returns whether the parameter `name` lies behind the last layer whose output becomes features. No computation uses
    /// such a parameter, so it has no gradient. False for families whose connector takes the output of the last layer.
    fn is_behind_features(&self, name: &str) -> bool {
        self.block_of(name).is_some_and(|block| block >= self.block_count())
    }

    /// Calls `visitor` for every parameter, in a fixed order.
    fn visit(&mut self, visitor: &mut impl ParameterVisitor);

    /// Returns every linear layer that can have an adapter, in the order of computation.
    fn linears(&mut self) -> Vec<&mut Linear>;
}
