//! Loss and gradients with gradient checkpointing: needs less memory and about a third more time. On the CPU the values
//! are bit-identical to a pass without checkpointing.

use burn::tensor::{Gradients, Tensor};
use stepwise_ops::cross_entropy;

use super::{EncoderInput, Vlm, reweighted};
use crate::decoder::DecoderPlan;
use crate::encoder::Encoder;
use crate::nn::checkpointing::Blocks;
use crate::nn::parameter::Pass;
use crate::packed_sequences::PackedSequences;

/// Weights of the predictions in the loss.
pub(crate) enum Weights<'a> {
    /// Weights of the layout, all multiplied by this share.
    Share(f64),
    /// Weights that the function makes from the log-probabilities of the predictions, in nats. They are constants in the
    /// gradient.
    Made(&'a mut dyn FnMut(&[f32]) -> Vec<f32>),
}

/// Form in which the images of packed sequences are given to the checkpointed pass.
#[allow(clippy::large_enum_variant)] // One value exists at a time.
pub(crate) enum Seen {
    /// Image features as of [`Vlm::image_features`] if encoder and connector are frozen; None without tiles.
    Features(Option<Tensor<2>>),
    /// Tiles, if encoder or connector is trained.
    Tiles {
        /// Pixels, or the input of a block at or before `trained`.
        input: EncoderInput,
        /// Index of the first trained block of the encoder, 0 if the embedding is trained; the number of blocks if only the
        /// connector is trained. Blocks before it are computed without a gradient.
        trained: usize,
    },
}

impl Vlm {
    /// Returns the unweighted terms of [`Vlm::losses`] and the gradients of the loss with `weights`. There are several
    /// gradients to be added: one for each block and each part outside the blocks.
    pub(crate) fn checkpointed(
        &self,
        layout: &PackedSequences,
        seen: Seen,
        weights: Weights<'_>,
        pass: &Pass,
    ) -> (Vec<f32>, Vec<Gradients>) {
        let mut found = Vec::new();
        let (input, trained) = match seen {
            Seen::Features(features) => {
                let (terms, _) = self.checkpointed_decoder(layout, features, weights, pass, &mut found);
                return (terms, found);
            }
            Seen::Tiles { input, trained } => (input, trained),
        };
        let quiet = pass.without_gradients();
        let (entered, states, plan) = self.entered(&input, &quiet);
        let mut frozen = self.encoder.blocks(&plan).split_off(entered);
        let mut blocks = frozen.split_off(trained - entered);
        let states = frozen.into_iter().fold(states, |x, block| block(x, &quiet));
        blocks.push(Box::new(|x, pass| self.encoder.connect(x, &plan, pass)));
        let (encoder, features) = Blocks::run(blocks, states, pass);
        let features = features.autodiff().require_grad();
        let (terms, d_features) = self.checkpointed_decoder(layout, Some(features), weights, pass, &mut found);
        if let Some(d_features) = d_features {
            let d_states = encoder.backward(d_features, &mut found);
            let embedded = match &input {
                EncoderInput::Pixels(pixels) if trained == 0 => Some(self.encoder.embed(pixels, &plan, pass)),
                _ => None,
            };
            if let Some(embedded) = embedded.filter(Tensor::is_tracked) {
                found.push((embedded * d_states).sum().backward());
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
        weights: Weights<'_>,
        pass: &Pass,
        found: &mut Vec<Gradients>,
    ) -> (Vec<f32>, Option<Tensor<2>>) {
        let rows: Vec<i64> = layout.predictions.iter().map(|prediction| prediction.row as i64).collect();
        let deepstack = self.deepstack(layout, features.as_ref(), Some(&rows));
        let rows = self.indices(rows);
        let plan = DecoderPlan::of(&self.config.text, layout, &self.device);

        let embedded = self.embed(layout, features.clone().map(Tensor::inner), &pass.without_gradients());
        let blocks = self.decoder.blocks(&plan, Some(&rows), deepstack.as_ref());
        let (blocks, hidden) = Blocks::run(blocks, embedded, pass);
        let hidden = hidden.autodiff().require_grad();
        let predicting = self.decoder.normalise(hidden.clone(), pass);
        let head = self.decoder.head(pass);
        let (loss, terms) = match weights {
            Weights::Share(share) => {
                let tokens: Vec<u32> = layout.predictions.iter().map(|prediction| prediction.token).collect();
                let weights: Vec<f32> = layout.predictions.iter().map(|prediction| prediction.weight).collect();
                let (loss, terms) = cross_entropy(predicting, head, &tokens, &weights);
                (loss * share, terms)
            }
            Weights::Made(weigh) => reweighted(predicting, head, layout, weigh),
        };
        let mut gradients = loss.backward();
        let d_hidden = hidden.grad_remove(&mut gradients).expect("the loss depends on the hidden states");
        found.push(gradients);

        let d_embedded = blocks.backward(d_hidden, found);
        let embedded = self.embed(layout, features.clone(), pass);
        if !embedded.is_tracked() {
            return (terms, None);
        }
        found.push((embedded * d_embedded).sum().backward());
        // Features enter before the first layer, and those of deepstack also in the blocks.
        let parts = found.iter_mut().filter_map(|gradients| features.as_ref()?.grad_remove(gradients));
        (terms, parts.reduce(|sum, part| sum + part))
    }
}
