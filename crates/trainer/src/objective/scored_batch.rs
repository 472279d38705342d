//! The scored options of a micro-batch, and the weights that the objectives give to the predicted tokens.

use std::collections::BTreeMap;
use std::sync::Arc;

use stepwise_objectives::{NotFinite, Objectives, Question, Scores, Shape, VIEWS, View};
use stepwise_vlm::batch::{Batch, EncodableExample, OptionQuestion};
use stepwise_vlm::packed_sequences::PackedSequences;
use stepwise_vlm::pipeline::{PipelineError, VlmPipeline};
use stepwise_vlm::processor::{Processor, ProcessorError};

use super::references::ReferenceScores;
use super::scoring::{OptionsToScore, Scoring};

/// A training example to pack: its supervised conversation, the factor of its tokens, and its scoring.
#[derive(Clone, Copy, Debug)]
pub struct Scorable<'a> {
    /// Conversation that ends with the supervised answer, and its images.
    pub example: &'a EncodableExample,
    /// Factor of the supervised tokens' cross-entropy.
    pub weight: f32,
    /// Objectives and options of the example; None where cross-entropy alone is trained.
    pub scoring: Option<&'a Scoring>,
}

/// Questions of a micro-batch whose options are scored.
#[derive(Clone, Debug)]
pub struct ScoredBatch {
    objectives: Arc<Objectives>,
    questions: Vec<ScoredQuestion>,
    views: Vec<ScoredView>,
    /// Number of supervised examples. Their sequences come first in the batch.
    supervised: usize,
    /// Index of the training example that each sequence belongs to.
    owners: Vec<usize>,
}

#[derive(Clone, Debug)]
struct ScoredQuestion {
    /// Index of the training example in the micro-batch.
    example: usize,
    shape: Shape,
    /// Index of the scored view for each of [`VIEWS`].
    views: [Option<usize>; VIEWS.len()],
    /// Example without an image and its options, for the prior of the reference; None where no objective needs it.
    blind: Option<(EncodableExample, Vec<String>)>,
    /// Log-probability of each option by the prior, in nats.
    prior: Option<Vec<f64>>,
}

#[derive(Clone, Debug)]
struct ScoredView {
    example: EncodableExample,
    options: Vec<String>,
    /// Index of the training example that has one of the options as its answer; None for further views.
    answered_by: Option<usize>,
    /// Index of each option's sequence in the batch.
    sequences: Vec<usize>,
    reference: Option<Vec<f64>>,
}

/// Numbers of terms in the losses of an optimiser step, over all of its micro-batches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StepTotals {
    /// Supervised tokens.
    pub tokens: usize,
    /// Questions that each objective applies to.
    pub questions: BTreeMap<&'static str, usize>,
}

/// Weights of a micro-batch's predictions, and losses of its objectives.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weighing {
    /// Weight of the negative log-probability of each prediction.
    pub weights: Vec<f32>,
    /// Name of an objective and its loss at a question, without its factor.
    pub losses: Vec<(&'static str, f64)>,
}

impl ScoredBatch {
    /// Packs training examples, and the options of their questions that an objective applies to. The scored part is None
    /// if no example has a scoring. With `share`, equal prefixes and images are computed once.
    ///
    /// # Errors
    /// When an example or an option cannot be encoded.
    pub fn pack(
        processor: &Processor,
        examples: &[Scorable<'_>],
        share: bool,
    ) -> Result<(Batch, Option<Self>), ProcessorError> {
        let weighted = || examples.iter().map(|one| (one.example, one.weight));
        let Some(first) = examples.iter().find_map(|one| one.scoring) else {
            return Ok((Batch::weighted(processor, weighted(), share)?, None));
        };
        let mut scored = Self {
            objectives: Arc::clone(&first.objectives),
            questions: Vec::new(),
            views: Vec::new(),
            supervised: examples.len(),
            owners: Vec::new(),
        };
        scored.collect(examples);
        let questions: Vec<OptionQuestion<'_>> = scored
            .views
            .iter()
            .map(|view| OptionQuestion {
                example: &view.example,
                options: &view.options,
                answered_by: view.answered_by,
            })
            .collect();
        let (batch, sequences) = Batch::with_options(processor, weighted(), &questions, share)?;
        scored.views.iter_mut().zip(sequences).for_each(|(view, sequences)| view.sequences = sequences);
        scored.owners = scored.find_owners(batch.layout.lengths.len());
        Ok((batch, Some(scored)))
    }

    /// Collects the questions that an objective applies to, and their views.
    fn collect(&mut self, examples: &[Scorable<'_>]) {
        // Index of the view in which each training example is shown, made at its first use.
        let mut shown: Vec<Option<usize>> = vec![None; examples.len()];
        for (index, one) in examples.iter().enumerate() {
            let Some(options) = one.scoring.and_then(|scoring| scoring.options.as_ref()) else { continue };
            let needs = self.objectives.needs();
            let partner = options.partner.filter(|_| needs.has(View::Other)).and_then(|partner| {
                let place = if partner.is_before { index.checked_sub(1) } else { Some(index + 1) };
                place.filter(|place| options_at(examples, *place).is_some())
            });
            let is_second = options.partner.is_some_and(|partner| partner.is_before);
            // Without an image, only the first question of a pair is scored; elsewhere the view serves as a prior.
            let is_scored =
                |view: View| needs.has(view) && (view != View::WithoutImage || partner.is_some() && !is_second);
            let further: Vec<_> = options.views.iter().filter(|(view, ..)| is_scored(*view)).collect();
            let mut shape = Shape {
                options: options.texts.len(),
                gold: options.gold,
                other_gold: options.partner.map(|partner| partner.gold),
                named: options.named,
                is_second,
                views: [false; VIEWS.len()],
            };
            shape.views[View::Shown as usize] = true;
            shape.views[View::Other as usize] = partner.is_some();
            further.iter().for_each(|(view, ..)| shape.views[*view as usize] = true);
            if self.objectives.applying(&shape).is_empty() {
                continue;
            }
            let mut views = [None; VIEWS.len()];
            views[View::Shown as usize] = self.shown(examples, index, &mut shown);
            views[View::Other as usize] = partner.and_then(|partner| self.shown(examples, partner, &mut shown));
            for (view, example, texts) in further {
                views[*view as usize] = Some(self.views.len());
                self.views.push(ScoredView::new(example.clone(), texts.clone(), None));
            }
            let without_image = options.views.iter().find(|(view, ..)| *view == View::WithoutImage);
            let blind =
                without_image.filter(|_| needs.blind).map(|(_, example, texts)| (example.clone(), texts.clone()));
            self.questions.push(ScoredQuestion { example: index, shape, views, blind, prior: options.counts.clone() });
        }
    }

    /// Returns the index of the view in which the training example `index` is shown; None if it has no options.
    fn shown(&mut self, examples: &[Scorable<'_>], index: usize, shown: &mut [Option<usize>]) -> Option<usize> {
        if shown[index].is_none() {
            let options = options_at(examples, index)?;
            let images = examples[index].example.images.clone();
            let example = EncodableExample { conversation: options.question.clone(), images };
            shown[index] = Some(self.views.len());
            self.views.push(ScoredView::new(example, options.texts.clone(), Some(index)));
        }
        shown[index]
    }

    /// Adds the scores of the reference, the model of `pipeline` with its adapter off, where an objective needs them.
    ///
    /// # Errors
    /// Errors of [`VlmPipeline::score`].
    pub fn compare(&mut self, pipeline: &VlmPipeline, references: &mut ReferenceScores) -> Result<(), PipelineError> {
        if self.objectives.needs().reference {
            for view in &mut self.views {
                view.reference = Some(references.of(pipeline, &view.example, &view.options)?.0);
            }
        }
        for question in &mut self.questions {
            if let Some((example, options)) = &question.blind {
                let (loglikelihoods, tokens) = references.of(pipeline, example, options)?;
                let scores = Scores { loglikelihoods, tokens, reference: None };
                question.prior = Some(stepwise_objectives::Distribution::of(&scores).logs);
            }
        }
        Ok(())
    }

    /// Adds the terms of this micro-batch to the totals of its step. `layout` is its packed batch.
    pub fn count(&self, layout: &PackedSequences, totals: &mut StepTotals) {
        totals.tokens += layout.predictions.iter().filter(|one| one.sequence < self.supervised).count();
        for name in self.questions.iter().flat_map(|question| self.objectives.applying(&question.shape)) {
            *totals.questions.entry(name).or_default() += 1;
        }
    }

    /// Returns the weights of the predictions of `layout`, whose log-probabilities are `logprobs`, in nats. With these
    /// weights, the gradient of the weighted sum of negative log-probabilities is the gradient of the step's loss,
    /// `w / tokens sum(cross-entropy) + sum_k w_k / questions_k sum(loss_k)`. `progress` is the share of the schedules of
    /// `w` and `w_k` that is completed, 0 to 1.
    ///
    /// # Errors
    /// The index of the training example whose scores are not finite, and the first such score.
    pub fn weigh(
        &self,
        layout: &PackedSequences,
        logprobs: &[f32],
        totals: &StepTotals,
        progress: f64,
    ) -> Result<Weighing, (usize, NotFinite)> {
        let mut of_sequence: Vec<Vec<usize>> = vec![Vec::new(); layout.lengths.len()];
        for (place, prediction) in layout.predictions.iter().enumerate() {
            of_sequence[prediction.sequence].push(place);
        }
        let share = self.objectives.cross_entropy.at(progress) / totals.tokens.max(1) as f64;
        let cross_entropy = |sequence: usize, weight: f32| match sequence < self.supervised {
            true => f64::from(weight) * share,
            false => 0.0,
        };
        let mut weights: Vec<f64> =
            layout.predictions.iter().map(|one| cross_entropy(one.sequence, one.weight)).collect();
        let mut losses = Vec::new();
        for question in &self.questions {
            let scored = self.scored(question, &of_sequence, logprobs);
            scored.check().map_err(|error| (question.example, error))?;
            for one in self.objectives.terms(&scored, progress) {
                losses.push((one.name, one.term.loss));
                let share = one.weight / totals.questions[one.name] as f64;
                for (view, gradient) in question.views.iter().zip(&one.term.gradient) {
                    let Some(view) = view else { continue };
                    for (sequence, derivative) in self.views[*view].sequences.iter().zip(gradient) {
                        of_sequence[*sequence].iter().for_each(|place| weights[*place] -= share * derivative);
                    }
                }
            }
        }
        Ok(Weighing { weights: weights.into_iter().map(|weight| weight as f32).collect(), losses })
    }

    /// The question with the scores of its options. `of_sequence` holds the places of each sequence's predictions.
    fn scored(&self, question: &ScoredQuestion, of_sequence: &[Vec<usize>], logprobs: &[f32]) -> Question {
        let scores = |view: &Option<usize>| {
            let ScoredView { sequences, reference, .. } = &self.views[(*view)?];
            let sum = |sequence: &usize| of_sequence[*sequence].iter().map(|place| f64::from(logprobs[*place])).sum();
            Some(Scores {
                loglikelihoods: sequences.iter().map(sum).collect(),
                tokens: sequences.iter().map(|sequence| of_sequence[*sequence].len()).collect(),
                reference: reference.clone(),
            })
        };
        let mut all = question.views.iter().map(scores);
        Question {
            shape: question.shape.clone(),
            scores: VIEWS.map(|_| all.next().flatten()),
            prior: question.prior.clone(),
        }
    }

    /// Returns the index of the training example that a sequence of the batch belongs to.
    ///
    /// # Panics
    /// When the batch has no such sequence.
    #[must_use]
    pub fn owner(&self, sequence: usize) -> usize {
        self.owners[sequence]
    }

    /// Index of the training example that each of `sequences` sequences belongs to.
    fn find_owners(&self, sequences: usize) -> Vec<usize> {
        let mut owners: Vec<usize> = (0..sequences).collect();
        for question in &self.questions {
            let views = question.views.iter().flatten();
            let further = views.flat_map(|view| &self.views[*view].sequences).filter(|one| **one >= self.supervised);
            further.for_each(|sequence| owners[*sequence] = question.example);
        }
        owners
    }
}

impl ScoredView {
    fn new(example: EncodableExample, options: Vec<String>, answered_by: Option<usize>) -> Self {
        Self { example, options, answered_by, sequences: Vec::new(), reference: None }
    }
}

/// Options of a training example; None if there is no such example or it has none.
fn options_at<'a>(examples: &[Scorable<'a>], index: usize) -> Option<&'a OptionsToScore> {
    examples.get(index)?.scoring?.options.as_ref()
}
