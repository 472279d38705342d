//! Hidden states of every layer, as transformers returns them with `output_hidden_states`.

use burn::tensor::Tensor;

use super::{Vlm, leading};
use crate::decoder::{DecoderInput, DecoderPlan};
use crate::encoder::Encoder;
use crate::nn::checkpointing::Block;
use crate::nn::parameter::Pass;
use crate::packed_sequences::PackedSequences;

impl Vlm {
    /// Returns the hidden states of the image encoder, each `[patches of all tiles, vision width]`: the input of the first
    /// layer, the output of every layer, and the output of the final norm if the encoder has one. Layers behind the one
    /// whose output the connector takes are left out. The arguments are those of [`Vlm::encode`].
    #[must_use]
    pub fn encoder_states(&self, pixels: &[Tensor<4>], pass: &Pass) -> Vec<Tensor<2>> {
        let plan = self.encoder_plan(pixels);
        let states = states(self.encoder.blocks(&plan), self.encoder.embed(pixels, &plan, pass), pass);
        states.into_iter().map(|state| leading(state, self.config.vision.hidden_size)).collect()
    }

    /// Returns the hidden states of the decoder for all rows, each `[rows, text width]`: the embeddings with image features
    /// in place of image tokens, the output of every layer with the deepstack features that follow it, and the output of the
    /// final norm. `features` are outputs of [`Vlm::image_features`]; None without images.
    ///
    /// # Panics
    /// When the layout contains images and `features` is None.
    #[must_use]
    pub fn hidden_states(&self, layout: &PackedSequences, features: Option<Tensor<2>>, pass: &Pass) -> Vec<Tensor<2>> {
        let plan = DecoderPlan::of(&self.config.text, layout, &self.device);
        let DecoderInput { x, deepstack } = self.input(layout, features, None, pass);
        let mut blocks = self.decoder.blocks(&plan, None, deepstack.as_ref());
        blocks.push(Box::new(|x, pass| self.decoder.normalise(x, pass)));
        states(blocks, x, pass)
    }
}

/// Returns `x` and the output of every block.
fn states(blocks: Vec<Block<'_>>, x: Tensor<2>, pass: &Pass) -> Vec<Tensor<2>> {
    let mut states = vec![x];
    for block in blocks {
        states.push(block(states[states.len() - 1].clone(), pass));
    }
    states
}
