//! Token-by-token generation: one sequence with cached keys and values of its tokens.

use burn::tensor::Tensor;

use super::Vlm;
use crate::decoder::{DecoderInput, DecoderPlan, Kept, LayerAngles};
use crate::nn::parameter::Pass;
use crate::packed_sequences::PackedSequences;

/// Number of tokens whose rotary angles are made at once.
const ANGLES: u32 = 128;

/// State of generation.
pub(crate) struct Decoding<'a> {
    model: &'a Vlm,
    kept: Kept,
    tokens: usize,
    /// Position of the next token. It is not the number of tokens where an image has other positions than a text of the
    /// same length.
    position: u32,
    /// Angles of [`ANGLES`] tokens, and the position of the first one; None before the first token after the prompt.
    angles: Option<(u32, LayerAngles)>,
    pass: Pass,
}

impl Vlm {
    /// Starts generation after the one sequence of `layout`. Returns the state and the first logits, `[1, vocabulary]`.
    /// `features` are as in [`Vlm::hidden_states`].
    ///
    /// # Panics
    /// When the layout has another number of segments than one, or contains images and `features` is None.
    pub(crate) fn decode(
        &self,
        layout: &PackedSequences,
        features: Option<Tensor<2>>,
        pass: Pass,
    ) -> (Decoding<'_>, Tensor<2>) {
        assert!(layout.segments.len() == 1, "generation continues one sequence");
        let position = layout.positions.iter().flatten().max().map_or(0, |last| last + 1);
        let mut decoding = Decoding { model: self, kept: Kept::default(), tokens: 0, position, angles: None, pass };
        let input = self.input(layout, features, None, &pass);
        let logits = decoding.advance(input, &DecoderPlan::of(&self.config.text, layout, &self.device));
        (decoding, logits)
    }
}

impl Decoding<'_> {
    /// Appends `token` and returns the logits after it, `[1, vocabulary]`.
    pub fn next(&mut self, token: u32) -> Tensor<2> {
        let (config, device, position) = (&self.model.config.text, &self.model.device, self.position);
        let (first, angles) = self.angles.take().filter(|(first, _)| position - first < ANGLES).unwrap_or_else(|| {
            let positions: Vec<[u32; 3]> = (position..position + ANGLES).map(|position| [position; 3]).collect();
            (position, LayerAngles::new(config, &positions, device))
        });
        let plan = DecoderPlan::continued(config, self.tokens, &angles, (position - first) as usize);
        self.angles = Some((first, angles));
        self.position += 1;
        let x = self.model.merged(&[token], &[None], None, &self.pass);
        self.advance(DecoderInput { x, deepstack: None }, &plan)
    }

    /// Runs the decoder over the rows of `input`, which follow the cached ones, and returns the logits after the last.
    fn advance(&mut self, input: DecoderInput, plan: &DecoderPlan) -> Tensor<2> {
        let new = input.x.dims()[0];
        self.tokens += new;
        let hidden = self.model.decoder.forward(input, plan, Some(&mut self.kept), None, &self.pass);
        self.model.logits_of(hidden.narrow(0, new - 1, 1), &self.pass)
    }
}
