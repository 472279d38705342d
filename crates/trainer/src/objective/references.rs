//! Scores of the reference, the model with its adapter off.

use std::collections::HashMap;

use sha2::{Digest, Sha256};
use stepwise_vlm::batch::EncodableExample;
use stepwise_vlm::nn::parameter::Pass;
use stepwise_vlm::pipeline::{PipelineError, VlmPipeline};

/// Number of questions whose scores are kept; at about 100 bytes each, 100 MB.
const KEPT: usize = 1 << 20;

/// Log-likelihoods and token counts of a question's options.
pub type OptionScores = (Vec<f64>, Vec<usize>);

/// Cache of the reference's scores. The reference never changes during a run. Each question is scored alone, so that its
/// scores depend neither on the micro-batch nor on whether they were cached, and a resumed run has the same bytes.
#[derive(Debug, Default)]
pub struct ReferenceScores {
    known: HashMap<[u8; 32], OptionScores>,
}

impl ReferenceScores {
    /// Returns the log-likelihood, in nats, of each option under the model of `pipeline` with its adapter off, and the
    /// number of its tokens. `example` ends before the answer.
    ///
    /// # Errors
    /// Errors of [`VlmPipeline::score`].
    pub fn of(
        &mut self,
        pipeline: &VlmPipeline,
        example: &EncodableExample,
        options: &[String],
    ) -> Result<OptionScores, PipelineError> {
        let key = key(example, options);
        if let Some(known) = self.known.get(&key) {
            return Ok(known.clone());
        }
        let scored = pipeline.score(&[(example.clone(), options.to_vec())], &Pass::BASE)?;
        let scores = scored.into_iter().flatten();
        let scores: OptionScores = scores.map(|score| (score.loglikelihood, score.token_ids.len())).unzip();
        if self.known.len() >= KEPT {
            self.known.clear();
        }
        self.known.insert(key, scores.clone());
        Ok(scores)
    }

    /// Returns the number of questions in the cache.
    #[must_use]
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Returns whether the cache is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

/// Digest of the conversation, the pixels of its images, and the options.
fn key(example: &EncodableExample, options: &[String]) -> [u8; 32] {
    let tiles = example.images.iter().map(|image| (image.grid, image.tile_digests()));
    let content = format!("{:?} {options:?} {:?}", example.conversation, tiles.collect::<Vec<_>>());
    Sha256::digest(content).into()
}
