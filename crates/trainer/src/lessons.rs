//! From a sample of the plan to what the model learns from: conversations with their pictures, packed into micro-batches.

use std::collections::HashMap;
use std::sync::Arc;

use stepwise_curriculum::case::Case;
use stepwise_curriculum::phase::Context;
use stepwise_curriculum::prompt::{AnswerForm, Frame, prompt};
use stepwise_vlm::batch::{Batch, Example};
use stepwise_vlm::processor::{Prepared, Processor, ProcessorError};

use crate::cases::Pictures;

/// Bytes of cut pictures kept in memory.
const PICTURE_BYTES: usize = 512 << 20;

/// One question with its answer, to be learned.
#[derive(Clone, Debug)]
pub struct Lesson {
    /// Ends with the supervised answer.
    pub example: Example,
    /// Clinical stage.
    pub stage: u8,
    /// `case_id/item_id`, for messages.
    pub name: String,
}

/// Why a lesson cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum LessonError {
    /// A picture is missing or broken.
    #[error("case {case}: {problem} -> check the data set with `stepwise check`")]
    Picture {
        /// The case.
        case: String,
        /// What is wrong.
        problem: String,
    },
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
}

impl MicroBatch {
    /// Packs `lessons`; beginnings and pictures in common are computed once if `share`.
    ///
    /// # Errors
    /// When a lesson cannot be encoded or has more than `cutoff_len` tokens.
    pub fn new(processor: &Processor, lessons: &[Lesson], share: bool, cutoff_len: usize) -> Result<Self, LessonError> {
        let batch = Batch::new(processor, lessons.iter().map(|lesson| &lesson.example), share)?;
        for (lesson, row) in lessons.iter().zip(&batch.layout.last) {
            let tokens = batch.layout.positions[*row] as usize + 1;
            if tokens > cutoff_len {
                return Err(LessonError::TooLong { name: lesson.name.clone(), tokens, cutoff_len });
            }
        }
        let stages = lessons.iter().map(|lesson| lesson.stage).collect();
        Ok(Self { batch, stages, names: lessons.iter().map(|lesson| lesson.name.clone()).collect() })
    }
}

/// Makes lessons, and remembers pictures it has cut.
#[derive(Default)]
pub struct Lessons {
    cut: HashMap<String, Vec<Arc<Prepared>>>,
    bytes: usize,
}

impl Lessons {
    /// Question number `item` of `case` with its right answer.
    ///
    /// # Errors
    /// When a picture cannot be read or cut.
    pub fn of(
        &mut self,
        processor: &Processor,
        pictures: &Pictures,
        case: &Case,
        item: usize,
        context: Context,
        answer_form: AnswerForm,
    ) -> Result<Lesson, LessonError> {
        let images = self.images(processor, pictures, case)?;
        let item = &case.chain[item];
        let frame = Frame { answer_form, context: context.known(case, item), ..Frame::default() };
        let prompt = prompt(case, item, &frame);
        let conversation = prompt.conversation.answered(&prompt.answer);
        let example = Example { conversation, images };
        Ok(Lesson { example, stage: item.stage, name: format!("{}/{}", case.case_id, item.id) })
    }

    fn images(
        &mut self,
        processor: &Processor,
        pictures: &Pictures,
        case: &Case,
    ) -> Result<Vec<Arc<Prepared>>, LessonError> {
        if let Some(known) = self.cut.get(&case.case_id) {
            return Ok(known.clone());
        }
        let images = (0..case.images.len())
            .map(|index| {
                let picture = pictures.load(case, index).map_err(|problem| LessonError::Picture {
                    case: case.case_id.clone(),
                    problem: problem.to_string(),
                })?;
                let failed = |error| LessonError::Processor { case: case.case_id.clone(), error };
                processor.prepare(&picture).map(Arc::new).map_err(failed)
            })
            .collect::<Result<Vec<_>, _>>()?;
        if self.bytes > PICTURE_BYTES {
            self.cut.clear();
            self.bytes = 0;
        }
        self.bytes += images.iter().map(|image| image.grid.tiles() * processor.tile_size()).sum::<usize>();
        self.cut.insert(case.case_id.clone(), images.clone());
        Ok(images)
    }
}
