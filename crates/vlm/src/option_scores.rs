//! Log-likelihoods of answer options.

use crate::batch::{EncodableExample, TileSet, answered};
use crate::nn::parameter::Pass;
use crate::packed_sequences::{PackedSequences, Sequence};
use crate::pipeline::{PipelineError, SCORED_TOKENS, VlmPipeline};
use crate::processor::Encoded;

/// Likelihood of an answer option as the whole answer of the model.
#[derive(Clone, Debug, PartialEq)]
pub struct OptionScore {
    /// Tokens of the option when it follows the prompt, with the end of its turn.
    pub token_ids: Vec<u32>,
    /// Log-likelihood in nats, summed over `token_ids`: the logarithm of the probability that the model answers with
    /// this option and ends its turn.
    pub loglikelihood: f64,
}

impl VlmPipeline {
    /// Returns for every example the log-likelihood of each of its options, in the order given. Each element of `asked`
    /// is an example, whose conversation ends before the answer, and the texts of its options. An option is scored with
    /// the end of its turn, as training supervises it. Equal prefixes and tiles are computed once.
    ///
    /// # Errors
    /// Errors of [`Processor::encode_options`](crate::processor::Processor::encode_options), [`PipelineError::TooLong`] and
    /// [`PipelineError::NotANumber`].
    pub fn score(
        &self,
        asked: &[(EncodableExample, Vec<String>)],
        pass: &Pass,
    ) -> Result<Vec<Vec<OptionScore>>, PipelineError> {
        let mut scores = Vec::with_capacity(asked.len());
        let mut waiting = Scoring::default();
        for (example, options) in asked {
            let (prompt, answers) = self.processor.encode_options(&example.conversation, &example.grids(), options)?;
            self.fits(prompt.ids.len() + answers.iter().map(Vec::len).max().unwrap_or(0))?;
            waiting.push(&prompt, &answers, example);
            scores.push(
                answers.into_iter().map(|token_ids| OptionScore { token_ids, loglikelihood: 0.0 }).collect::<Vec<_>>(),
            );
            if waiting.tokens >= SCORED_TOKENS {
                self.settle(std::mem::take(&mut waiting), &mut scores, pass)?;
            }
        }
        self.settle(waiting, &mut scores, pass)?;
        Ok(scores)
    }

    fn settle(&self, waiting: Scoring, scores: &mut [Vec<OptionScore>], pass: &Pass) -> Result<(), PipelineError> {
        if waiting.sequences.is_empty() {
            return Ok(());
        }
        let options: Vec<(usize, usize)> = {
            let first = scores.len() - waiting.examples;
            (first..scores.len())
                .flat_map(|asked| (0..scores[asked].len()).map(move |option| (asked, option)))
                .collect()
        };
        let layout = PackedSequences::pack(&waiting.sequences, true);
        let features = self.features(&waiting.tiles, pass);
        let logprobs = self.model.logprobs(&layout, features, pass);
        for (prediction, logprob) in layout.predictions.iter().zip(logprobs) {
            let (asked, option) = options[prediction.sequence];
            if logprob.is_nan() {
                return Err(PipelineError::NotANumber);
            }
            scores[asked][option].loglikelihood += f64::from(logprob);
        }
        Ok(())
    }
}

/// Sequences that will be scored in one forward pass.
#[derive(Default)]
struct Scoring {
    sequences: Vec<Sequence>,
    tiles: TileSet,
    examples: usize,
    tokens: usize,
}

impl Scoring {
    fn push(&mut self, prompt: &Encoded, answers: &[Vec<u32>], example: &EncodableExample) {
        self.examples += 1;
        self.tokens += prompt.ids.len();
        for answer in answers {
            let (ids, targets) = answered(prompt, answer);
            self.tokens += answer.len();
            self.sequences.push(self.tiles.sequence(prompt, &example.images, ids, targets));
        }
    }
}
