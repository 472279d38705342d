//! Gradients of answer likelihoods with respect to pixels, for many questions in one forward and backward pass.
//!
//! All weights are read as constants, trainable ones too, so only pixels are differentiated. Each question has tiles of
//! its own and attends to no other question. The gradient of the sum of all objectives therefore holds, tile by tile,
//! the gradient of each objective.

use burn::tensor::{Float, Gradients, Tensor};
use stepwise_ops::{tensor_of, values_of};

use crate::batch::{EncodableExample, TileSet, answered};
use crate::images::grid::ImageGrid;
use crate::model::EncoderShape;
use crate::nn::parameter::Pass;
use crate::packed_sequences::{PackedSequences, Sequence, TileSpan};
use crate::pipeline::{PipelineError, ROWS_AT_ONCE, VlmPipeline};
use crate::processor::Encoded;

/// Function of an image's pixels to differentiate. Log-likelihoods are the ones that [`VlmPipeline::score`] returns: sums over the tokens of an
/// answer and the end of its turn, in nats.
#[derive(Clone, Debug, PartialEq)]
pub enum PixelObjective {
    /// Negative log-likelihood of an answer.
    Nll {
        /// Text of the answer, not empty.
        target: String,
    },
    /// Log-likelihood of the likeliest wrong option minus the log-likelihood of the right option.
    Margin {
        /// Texts of all options, at least two.
        options: Vec<String>,
        /// Index of the right option in `options`, from 0.
        gold: usize,
    },
}

/// Value and pixel gradient of a [`PixelObjective`].
#[derive(Clone, Debug, PartialEq)]
pub struct PixelSlope {
    /// Value of the objective at the given image, in nats.
    pub value: f64,
    /// Gradient with respect to the pixels, in 0..1, of the first image of the example: `[tiles, 3, height, width]`
    /// row by row.
    pub gradient: Vec<f32>,
}

impl PixelObjective {
    fn texts(&self) -> Vec<String> {
        match self {
            Self::Nll { target } => vec![target.clone()],
            Self::Margin { options, .. } => options.clone(),
        }
    }

    fn check(&self) -> Result<(), PipelineError> {
        match self {
            Self::Margin { options, gold } if options.len() < 2 || *gold >= options.len() => {
                Err(PipelineError::NoGradient("a margin needs at least two options, one of them right"))
            }
            _ => Ok(()),
        }
    }

    /// Returns the value of the objective at the log-likelihoods `scores`, one per answer, and the derivative with
    /// respect to each of them.
    fn at(&self, scores: &[f64]) -> (f64, Vec<f32>) {
        match self {
            Self::Nll { .. } => (-scores[0], vec![-1.0]),
            Self::Margin { gold, .. } => {
                let rivals = (0..scores.len()).filter(|option| option != gold);
                let rival = rivals.max_by(|a, b| scores[*a].total_cmp(&scores[*b])).unwrap_or(*gold);
                let mut slopes = vec![0.0; scores.len()];
                slopes[rival] += 1.0;
                slopes[*gold] -= 1.0;
                (scores[rival] - scores[*gold], slopes)
            }
        }
    }
}

/// An encoded question with its objective, waiting for a forward pass.
struct Queries<'a> {
    example: &'a EncodableExample,
    objective: &'a PixelObjective,
    prompt: Encoded,
    /// Tokens of each answer with the end of its turn.
    answers: Vec<Vec<u32>>,
    /// Tiles of the first image.
    grid: ImageGrid,
}

impl Queries<'_> {
    /// Returns the rows of the question in the image encoder or in the decoder, whichever are more.
    fn rows(&self, encoder: &EncoderShape) -> usize {
        let words = self.prompt.ids.len() + self.answers.iter().map(Vec::len).sum::<usize>();
        words.max(self.grid.tiles() * encoder.patches(self.grid.height, self.grid.width))
    }
}

impl VlmPipeline {
    /// Returns the value and the pixel gradient of each objective, in the order given. Gradients are with respect to
    /// the first image of an example. The settings `gradients` and `dropout` of `pass` are ignored. Several questions
    /// share one pass. The grouping changes gradients by rounding only.
    ///
    /// # Errors
    /// Errors of [`crate::processor::Processor::encode_options`], and when an example has no image, a margin has fewer
    /// than two options, or the index of the right option is out of range.
    pub fn pixel_gradients(
        &self,
        asked: &[(EncodableExample, PixelObjective)],
        pass: &Pass,
    ) -> Result<Vec<PixelSlope>, PipelineError> {
        let encoder = self.model.config().vision;
        let (mut slopes, mut waiting, mut rows) = (Vec::with_capacity(asked.len()), Vec::new(), 0);
        for (example, objective) in asked {
            let asked = self.asked(example, objective)?;
            let more = asked.rows(&encoder);
            if rows + more > ROWS_AT_ONCE && !waiting.is_empty() {
                slopes.extend(self.climb(&waiting, pass).0);
                (waiting, rows) = (Vec::new(), 0);
            }
            waiting.push(asked);
            rows += more;
        }
        if !waiting.is_empty() {
            slopes.extend(self.climb(&waiting, pass).0);
        }
        Ok(slopes)
    }

    fn asked<'a>(
        &self,
        example: &'a EncodableExample,
        objective: &'a PixelObjective,
    ) -> Result<Queries<'a>, PipelineError> {
        objective.check()?;
        let Some(first) = example.images.first() else {
            return Err(PipelineError::NoGradient("a pixel gradient needs an image"));
        };
        let texts = objective.texts();
        let (prompt, answers) = self.processor.encode_options(&example.conversation, &example.grids(), &texts)?;
        Ok(Queries { example, objective, prompt, answers, grid: first.grid })
    }

    /// Runs one forward and one backward pass for all of `asked`. Returns values and pixel gradients, and the remaining
    /// gradients for tests.
    fn climb(&self, asked: &[Queries<'_>], pass: &Pass) -> (Vec<PixelSlope>, Gradients) {
        let plain = Pass { gradients: false, dropout: None, ..*pass };
        let features = |grid: ImageGrid| grid.tiles() * self.processor.tile_features(grid);
        let attacked: usize = asked.iter().map(|asked| features(asked.grid)).sum();
        let (mut rest, mut sequences, mut first) = (TileSet::default(), Vec::new(), 0);
        for Queries { example, prompt, answers, grid, .. } in asked {
            for answer in answers {
                let (ids, targets) = answered(prompt, answer);
                let spans = prompt.images.iter().map(|span| TileSpan {
                    start: span.start,
                    len: span.len,
                    // Equal tiles of first images are not merged, because each has a gradient of its own.
                    first: match span.image {
                        0 => first + span.tile * span.tile_features,
                        image => attacked + rest.first_feature(&example.images[image], span.tile, span.tile_features),
                    } + span.first,
                    axes: span.axes,
                });
                let tiles = spans.collect();
                sequences.push(Sequence { ids, tiles, targets });
            }
            first += features(*grid);
        }
        let layout = PackedSequences::pack(&sequences, true);
        let units = self.attacked_pixels(asked);
        let normalised: Vec<Tensor<4>> =
            units.iter().map(|unit| self.processor.values().normalise(unit.clone())).collect();
        let features = self.model.image_features(&normalised, &plain);
        let features = match self.features(&rest, &plain) {
            Some(rest) => Tensor::cat(vec![features, rest], 0),
            None => features,
        };
        let mut values = Vec::with_capacity(asked.len());
        let weigh = |logprobs: &[f32]| {
            let (mut weights, mut logprobs) = (Vec::with_capacity(logprobs.len()), logprobs);
            for Queries { objective, answers, .. } in asked {
                let scores = answers.iter().map(|answer| {
                    let own = logprobs.split_off(..answer.len()).unwrap_or_default();
                    own.iter().map(|logprob| f64::from(*logprob)).sum::<f64>()
                });
                let (value, slopes) = objective.at(&scores.collect::<Vec<_>>());
                values.push(value);
                // The loss sums negative log-likelihoods, so weights change sign here.
                let each = answers.iter().zip(slopes);
                weights.extend(each.flat_map(|(answer, slope)| std::iter::repeat_n(-slope, answer.len())));
            }
            weights
        };
        let gradients = self.model.reweighted_losses(&layout, Some(features), &plain, weigh).0.backward();
        // Every question shows its first image, so the loss always depends on the pixels.
        let all = units.iter().flat_map(|unit| values_of(unit.grad(&gradients).expect("pixels have a gradient")));
        let mut all = all.collect::<Vec<f32>>().into_iter();
        let slopes = asked.iter().zip(values).map(|(asked, value)| {
            let gradient = all.by_ref().take(asked.grid.values()).collect();
            PixelSlope { value, gradient }
        });
        (slopes.collect(), gradients)
    }

    /// Pixels of the first images in 0..1 as leaves of the gradient graph, one tensor `[tiles, 3, height, width]` for
    /// neighbouring images whose tiles have one size.
    fn attacked_pixels(&self, asked: &[Queries<'_>]) -> Vec<Tensor<4>> {
        let size = |asked: &Queries<'_>| [asked.grid.height, asked.grid.width];
        let of_one_size = asked.chunk_by(|one, other| size(one) == size(other));
        of_one_size
            .map(|asked| {
                let unit = asked.iter().flat_map(|asked| self.processor.unit_pixels(&asked.example.images[0]));
                let unit: Vec<f32> = unit.collect();
                let [height, width] = size(&asked[0]);
                let tiles = asked.iter().map(|asked| asked.grid.tiles()).sum();
                let unit = tensor_of::<4, Float>(unit, [tiles, 3, height, width], self.model.device());
                unit.autodiff().require_grad()
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use burn::tensor::Device;
    use image::{Rgb, RgbImage};
    use stepwise_data::conversation::{Conversation, Part, Role};
    use stepwise_testing::files::{parity, tiny};

    use super::*;
    use crate::adapter::load_adapter;
    use crate::nn::parameter::{Parameter, ParameterVisitor};

    /// The tiny model of the parity fixtures without image splitting, with a trainable adapter on every linear layer.
    fn adapted() -> VlmPipeline {
        let mut pipeline = VlmPipeline::load(&tiny(), &Device::flex()).expect("the tiny model");
        pipeline.processor.set_image_splitting(Some(false));
        load_adapter(&mut pipeline.model, &parity().join("tiny-lora-all")).expect("the adapter");
        pipeline.refresh();
        pipeline
    }

    /// Counts trainable parameters and parameters with a gradient.
    struct Graph<'a> {
        gradients: &'a Gradients,
        learning: usize,
        reached: usize,
    }

    impl ParameterVisitor for Graph<'_> {
        fn visit<const D: usize>(&mut self, _: &str, parameter: &mut Parameter<D>) {
            self.learning += usize::from(parameter.learns());
            self.reached += usize::from(parameter.gradient(self.gradients).is_some());
        }
    }

    fn picture(pipeline: &VlmPipeline, seed: u32) -> Vec<f32> {
        let picture = RgbImage::from_fn(64, 64, |x, y| {
            Rgb([seed * 40 + x * 2, y * 3, (x * y + seed * 7) / 20].map(|value| (value % 256) as u8))
        });
        pipeline.processor.unit_pixels(&pipeline.processor.prepare(&picture).expect("a picture"))
    }

    fn example(pipeline: &VlmPipeline, unit: &[Vec<f32>], question: &str) -> EncodableExample {
        let mut conversation = Conversation::default();
        let mut parts: Vec<Part> = (0..unit.len()).map(|index| Part::Image { index }).collect();
        parts.push(Part::text(question));
        conversation.push(Role::User, parts);
        let grid = ImageGrid::whole(64, 64);
        let repainted = |unit: &Vec<f32>| Arc::new(pipeline.processor.repainted(grid, unit.clone()).expect("one tile"));
        EncodableExample { conversation, images: unit.iter().map(repainted).collect() }
    }

    fn margin(gold: usize) -> PixelObjective {
        PixelObjective::Margin { options: ["smooth", "lobulated margin", "no"].map(str::to_owned).to_vec(), gold }
    }

    /// Six questions about three images; the last one shows a second image, too.
    fn asked(pipeline: &VlmPipeline) -> Vec<(EncodableExample, PixelObjective)> {
        let pictures: Vec<Vec<f32>> = (1..4).map(|seed| picture(pipeline, seed)).collect();
        let mut asked: Vec<_> = pictures
            .iter()
            .flat_map(|unit| {
                let one = example(pipeline, std::slice::from_ref(unit), "How is its margin?");
                let nll = PixelObjective::Nll { target: "a carcinoma".to_owned() };
                [(one.clone(), margin(1)), (one, nll)]
            })
            .collect();
        asked[5].0 = example(pipeline, &[pictures[2].clone(), pictures[0].clone()], "What changed?");
        asked
    }

    fn distance(one: &[f32], other: &[f32]) -> f32 {
        assert_eq!(one.len(), other.len());
        let most = one.iter().fold(0.0f32, |most, value| most.max(value.abs()));
        let apart = one.iter().zip(other).map(|(a, b)| (a - b).abs()).fold(0.0f32, f32::max);
        assert!(most > 0.0, "a zero gradient would make the test meaningless");
        apart / most
    }

    #[test]
    fn gradients_of_a_batch_equal_single_gradients_up_to_rounding() {
        let pipeline = adapted();
        for pass in [Pass::ANSWER, Pass::BASE] {
            let asked = asked(&pipeline);
            let together = pipeline.pixel_gradients(&asked, &pass).expect("gradients");
            for (alone, together) in asked.chunks(1).zip(&together) {
                let alone = pipeline.pixel_gradients(alone, &pass).expect("a gradient").remove(0);
                let rounding = 1e-5 * alone.value.abs().max(1.0);
                assert!((alone.value - together.value).abs() < rounding, "{} {}", alone.value, together.value);
                let apart = distance(&alone.gradient, &together.gradient);
                assert!(apart < 1e-4, "apart by {apart} of the largest slope");
            }
        }
    }

    #[test]
    fn values_equal_scores_and_gradients_equal_differences() {
        let pipeline = adapted();
        let unit = picture(&pipeline, 2);
        let one = example(&pipeline, std::slice::from_ref(&unit), "How is its margin?");
        let scores = |example: &EncodableExample, texts: Vec<String>| -> Vec<f64> {
            let scores = pipeline.score(&[(example.clone(), texts)], &Pass::ANSWER).expect("scores").remove(0);
            scores.iter().map(|score| score.loglikelihood).collect()
        };
        let value = |example: &EncodableExample, objective: &PixelObjective| {
            objective.at(&scores(example, objective.texts())).0
        };
        for objective in [margin(0), margin(2), PixelObjective::Nll { target: "a carcinoma".to_owned() }] {
            let found =
                pipeline.pixel_gradients(&[(one.clone(), objective.clone())], &Pass::ANSWER).expect("a gradient");
            let PixelSlope { value: here, gradient } = &found[0];
            assert!((here - value(&one, &objective)).abs() < 1e-5 * here.abs().max(1.0));
            // Pixels move along the signs of the gradient, so that the difference is far above rounding.
            let step = 2e-4f32;
            let moved = |sign: f32| -> Vec<f32> {
                unit.iter().zip(gradient).map(|(pixel, slope)| pixel + sign * step * slope.signum()).collect()
            };
            let at = |unit: Vec<f32>| value(&example(&pipeline, &[unit], "How is its margin?"), &objective);
            let measured = (at(moved(1.0)) - at(moved(-1.0))) / (2.0 * f64::from(step));
            let told: f64 = gradient.iter().map(|slope| f64::from(slope.abs())).sum();
            assert!((measured / told - 1.0).abs() < 0.02, "{measured} measured, {told} by gradient");
        }
    }

    #[test]
    fn only_the_pixels_get_a_gradient() {
        let mut pipeline = adapted();
        let asked = asked(&pipeline);
        let waiting: Vec<_> = asked.iter().map(|(example, objective)| pipeline.asked(example, objective)).collect();
        let waiting = waiting.into_iter().collect::<Result<Vec<_>, _>>().expect("encoded");
        let (slopes, gradients) = pipeline.climb(&waiting, &Pass { gradients: true, ..Pass::ANSWER });
        assert_eq!(slopes.len(), 6);
        let mut graph = Graph { gradients: &gradients, learning: 0, reached: 0 };
        pipeline.model.visit(&mut graph);
        assert!(graph.learning > 20, "the adapter is trainable: {}", graph.learning);
        assert_eq!(graph.reached, 0);
    }

    #[test]
    fn questions_without_a_gradient_are_refused() {
        let pipeline = adapted();
        let unit = picture(&pipeline, 1);
        let nll = PixelObjective::Nll { target: "no".to_owned() };
        let refused = |example: EncodableExample, objective| {
            pipeline.pixel_gradients(&[(example, objective)], &Pass::ANSWER).expect_err("refused").to_string()
        };
        assert!(refused(example(&pipeline, &[], "What is this?"), nll).contains("needs an image"));
        let alone = PixelObjective::Margin { options: vec!["yes".to_owned()], gold: 0 };
        assert!(refused(example(&pipeline, &[unit], "What is this?"), alone).contains("two options"));
    }
}
