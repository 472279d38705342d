//! From a sample of the plan to what the model learns from: conversations with their pictures, packed into micro-batches.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use stepwise_benchmark::model::{RespondentError, Shown};
use stepwise_benchmark::perturb::{Attack, Draws, Goal, Perturbed, Pictures};
use stepwise_benchmark::runner::{Gallery, RunError};
use stepwise_curriculum::Sample;
use stepwise_curriculum::run_plan::Place;
use stepwise_data::case::{Answer, Case, Image};
use stepwise_data::conversation::Conversation;
use stepwise_data::prompt::{AnswerForm, Frame, prompt};
use stepwise_recipe::Recipe;
use stepwise_vlm::batch::{Batch, Example};
use stepwise_vlm::processor::{Prepared, Processor, ProcessorError};

use crate::batches::augment::{Asked, Augmenter};
use crate::cases::Cases;
use crate::evaluation::predicted::Predicted;

/// Bytes of cut pictures kept in memory.
pub(crate) const PICTURE_BYTES: usize = 512 << 20;

/// One question with its answer, to be learned.
#[derive(Clone, Debug)]
pub struct Lesson {
    /// Ends with the supervised answer.
    pub example: Example,
    /// Clinical stage.
    pub stage: u8,
    /// `case_id/item_id`, for messages.
    pub name: String,
    /// The kind of condition it stands under.
    pub condition: Option<&'static str>,
    /// Weight of its answer's tokens in the loss.
    pub weight: f32,
    /// The attack on its first picture, to be made on the model that learns, just before the step.
    pub attack: Option<Attacked>,
}

/// An attack that a lesson is to stand under.
#[derive(Clone, Debug)]
pub struct Attacked {
    /// How it is made.
    pub attack: Arc<dyn Attack>,
    /// Where its random numbers come from.
    pub draws: Draws,
    /// What is asked, without its answer.
    pub question: Conversation,
    /// The answer it leads away from, or to.
    pub target: String,
    /// Case and item, for its draws.
    pub about: (String, String),
}

/// Why a lesson cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum LessonError {
    /// A picture is missing, broken, or not the recorded one.
    #[error(transparent)]
    Picture(RunError),
    /// The processor refuses it.
    #[error("case {case}: {error}")]
    Processor {
        /// The case.
        case: String,
        /// Why.
        error: ProcessorError,
    },
    /// A conversation cannot be encoded.
    #[error(transparent)]
    Encode(#[from] ProcessorError),
    /// The attack that a lesson stands under cannot be made.
    #[error("{name}: the attack on its picture: {error} -> leave the attack out of `augment`")]
    Attack {
        /// The question.
        name: String,
        /// Why.
        error: RespondentError,
    },
    /// A sequence is longer than the recipe allows.
    #[error("{name} has {tokens} tokens, cutoff_len is {cutoff_len} -> raise `cutoff_len`, or lower the image's size")]
    TooLong {
        /// The question.
        name: String,
        /// Its tokens.
        tokens: usize,
        /// The recipe's limit.
        cutoff_len: usize,
    },
}

/// Lessons packed for one forward and backward pass.
#[derive(Clone, Debug)]
pub struct MicroBatch {
    /// What the model is handed.
    pub batch: Batch,
    /// Clinical stage of each lesson.
    pub stages: Vec<u8>,
    /// Name of each lesson.
    pub names: Vec<String>,
    /// What was packed, to look at each lesson alone.
    pub examples: Vec<Example>,
}

impl MicroBatch {
    /// Packs `lessons`; beginnings and pictures in common are computed once if `share`.
    ///
    /// # Errors
    /// When a lesson cannot be encoded or has more than `cutoff_len` tokens.
    pub fn new(processor: &Processor, lessons: &[Lesson], share: bool, cutoff_len: usize) -> Result<Self, LessonError> {
        let weighted = lessons.iter().map(|lesson| (&lesson.example, lesson.weight));
        let batch = Batch::weighted(processor, weighted, share)?;
        for (lesson, &tokens) in lessons.iter().zip(&batch.layout.lengths) {
            if tokens > cutoff_len {
                return Err(LessonError::TooLong { name: lesson.name.clone(), tokens, cutoff_len });
            }
        }
        let stages = lessons.iter().map(|lesson| lesson.stage).collect();
        let names = lessons.iter().map(|lesson| lesson.name.clone()).collect();
        Ok(Self { batch, stages, names, examples: lessons.iter().map(|lesson| lesson.example.clone()).collect() })
    }
}

/// Makes lessons, and remembers pictures it has cut.
pub struct Lessons<'a> {
    processor: &'a Processor,
    answer_form: AnswerForm,
    /// Of answers that are boxes, in each phase.
    box_weights: Vec<f32>,
    augmenter: Augmenter<'a>,
    gallery: Gallery<'a>,
    /// The pictures of a case as they are, by its index.
    cut: HashMap<usize, Vec<Arc<Prepared>>>,
    bytes: usize,
}

impl<'a> Lessons<'a> {
    /// Lessons of `recipe` from the training side of `cases`.
    #[must_use]
    pub fn new(recipe: &Recipe, cases: &'a Cases, processor: &'a Processor) -> Self {
        Self::told(recipe, cases, processor, None)
    }

    /// The same, with what the model answered when the phase under way began.
    #[must_use]
    pub fn told(
        recipe: &Recipe,
        cases: &'a Cases,
        processor: &'a Processor,
        predicted: Option<Arc<Predicted>>,
    ) -> Self {
        Self {
            processor,
            answer_form: recipe.train.answer_form,
            box_weights: recipe.curriculum.phase.iter().map(|phase| phase.lesson.box_loss_weight as f32).collect(),
            augmenter: Augmenter::new(recipe, &cases.train).with_predicted(predicted),
            gallery: Gallery::new(&cases.train, &cases.pictures),
            cut: HashMap::new(),
            bytes: 0,
        }
    }

    /// The question `sample` with its right answer, as the step at `place` teaches it.
    ///
    /// # Errors
    /// When a picture cannot be read or cut.
    pub fn of(&mut self, place: Place, sample: Sample) -> Result<Lesson, LessonError> {
        let asked = self.augmenter.asked(place, sample);
        let images = self.images(&asked)?;
        Ok(self.lesson(place, asked, images))
    }

    /// The same lesson with pictures that have a size and no pixels: enough to count tokens and tiles. No change to a picture
    /// changes its size.
    #[must_use]
    pub fn outline(&self, place: Place, sample: Sample) -> Lesson {
        let asked = self.augmenter.asked(place, sample);
        let index = shown(&asked);
        let images = if asked.perturbed.frame.without_images {
            Vec::new()
        } else {
            let outline = |(number, image): (usize, &Image)| {
                let same = format!("{index}:{number}:{}", asked.perturbed.pictures.key());
                Arc::new(Prepared::outline(self.processor.grid(image.width, image.height), &same))
            };
            self.augmenter.cases()[index].images.iter().enumerate().map(outline).collect()
        };
        self.lesson(place, asked, images)
    }

    fn lesson(&self, place: Place, asked: Asked, images: Vec<Arc<Prepared>>) -> Lesson {
        let sample = asked.sample;
        let stored = &self.augmenter.cases()[sample.case];
        let Perturbed { item, frame, regions, attack, named, .. } = asked.perturbed;
        let case = regions.map_or(Cow::Borrowed(stored), |regions| Cow::Owned(Case { regions, ..stored.clone() }));
        let item = item.as_ref().unwrap_or(&stored.chain[sample.item]);
        let prompt = prompt(&case, item, &Frame { answer_form: self.answer_form, ..frame });
        let attack = attack.map(|attack| {
            let named = named.filter(|_| attack.goal() == Goal::ToNamed).map(|named| named.text);
            Attacked {
                attack,
                draws: self.augmenter.draws(place),
                question: prompt.conversation.clone(),
                target: named.unwrap_or_else(|| prompt.answer.clone()),
                about: (stored.case_id.clone(), item.id.clone()),
            }
        });
        let conversation = prompt.conversation.answered(&prompt.answer);
        let name = format!("{}/{}", stored.case_id, item.id);
        let example = Example { conversation, images };
        let is_box = matches!(item.answer, Answer::Box { .. });
        let weight = if is_box { self.box_weights[place.phase] } else { 1.0 };
        Lesson { example, stage: item.stage, name, condition: asked.condition, weight, attack }
    }

    fn images(&mut self, asked: &Asked) -> Result<Vec<Arc<Prepared>>, LessonError> {
        let index = shown(asked);
        let as_they_are = asked.perturbed.pictures.key().is_empty() && !asked.perturbed.frame.without_images;
        if as_they_are && let Some(known) = self.cut.get(&index) {
            return Ok(known.clone());
        }
        let case = || self.augmenter.cases()[index].case_id.clone();
        let shown = self.gallery.pictures(asked.sample.case, &asked.perturbed).map_err(LessonError::Picture)?;
        let mut images = Vec::new();
        for shown in shown {
            // Attacked pixels are made later, from the picture as it is.
            let Shown::Picture(picture) = shown else { continue };
            let failed = |error| LessonError::Processor { case: case(), error };
            images.push(Arc::new(self.processor.prepare(&picture).map_err(failed)?));
        }
        self.gallery.clear();
        if as_they_are {
            if self.bytes > PICTURE_BYTES {
                self.cut.clear();
                self.bytes = 0;
            }
            self.bytes += images.iter().map(|image| image.grid.tiles() * self.processor.tile_size()).sum::<usize>();
            self.cut.insert(index, images.clone());
        }
        Ok(images)
    }
}

/// The case whose pictures are shown.
fn shown(asked: &Asked) -> usize {
    match &asked.perturbed.pictures {
        Pictures::Of(other) => *other,
        Pictures::Own | Pictures::Edited(_) | Pictures::MeanOf(_) => asked.sample.case,
    }
}
