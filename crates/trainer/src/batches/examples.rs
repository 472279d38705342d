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
use stepwise_data::case::{Answer, Case, Image, Item};
use stepwise_data::conversation::Conversation;
use stepwise_data::problem::Problems;
use stepwise_data::prompt::{AnswerForm, Prompt, PromptOptions, prompt};
use stepwise_objectives::{Objectives, View};
use stepwise_recipe::Recipe;
use stepwise_vlm::batch::{Batch, EncodableExample};
use stepwise_vlm::pipeline::PipelineError;
use stepwise_vlm::processor::{Prepared, Processor, ProcessorError};

use crate::batches::augment::{AugmentedQuestion, Augmenter};
use crate::batches::views::ViewBuilder;
use crate::cases::Cases;
use crate::evaluation::predicted::PredictedAnswers;
use crate::objective::{AnswerCounts, OptionsToScore, Partner, Scorable, ScoredBatch, Scoring, right};

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
    /// Id of the case whose images are shown: another case than in `name` for the second example of a pair and under
    /// conditions that swap images.
    pub images_of: String,
    /// Kind of the condition applied to the question; None if the question is shown as stored.
    pub condition: Option<&'static str>,
    /// Factor on the loss of the answer's tokens; 1 except for box answers, whose weight is the phase's
    /// `box_loss_weight`.
    pub weight: f32,
    /// Attack on the first image, made on the current model just before the step; None without an attack.
    pub attack: Option<PlannedAttack>,
    /// Objectives and options; None in a phase whose objective is cross-entropy alone.
    pub scoring: Option<Scoring>,
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
    /// The options of a question cannot be scored under the base.
    #[error("the options of a training example cannot be scored under the base: {0}")]
    Reference(PipelineError),
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
    /// Questions whose options the objectives score. Their sequences follow those of the examples. None in a phase whose
    /// objective is cross-entropy alone.
    pub scored: Option<ScoredBatch>,
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
        let scorable = examples.iter().map(|example| Scorable {
            example: &example.example,
            weight: example.weight,
            scoring: example.scoring.as_ref(),
        });
        let (batch, scored) = ScoredBatch::pack(processor, &scorable.collect::<Vec<_>>(), share)?;
        let stages = examples.iter().map(|example| example.stage).collect();
        let names = examples.iter().map(|example| example.name.clone()).collect();
        let examples = examples.iter().map(|example| example.example.clone()).collect();
        let made = Self { batch, stages, names, examples, scored };
        match made.too_long(cutoff_len) {
            Some((name, tokens)) => Err(ExampleError::TooLong { name: name.to_owned(), tokens, cutoff_len }),
            None => Ok(made),
        }
    }

    /// Returns the name of the first training example that has more than `most` tokens with its answer or one of its
    /// options, and this number. None if no example has.
    #[must_use]
    pub fn too_long(&self, most: usize) -> Option<(&str, usize)> {
        let (sequence, tokens) = self.batch.layout.lengths.iter().enumerate().find(|(_, tokens)| **tokens > most)?;
        let owner = self.scored.as_ref().map_or(sequence, |scored| scored.owner(sequence));
        Some((&self.names[owner], *tokens))
    }

    /// Returns the number of tokens of all training examples, with prompts and images. Options that are only scored do not
    /// count.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.batch.layout.lengths[..self.names.len()].iter().sum()
    }
}

/// Connects the two training examples of a pair; other examples stay as they are.
fn paired(mut examples: Vec<TrainingExample>) -> Vec<TrainingExample> {
    if let [first, second] = &mut examples[..]
        && let Some(one) = first.scoring.as_mut().and_then(|scoring| scoring.options.as_mut())
        && let Some(other) = second.scoring.as_mut().and_then(|scoring| scoring.options.as_mut())
    {
        one.partner = Some(Partner { is_before: false, gold: other.gold });
        other.partner = Some(Partner { is_before: true, gold: one.gold });
    }
    examples
}

/// Makes the training examples of a run, with a cache of preprocessed images.
pub struct ExampleBuilder<'a> {
    processor: &'a Processor,
    answer_form: AnswerForm,
    /// Loss weight of box answers, by phase.
    box_weights: Vec<f32>,
    augmenter: Augmenter<'a>,
    /// Objectives of each phase; None for cross-entropy alone.
    objectives: Vec<Option<Arc<Objectives>>>,
    views: ViewBuilder,
    /// Answer counts of the training cases; None if no phase needs them.
    counts: Option<AnswerCounts>,
    gallery: Gallery<'a>,
    /// Preprocessed original images of a case, by case index.
    cut: HashMap<usize, Vec<Arc<Prepared>>>,
    bytes: usize,
}

impl<'a> ExampleBuilder<'a> {
    /// Creates a builder of training examples of `recipe` from the training cases of `cases`. It has no answers of the
    /// model, so examples with predicted context (`context = { predicted = ... }`) get the right answers; see
    /// [`ExampleBuilder::context`].
    ///
    /// # Errors
    /// As [`ExampleBuilder::context`].
    pub fn new(recipe: &Recipe, cases: &'a Cases, processor: &'a Processor) -> Result<Self, ExampleError> {
        Self::context(recipe, cases, processor, None)
    }

    /// Creates a builder like [`ExampleBuilder::new`], with the answers that the model gave before the current phase;
    /// None gives the right answers as context.
    ///
    /// # Errors
    /// When pairs are chosen by thumbnails and an image cannot be read.
    pub fn context(
        recipe: &Recipe,
        cases: &'a Cases,
        processor: &'a Processor,
        predicted: Option<Arc<PredictedAnswers>>,
    ) -> Result<Self, ExampleError> {
        let augmenter = Augmenter::new(recipe, cases).map_err(ExampleError::Image)?.with_predicted(predicted);
        let phases = 0..recipe.curriculum.phase.len();
        let objectives: Vec<_> = phases.map(|phase| recipe.objective_of(phase)).collect();
        let counts = objectives.iter().any(|one| one.needs().counts).then(|| AnswerCounts::new(&cases.train));
        let objectives = objectives.into_iter().map(|one| (!one.is_plain()).then(|| Arc::new(one.clone()))).collect();
        Ok(Self {
            processor,
            objectives,
            views: ViewBuilder::default(),
            counts,
            answer_form: recipe.train.answer_form,
            box_weights: recipe.curriculum.phase.iter().map(|phase| phase.examples.box_loss_weight as f32).collect(),
            augmenter,
            gallery: Gallery::new(&cases.train, &cases.pictures),
            cut: HashMap::new(),
            bytes: 0,
        })
    }

    /// Makes the training example of `sample` for the step at `place`: condition, context, images and right answer; in a
    /// pair the example with its own images. Equal arguments give equal examples.
    ///
    /// # Errors
    /// When an image cannot be read or prepared.
    pub fn of(&mut self, place: StepPosition, sample: SampleIndex) -> Result<TrainingExample, ExampleError> {
        Ok(self.all(place, sample)?.swap_remove(0))
    }

    /// Makes the training examples of `sample` for the step at `place`: both of a pair, or the one of
    /// [`ExampleBuilder::of`].
    ///
    /// # Errors
    /// When an image cannot be read or prepared.
    pub fn all(&mut self, place: StepPosition, sample: SampleIndex) -> Result<Vec<TrainingExample>, ExampleError> {
        let mut made = Vec::new();
        for asked in self.augmenter.all(place, sample) {
            let images = self.images(&asked)?;
            let mut views = Vec::new();
            for (view, asked) in self.further_views(place, &asked) {
                let images = if asked.perturbed.frame.without_images { Vec::new() } else { self.images(&asked)? };
                views.push((view, asked, images));
            }
            made.push(self.example(place, asked, images, views));
        }
        Ok(paired(made))
    }

    /// Makes the training examples of [`ExampleBuilder::all`] with images that have a size but no pixels. This is enough
    /// to count tokens and tiles, because no perturbation changes the size of an image.
    #[must_use]
    pub fn without_pixels(&self, place: StepPosition, sample: SampleIndex) -> Vec<TrainingExample> {
        let outlines = |asked: &AugmentedQuestion| {
            if asked.perturbed.frame.without_images {
                return Vec::new();
            }
            let index = asked.perturbed.shown_case(asked.sample.case);
            let sized = |(number, image): (usize, &Image)| {
                let same = format!("{index}:{number}:{}", asked.perturbed.pictures.key());
                Arc::new(Prepared::outline(self.processor.grid(image.width, image.height), &same))
            };
            self.augmenter.cases()[index].images.iter().enumerate().map(sized).collect()
        };
        let example = |asked: AugmentedQuestion| {
            let views = self.further_views(place, &asked).into_iter().map(|(view, asked)| {
                let images = outlines(&asked);
                (view, asked, images)
            });
            let (views, images) = (views.collect(), outlines(&asked));
            self.example(place, asked, images, views)
        };
        paired(self.augmenter.all(place, sample).into_iter().map(example).collect())
    }

    fn further_views(&self, place: StepPosition, asked: &AugmentedQuestion) -> Vec<(View, AugmentedQuestion)> {
        let Some(objectives) = &self.objectives[place.phase] else { return Vec::new() };
        self.views.views(&self.augmenter, place, asked, objectives.needs())
    }

    fn example(
        &self,
        place: StepPosition,
        asked: AugmentedQuestion,
        images: Vec<Arc<Prepared>>,
        views: Vec<(View, AugmentedQuestion, Vec<Arc<Prepared>>)>,
    ) -> TrainingExample {
        let sample = asked.sample;
        let stored = &self.augmenter.cases()[sample.case];
        let (item, prompt) = self.prompt(&asked);
        let scoring = self.objectives[place.phase].as_ref().map(|objectives| Scoring {
            objectives: Arc::clone(objectives),
            options: self.options(objectives, stored, item, &asked, &prompt, views),
        });
        let Perturbed { attack, named, .. } = &asked.perturbed;
        let attack = attack.clone().map(|attack| {
            let named = named.clone().filter(|_| attack.attack_goal() == AttackGoal::ToNamed).map(|named| named.text);
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
        let images_of = self.augmenter.cases()[asked.perturbed.shown_case(sample.case)].case_id.clone();
        let example = EncodableExample { conversation, images };
        let is_box = matches!(item.answer, Answer::Box { .. });
        let weight = if is_box { self.box_weights[place.phase] } else { 1.0 };
        TrainingExample {
            example,
            stage: item.stage,
            name,
            images_of,
            condition: asked.condition,
            weight,
            attack,
            scoring,
        }
    }

    /// The question of an example, as changed by its condition, and its wording.
    fn prompt<'b>(&'b self, asked: &'b AugmentedQuestion) -> (&'b Item, Prompt) {
        let stored = &self.augmenter.cases()[asked.sample.case];
        let Perturbed { item, frame, regions, .. } = &asked.perturbed;
        let case = match regions {
            Some(regions) => Cow::Owned(Case { regions: regions.clone(), ..stored.clone() }),
            None => Cow::Borrowed(stored),
        };
        let item = item.as_ref().unwrap_or(&stored.chain[asked.sample.item]);
        let prompt = prompt(&case, item, &PromptOptions { answer_form: self.answer_form, ..frame.clone() });
        (item, prompt)
    }

    /// The options of a question to score; None for a question without options, or with several right ones.
    fn options(
        &self,
        objectives: &Objectives,
        case: &Case,
        item: &Item,
        asked: &AugmentedQuestion,
        shown: &Prompt,
        views: Vec<(View, AugmentedQuestion, Vec<Arc<Prepared>>)>,
    ) -> Option<OptionsToScore> {
        let [right] = right(item)[..] else { return None };
        let place = |stored: usize| shown.stored.iter().position(|one| *one == stored);
        let named = asked.perturbed.named.as_ref().and_then(|named| named.index).filter(|named| *named != right);
        let further = views.into_iter().filter_map(|(view, asked, images)| {
            let (_, prompt) = self.prompt(&asked);
            // A condition may show the options in another order, or other options.
            let of = |stored: &usize| prompt.stored.iter().position(|one| one == stored);
            let places: Option<Vec<usize>> = shown.stored.iter().map(of).collect();
            let places = places.filter(|places| places.len() == prompt.options.len())?;
            let texts = places.into_iter().map(|place| prompt.options[place].clone()).collect();
            Some((view, EncodableExample { conversation: prompt.conversation, images }, texts))
        });
        let counts = self.counts.as_ref().filter(|_| objectives.needs().counts).map(|counts| {
            let prior = counts.log_prior(case, item);
            shown.stored.iter().map(|stored| prior[*stored]).collect()
        });
        Some(OptionsToScore {
            question: shown.conversation.clone(),
            texts: shown.options.clone(),
            gold: place(right)?,
            named: named.and_then(place),
            partner: None,
            views: further.collect(),
            counts,
        })
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
