//! From a sample of the plan to what the model learns from: conversations with their pictures.

use std::collections::HashMap;
use std::sync::Arc;

use stepwise_curriculum::case::Case;
use stepwise_curriculum::phase::Context;
use stepwise_curriculum::prompt::{AnswerForm, Frame, prompt};
use stepwise_vlm::reader::{Example, Prepared, Reader, ReaderError};

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
    Reader {
        /// The case.
        case: String,
        /// Why.
        error: ReaderError,
    },
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
        reader: &Reader,
        pictures: &Pictures,
        case: &Case,
        item: usize,
        context: Context,
        answer_form: AnswerForm,
    ) -> Result<Lesson, LessonError> {
        let images = self.images(reader, pictures, case)?;
        let item = &case.chain[item];
        let frame = Frame { answer_form, context: context.known(case, item), ..Frame::default() };
        let prompt = prompt(case, item, &frame);
        let conversation = prompt.conversation.answered(&prompt.answer);
        let example = Example { conversation, images };
        Ok(Lesson { example, stage: item.stage, name: format!("{}/{}", case.case_id, item.id) })
    }

    fn images(&mut self, reader: &Reader, pictures: &Pictures, case: &Case) -> Result<Vec<Arc<Prepared>>, LessonError> {
        if let Some(known) = self.cut.get(&case.case_id) {
            return Ok(known.clone());
        }
        let images = (0..case.images.len())
            .map(|index| {
                let picture = pictures.load(case, index).map_err(|problem| LessonError::Picture {
                    case: case.case_id.clone(),
                    problem: problem.to_string(),
                })?;
                let failed = |error| LessonError::Reader { case: case.case_id.clone(), error };
                reader.prepare(&picture).map(Arc::new).map_err(failed)
            })
            .collect::<Result<Vec<_>, _>>()?;
        if self.bytes > PICTURE_BYTES {
            self.cut.clear();
            self.bytes = 0;
        }
        self.bytes += images.iter().map(|image| image.grid.tiles() * reader.tile_size()).sum::<usize>();
        self.cut.insert(case.case_id.clone(), images.clone());
        Ok(images)
    }
}
