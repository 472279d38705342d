//! Loss and gradients with gradient checkpointing: needs less memory and about a third more time. On the CPU the values
//! are bit-identical to a pass without checkpointing.

use std::sync::Arc;

use burn::tensor::{Gradients, Tensor};
use stepwise_ops::{AttentionPlan, cross_entropy};

use super::Vlm;
use crate::nn::checkpointing::Blocks;
use crate::nn::parameter::Pass;
use crate::packed_sequences::PackedSequences;

/// Form in which the images of packed sequences are given to the checkpointed pass.
pub(crate) enum Seen {
    /// Image features, `[tiles * features_per_tile, text width]`, if encoder and connector are frozen;
    /// None without tiles.
    Features(Option<Tensor<2>>),
    /// Outputs of the image encoder, `[tiles * patches, vision width]`, if the encoder is frozen.
    Encoded(Tensor<2>),
    /// Normalised pixels, `[tiles, channels, height, width]`, if the encoder is trained.
    Pixels(Tensor<4>),
}

impl Vlm {
    /// Returns the unweighted terms of [`Vlm::losses`] and the gradients of `share` times the loss. There are several
    /// gradients to be added: one for each block and each part outside the blocks.
    pub(crate) fn checkpointed(
        &self,
        layout: &PackedSequences,
        seen: Seen,
        share: f64,
        pass: &Pass,
    ) -> (Vec<f32>, Vec<Gradients>) {
        let mut found = Vec::new();
        let (pixels, seen) = match seen {
            Seen::Features(features) => {
                let (terms, _) = self.checkpointed_decoder(layout, features, share, pass, &mut found);
                return (terms, found);
            }
            Seen::Encoded(encoded) => (None, encoded),
            Seen::Pixels(pixels) => {
                let embedded = self.vision.embed(pixels.clone(), None, &pass.without_gradients());
                (Some(pixels), embedded)
            }
        };
        let patches = self.config.vision.patches_per_side().pow(2);
        let tiles = pixels.as_ref().map_or(0, |pixels| pixels.dims()[0]);
        let plan = Arc::new(AttentionPlan::sequences(&vec![patches; tiles], false));
        let mut blocks = if pixels.is_some() { self.vision.blocks(&plan) } else { Vec::new() };
        blocks.push(Box::new(|x, pass| self.connect(x, pass)));
        let (tower, features) = Blocks::run(blocks, seen, pass);
        let features = features.autodiff().require_grad();
        let (terms, d_features) = self.checkpointed_decoder(layout, Some(features), share, pass, &mut found);
        if let Some(d_features) = d_features {
            let d_seen = tower.backward(d_features, &mut found);
            let embedded = pixels.map(|pixels| self.vision.embed(pixels, None, pass));
            if let Some(embedded) = embedded.filter(Tensor::is_tracked) {
                found.push((embedded * d_seen).sum().backward());
            }
        }
        (terms, found)
    }

    /// [`Vlm::checkpointed`] from image features on. Also returns the gradient of the features; None if they
    /// are not tracked.
    fn checkpointed_decoder(
        &self,
        layout: &PackedSequences,
        features: Option<Tensor<2>>,
        share: f64,
        pass: &Pass,
        found: &mut Vec<Gradients>,
    ) -> (Vec<f32>, Option<Tensor<2>>) {
        let rows = self.indices(layout.predictions.iter().map(|prediction| prediction.row as i64).collect());
        let tokens: Vec<u32> = layout.predictions.iter().map(|prediction| prediction.token).collect();
        let weights: Vec<f32> = layout.predictions.iter().map(|prediction| prediction.weight).collect();
        let plan = Arc::new(AttentionPlan::new(&layout.segments, true, 0));
        let angles = self.decoder.angles(&layout.positions, &self.device);

        let embedded = self.embed(layout, features.clone().map(Tensor::inner), &pass.without_gradients());
        let (blocks, hidden) = Blocks::run(self.decoder.blocks(&angles, &plan, &rows), embedded, pass);
        let hidden = hidden.autodiff().require_grad();
        let predicting = self.decoder.normalise(hidden.clone(), pass);
        let (loss, terms) = cross_entropy(predicting, self.decoder.head(pass), &tokens, &weights);
        let mut gradients = (loss * share).backward();
        let d_hidden = hidden.grad_remove(&mut gradients).expect("the loss depends on the hidden states");
        found.push(gradients);

        let d_embedded = blocks.backward(d_hidden, found);
        let embedded = self.embed(layout, features.clone(), pass);
        if !embedded.is_tracked() {
            return (terms, None);
        }
        let mut gradients = (embedded * d_embedded).sum().backward();
        let d_features = features.and_then(|features| features.grad_remove(&mut gradients));
        found.push(gradients);
        (terms, d_features)
    }
}
