//! Adversarial training on pixels (Madry et al., 2018). The image of a training example is attacked on the current
//! model, just before the optimiser step that uses it. The attacks are the attacks of the benchmark.

use std::sync::Arc;

use stepwise_benchmark::model::{ModelError, Objective, Query, QueryImage, Request};
use stepwise_benchmark::perturb::AttackTarget;
use stepwise_vlm::nn::parameter::Pass;
use stepwise_vlm::pipeline::VlmPipeline;
use stepwise_vlm::processor::Processor;

use crate::batches::examples::{ExampleError, MicroBatch, PlannedAttack, TrainingExample};
use crate::evaluation::vlm_model::{VlmModel, unit_pixels};
use crate::interrupt::Interrupt;
use crate::objective::ReferenceScores;

/// Pending batch: a micro-batch that is complete or waits for an adversarial attack on the current model.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // Only a few values exist at a time.
pub enum PendingBatch {
    /// Complete micro-batch.
    Ready(MicroBatch),
    /// Training examples, some of which still have to be attacked.
    ToAttack(Vec<TrainingExample>),
}

impl PendingBatch {
    /// Packs the training examples. If one of them has an attack, none is packed until [`PendingBatch::finish`]. With
    /// `share`, equal prefixes and images are computed once. `cutoff_len` is the largest number of tokens of an
    /// example.
    ///
    /// # Errors
    /// See [`MicroBatch::new`].
    pub fn new(
        processor: &Processor,
        examples: Vec<TrainingExample>,
        share: bool,
        cutoff_len: usize,
    ) -> Result<Self, ExampleError> {
        if examples.iter().any(|example| example.attack.is_some()) {
            return Ok(Self::ToAttack(examples));
        }
        MicroBatch::new(processor, &examples, share, cutoff_len).map(Self::Ready)
    }

    /// Makes the pending attacks on the current model of `pipeline`, replaces the attacked images, and packs the
    /// examples. Then adds the scores of the reference that objectives need, from `references` where they are known.
    /// `share` and `cutoff_len` are as in [`PendingBatch::new`].
    ///
    /// # Errors
    /// See [`MicroBatch::new`]. Also when a gradient or a score of the reference cannot be computed.
    pub fn finish(
        self,
        pipeline: &VlmPipeline,
        references: &mut ReferenceScores,
        share: bool,
        cutoff_len: usize,
    ) -> Result<MicroBatch, ExampleError> {
        let mut batch = self.attacked(pipeline, share, cutoff_len)?;
        if let Some(scored) = &mut batch.scored {
            scored.compare(pipeline, references).map_err(ExampleError::Reference)?;
        }
        Ok(batch)
    }

    fn attacked(self, pipeline: &VlmPipeline, share: bool, cutoff_len: usize) -> Result<MicroBatch, ExampleError> {
        match self {
            Self::Ready(batch) => Ok(batch),
            Self::ToAttack(mut examples) => {
                for example in &mut examples {
                    if let Some(attacked) = example.attack.take() {
                        attack(example, &attacked, pipeline)
                            .map_err(|error| ExampleError::Attack { name: example.name.clone(), error })?;
                    }
                }
                MicroBatch::new(&pipeline.processor, &examples, share, cutoff_len)
            }
        }
    }
}

/// Replaces the first image of the training example by attacked pixels.
fn attack(example: &mut TrainingExample, attacked: &PlannedAttack, pipeline: &VlmPipeline) -> Result<(), ModelError> {
    let Some(first) = example.example.images.first() else { return Ok(()) };
    let grid = first.grid;
    let pixels = Arc::new(unit_pixels(pipeline, first));
    let (case_id, item_id) = attacked.about.clone();
    // The other images are passed as pixels too.
    let others = example.example.images.iter().skip(1).map(|image| Arc::new(unit_pixels(pipeline, image)));
    let query = Query {
        case_id,
        item_id,
        condition: "lesson".to_owned(),
        conversation: attacked.question.clone(),
        images: std::iter::once(Arc::clone(&pixels)).chain(others).map(QueryImage::Pixels).collect(),
        ask: Request::Generate { max_new_tokens: 1 },
    };
    let objective = Objective::Nll { target: attacked.target.clone() };
    let target = AttackTarget { query, objective, pixels };
    // An interrupt takes effect only at the end of the step.
    let never = Interrupt::new();
    let mut gradient_source = VlmModel::new(pipeline, Pass::ANSWER, &never);
    for made in attacked.attack.attack(&[target], attacked.rng, &mut gradient_source)? {
        let painted = pipeline.processor.repainted(grid, made.pixels.values).map_err(ModelError::new)?;
        example.example.images[0] = Arc::new(painted);
    }
    Ok(())
}
