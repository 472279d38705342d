//! Adversarial training on pixels (Madry et al., 2018): lessons whose pictures are attacked on the model as it is when it is
//! about to learn from them. The attacks are the benchmark's.

use std::sync::Arc;

use stepwise_benchmark::model::{Ask, Objective, Probe, RespondentError, Shown};
use stepwise_benchmark::perturb::Target;
use stepwise_vlm::nn::parameter::Pass;
use stepwise_vlm::pipeline::Reader;
use stepwise_vlm::processor::Processor;

use crate::batches::examples::{Attacked, Lesson, LessonError, MicroBatch};
use crate::evaluation::vlm_model::{ModelRespondent, unit_pixels};
use crate::interrupt::Interrupt;

/// What a step learns from, as far as it can be made without the model.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // A few at a time.
pub enum Material {
    /// All of it.
    Ready(MicroBatch),
    /// Lessons of which some are still to be attacked.
    ToAttack(Vec<Lesson>),
}

impl Material {
    /// Packs lessons that stand under no attack; others wait for the model.
    ///
    /// # Errors
    /// As [`MicroBatch::new`].
    pub fn new(
        processor: &Processor,
        lessons: Vec<Lesson>,
        share: bool,
        cutoff_len: usize,
    ) -> Result<Self, LessonError> {
        if lessons.iter().any(|lesson| lesson.attack.is_some()) {
            return Ok(Self::ToAttack(lessons));
        }
        MicroBatch::new(processor, &lessons, share, cutoff_len).map(Self::Ready)
    }

    /// Attacks on `reader` what is to be attacked, and packs it.
    ///
    /// # Errors
    /// As [`MicroBatch::new`], and when a gradient cannot be computed.
    pub fn finish(self, reader: &Reader, share: bool, cutoff_len: usize) -> Result<MicroBatch, LessonError> {
        match self {
            Self::Ready(batch) => Ok(batch),
            Self::ToAttack(mut lessons) => {
                for lesson in &mut lessons {
                    if let Some(attacked) = lesson.attack.take() {
                        attack(lesson, &attacked, reader)
                            .map_err(|error| LessonError::Attack { name: lesson.name.clone(), error })?;
                    }
                }
                MicroBatch::new(&reader.processor, &lessons, share, cutoff_len)
            }
        }
    }
}

/// Replaces the lesson's first picture by attacked pixels.
fn attack(lesson: &mut Lesson, attacked: &Attacked, reader: &Reader) -> Result<(), RespondentError> {
    let Some(first) = lesson.example.images.first() else { return Ok(()) };
    let grid = first.grid;
    let pixels = Arc::new(unit_pixels(reader, first));
    let (case_id, item_id) = attacked.about.clone();
    // Later pictures are handed over as pixels too.
    let others = lesson.example.images.iter().skip(1).map(|image| Arc::new(unit_pixels(reader, image)));
    let probe = Probe {
        case_id,
        item_id,
        condition: "lesson".to_owned(),
        conversation: attacked.question.clone(),
        images: std::iter::once(Arc::clone(&pixels)).chain(others).map(Shown::Pixels).collect(),
        ask: Ask::Generate { max_new_tokens: 1 },
    };
    let objective = Objective::Nll { target: attacked.target.clone() };
    let target = Target { probe, objective, pixels };
    // An interrupt waits for the end of the step.
    let never = Interrupt::new();
    let mut victim = ModelRespondent::new(reader, Pass::ANSWER, &never);
    for made in attacked.attack.attack(&[target], attacked.draws, &mut victim)? {
        let painted = reader.processor.repainted(grid, made.pixels.values).map_err(RespondentError::new)?;
        lesson.example.images[0] = Arc::new(painted);
    }
    Ok(())
}
