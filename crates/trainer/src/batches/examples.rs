//! Training examples: samples of the run plan become conversations with images, which are packed into micro-batches.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use stepwise_benchmark::model::ModelError;
use stepwise_benchmark::perturb::{Attack, AttackGoal, Perturbed};
use stepwise_benchmark::rng::SuiteRng;
use stepwise_benchmark::runner::{Gallery, RunError};
use stepwise_curriculum::SampleIndex;
use stepwise_curriculum::run_plan::StepPosition;
use stepwise_data::case::{Answer, Case, Image};
use stepwise_data::conversation::Conversation;
use stepwise_data::problem::Problems;
use stepwise_data::prompt::{AnswerForm, PromptOptions, prompt};
use stepwise_recipe::Recipe;
use stepwise_vlm::batch::{Batch, EncodableExample};
use stepwise_vlm::processor::{Prepared, Processor, ProcessorError};

use crate::batches::augment::{AugmentedQuestion, Augmenter};
use crate::cases::Cases;
use crate::evaluation::predicted::PredictedAnswers;

/// Size limit of the cache of preprocessed images, in bytes (512 MiB).
pub(crate) const PICTURE_BYTES: usize = 512 << 20;

/// A training example: one question with its supervised answer.
#[derive(Clone, Debug)]
pub struct TrainingExample {
    /// Conversation that ends with the supervised answer, and its images.
    pub example: EncodableExample,
    /// Clinical stage, 1 to 4.
    pub stage: u8,
    /// Name in messages: `case_id/item_id`.
    pub name: String,
    /// Kind of the condition applied to the question; None if the question is shown as stored.
    pub condition: Option<&'static str>,
    /// Factor on the loss of the answer's tokens; 1 except for box answers, whose weight is the phase's
    /// `box_loss_weight`.
    pub weight: f32,
    /// Attack on the first image, made on the current model just before the step; None without an attack.
    pub attack: Option<PlannedAttack>,
}

/// A pending attack on the image of a training example.
#[derive(Clone, Debug)]
pub struct PlannedAttack {
    /// Attack method.
    pub attack: Arc<dyn Attack>,
    /// Seed and version of the attack's random numbers.
    pub rng: SuiteRng,
    /// Conversation with the question, without the answer.
    pub question: Conversation,
    /// Answer that the attack makes less likely, or more likely if its goal is a named answer.
    pub target: String,
    /// Case id and item id, which select the random numbers.
    pub about: (String, String),
}

/// Why a training example cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ExampleError {
    /// An image is missing, damaged, or differs from the recorded one.
    #[error(transparent)]
    Image(RunError),
    /// The processor cannot prepare an image.
    #[error("case {case}: {error}")]
    Processor {
        /// Case id.
        case: String,
        /// Cause.
        error: ProcessorError,
    },
    /// A conversation cannot be encoded.
    #[error(transparent)]
    Encode(#[from] ProcessorError),
    /// The attack on an image failed.
    #[error("{name}: the attack on its image failed: {error} -> remove the attack from `augment`")]
    Attack {
        /// Name of the training example.
        name: String,
        /// Cause.
        error: ModelError,
    },
    /// A training example has more tokens than the recipe allows.
    #[error("{name} has {tokens} tokens, cutoff_len is {cutoff_len} -> raise `cutoff_len`, or lower the image's size")]
    TooLong {
        /// Name of the training example.
        name: String,
        /// Number of its tokens.
        tokens: usize,
        /// Limit of the recipe.
        cutoff_len: usize,
    },
    /// A training example has more tokens than the model has positions.
    #[error(
        "{name} has {tokens} tokens, max_position_embeddings of the model is {positions} -> shorten its texts, or lower the image's size"
    )]
    BeyondPositions {
        /// Name of the training example.
        name: String,
        /// Number of its tokens.
        tokens: usize,
        /// `max_position_embeddings` of the model.
        positions: usize,
    },
    /// Questions have special tokens or are too long.
    #[error(transparent)]
    Texts(#[from] Problems),
}

/// Training examples packed for one forward and backward pass.
#[derive(Clone, Debug)]
pub struct MicroBatch {
    /// Packed sequences and image tiles: the input of the model.
    pub batch: Batch,
    /// Clinical stage, 1 to 4, of each example.
    pub stages: Vec<u8>,
    /// Name of each example, `case_id/item_id`.
    pub names: Vec<String>,
    /// The examples before packing, so that each can be examined alone.
    pub examples: Vec<EncodableExample>,
}

impl MicroBatch {
    /// Packs training examples for one forward and backward pass. If `share`, equal prefixes and images are computed
    /// once.
    ///
    /// # Errors
    /// When an example cannot be encoded or has more than `cutoff_len` tokens.
    pub fn new(
        processor: &Processor,
        examples: &[TrainingExample],
        share: bool,
        cutoff_len: usize,
    ) -> Result<Self, ExampleError> {
        let weighted = examples.iter().map(|example| (&example.example, example.weight));
        let batch = Batch::weighted(processor, weighted, share)?;
        for (example, &tokens) in examples.iter().zip(&batch.layout.lengths) {
            if tokens > cutoff_len {
                return Err(ExampleError::TooLong { name: example.name.clone(), tokens, cutoff_len });
            }
        }
        let stages = examples.iter().map(|example| example.stage).collect();
        let names = examples.iter().map(|example| example.name.clone()).collect();
        Ok(Self { batch, stages, names, examples: examples.iter().map(|example| example.example.clone()).collect() })
    }
}

/// Makes the training examples of a run, with a cache of preprocessed images.
pub struct ExampleBuilder<'a> {
    processor: &'a Processor,
    answer_form: AnswerForm,
    /// Loss weight of box answers, by phase.
    box_weights: Vec<f32>,
    augmenter: Augmenter<'a>,
    gallery: Gallery<'a>,
    /// Preprocessed original images of a case, by case index.
    cut: HashMap<usize, Vec<Arc<Prepared>>>,
    bytes: usize,
}

impl<'a> ExampleBuilder<'a> {
    /// Creates a builder of training examples of `recipe` from the training cases of `cases`. It has no answers of the
    /// model, so examples with predicted context (`context = { predicted = ... }`) get the right answers; see
    /// [`ExampleBuilder::context`].
    #[must_use]
    pub fn new(recipe: &Recipe, cases: &'a Cases, processor: &'a Processor) -> Self {
        Self::context(recipe, cases, processor, None)
    }

    /// Creates a builder like [`ExampleBuilder::new`], with the answers that the model gave before the current phase;
    /// None gives the right answers as context.
    #[must_use]
    pub fn context(
        recipe: &Recipe,
        cases: &'a Cases,
        processor: &'a Processor,
        predicted: Option<Arc<PredictedAnswers>>,
    ) -> Self {
        Self {
            processor,
            answer_form: recipe.train.answer_form,
            box_weights: recipe.curriculum.phase.iter().map(|phase| phase.examples.box_loss_weight as f32).collect(),
            augmenter: Augmenter::new(recipe, &cases.train).with_predicted(predicted),
            gallery: Gallery::new(&cases.train, &cases.pictures),
            cut: HashMap::new(),
            bytes: 0,
        }
    }

    /// Makes the training example of `sample` for the step at `place`: condition, context, images and right answer.
    /// Equal arguments give equal examples.
    ///
    /// # Errors
    /// When an image cannot be read or prepared.
    pub fn of(&mut self, place: StepPosition, sample: SampleIndex) -> Result<TrainingExample, ExampleError> {
        let asked = self.augmenter.asked(place, sample);
        let images = self.images(&asked)?;
        Ok(self.example(place, asked, images))
    }

    /// Makes the training example of [`ExampleBuilder::of`] with images that have a size but no pixels. This is enough
    /// to count tokens and tiles, because no perturbation changes the size of an image.
    #[must_use]
    pub fn without_pixels(&self, place: StepPosition, sample: SampleIndex) -> TrainingExample {
        let asked = self.augmenter.asked(place, sample);
        let index = asked.perturbed.shown_case(asked.sample.case);
        let images = if asked.perturbed.frame.without_images {
            Vec::new()
        } else {
            let sized = |(number, image): (usize, &Image)| {
                let same = format!("{index}:{number}:{}", asked.perturbed.pictures.key());
                Arc::new(Prepared::outline(self.processor.grid(image.width, image.height), &same))
            };
            self.augmenter.cases()[index].images.iter().enumerate().map(sized).collect()
        };
        self.example(place, asked, images)
    }

    fn example(&self, place: StepPosition, asked: AugmentedQuestion, images: Vec<Arc<Prepared>>) -> TrainingExample {
        let sample = asked.sample;
        let stored = &self.augmenter.cases()[sample.case];
        let Perturbed { item, frame, regions, attack, named, .. } = asked.perturbed;
        let case = regions.map_or(Cow::Borrowed(stored), |regions| Cow::Owned(Case { regions, ..stored.clone() }));
        let item = item.as_ref().unwrap_or(&stored.chain[sample.item]);
        let prompt = prompt(&case, item, &PromptOptions { answer_form: self.answer_form, ..frame });
        let attack = attack.map(|attack| {
            let named = named.filter(|_| attack.attack_goal() == AttackGoal::ToNamed).map(|named| named.text);
            PlannedAttack {
                attack,
                rng: self.augmenter.rng(place),
                question: prompt.conversation.clone(),
                target: named.unwrap_or_else(|| prompt.answer.clone()),
                about: (stored.case_id.clone(), item.id.clone()),
            }
        });
        let conversation = prompt.conversation.answered(&prompt.answer);
        let name = format!("{}/{}", stored.case_id, item.id);
        let example = EncodableExample { conversation, images };
        let is_box = matches!(item.answer, Answer::Box { .. });
        let weight = if is_box { self.box_weights[place.phase] } else { 1.0 };
        TrainingExample { example, stage: item.stage, name, condition: asked.condition, weight, attack }
    }

    fn images(&mut self, asked: &AugmentedQuestion) -> Result<Vec<Arc<Prepared>>, ExampleError> {
        let index = asked.perturbed.shown_case(asked.sample.case);
        let as_they_are = asked.perturbed.pictures.key().is_empty() && !asked.perturbed.frame.without_images;
        if as_they_are && let Some(known) = self.cut.get(&index) {
            return Ok(known.clone());
        }
        let case = || self.augmenter.cases()[index].case_id.clone();
        let shown = self.gallery.pictures(asked.sample.case, &asked.perturbed).map_err(ExampleError::Image)?;
        let mut images = Vec::new();
        for picture in shown {
            let failed = |error| ExampleError::Processor { case: case(), error };
            images.push(Arc::new(self.processor.prepare(&picture).map_err(failed)?));
        }
        self.gallery.clear();
        if as_they_are {
            if self.bytes > PICTURE_BYTES {
                self.cut.clear();
                self.bytes = 0;
            }
            self.bytes += images.iter().map(|image| image.grid.values()).sum::<usize>();
            self.cut.insert(index, images.clone());
        }
        Ok(images)
    }
}
