//! Image encoder and connector: from pixels, or from the input of a block of the encoder, to image features.

use std::ops::Range;

use burn::tensor::Tensor;

use super::{Vlm, leading};
use crate::encoder::{Encoder, EncoderPlan, TileSizes};
use crate::nn::parameter::Pass;

/// Form in which tiles are given to the image encoder.
#[allow(clippy::large_enum_variant)] // One value exists at a time.
pub(crate) enum EncoderInput {
    /// Normalised pixels, one tensor `[tiles, 3, height, width]` for neighbouring tiles of one size.
    Pixels(Vec<Tensor<4>>),
    /// Input of one of the blocks. The blocks before it are not computed.
    States {
        /// Index of the block, from 0; the number of all blocks for the output of the last one.
        block: usize,
        /// Input of the block, `[rows of all tiles, width]`, as of [`Vlm::tile_states`], tile after tile.
        states: Tensor<2>,
        /// Sizes of the tiles in order.
        sizes: Vec<TileSizes>,
    },
}

impl Vlm {
    /// Returns the outputs of the image encoder, `[patches of all tiles, vision width]`, for normalised pixels of tiles,
    /// `[tiles, 3, height, width]`. Each tensor holds tiles of one size. The order of the patches is the family's.
    #[must_use]
    pub fn encode(&self, pixels: &[Tensor<4>], pass: &Pass) -> Tensor<2> {
        let plan = self.encoder_plan(pixels);
        let embedded = self.encoder.embed(pixels, &plan, pass);
        let encoded = self.through(0..self.encoder.block_count(), embedded, &plan, pass);
        leading(encoded, self.config.vision.hidden_size)
    }

    /// Returns image features for the decoder, `[features of all tiles, text width * (1 + deepstack)]`, tile after tile.
    /// Further columns are the sets of [`EncoderShape::deepstack`](super::EncoderShape::deepstack). The arguments are those of
    /// [`Vlm::encode`].
    #[must_use]
    pub fn image_features(&self, pixels: &[Tensor<4>], pass: &Pass) -> Tensor<2> {
        self.features_from(&EncoderInput::Pixels(pixels.to_vec()), pass)
    }

    /// Returns [`Vlm::image_features`] of the tiles of `input`.
    pub(crate) fn features_from(&self, input: &EncoderInput, pass: &Pass) -> Tensor<2> {
        let (block, states, plan) = self.entered(input, pass);
        let encoded = self.through(block..self.encoder.block_count(), states, &plan, pass);
        self.encoder.connect(encoded, &plan, pass)
    }

    /// Returns the input of the block with the index `block`, from 0, for each tile, `[rows of the tile, width]`, without a
    /// gradient; for the number of all blocks, the output of the last one. Rows and width include those that an encoder adds to
    /// patches and hidden states. Adapters and trained copies of modules are left out. The pixels are those of [`Vlm::encode`].
    pub(crate) fn tile_states(&self, pixels: &[Tensor<4>], block: usize) -> Vec<Tensor<2>> {
        let plan = self.encoder_plan(pixels);
        let embedded = self.encoder.embed(pixels, &plan, &Pass::BASE);
        by_tile(self.through(0..block, embedded, &plan, &Pass::BASE), &plan.rows)
    }

    /// Returns the index of the first block to compute for `input`, the input of this block, `[rows of all tiles, width]`, and
    /// the plan of the tiles.
    pub(super) fn entered(&self, input: &EncoderInput, pass: &Pass) -> (usize, Tensor<2>, EncoderPlan) {
        match input {
            EncoderInput::Pixels(pixels) => {
                let plan = self.encoder_plan(pixels);
                (0, self.encoder.embed(pixels, &plan, pass), plan)
            }
            EncoderInput::States { block, states, sizes } => {
                (*block, states.clone(), self.encoder.plan(sizes.clone(), &self.device))
            }
        }
    }

    /// Returns the output of the last of `blocks`, `[rows of all tiles, width]`, for the input `x` of the first one.
    fn through(&self, blocks: Range<usize>, x: Tensor<2>, plan: &EncoderPlan, pass: &Pass) -> Tensor<2> {
        let all = self.encoder.blocks(plan).into_iter();
        all.take(blocks.end).skip(blocks.start).fold(x, |x, block| block(x, pass))
    }

    /// Plans the image encoder for the sizes of `pixels`, as in [`Vlm::encode`].
    pub(super) fn encoder_plan(&self, pixels: &[Tensor<4>]) -> EncoderPlan {
        let size = |pixels: &Tensor<4>| {
            let [tiles, _, height, width] = pixels.dims();
            [tiles, height, width]
        };
        self.encoder.plan(pixels.iter().map(size).collect(), &self.device)
    }
}

/// Divides the rows of `x`, `[rows of all tiles, width]`, by tile. `rows` are the numbers of rows of the tiles in order.
pub(crate) fn by_tile(x: Tensor<2>, rows: &[usize]) -> Vec<Tensor<2>> {
    let mut start = 0;
    let of_tile = |count: &usize| {
        start += count;
        x.clone().narrow(0, start - count, *count)
    };
    rows.iter().map(of_tile).collect()
}
