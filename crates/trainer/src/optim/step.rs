//! One optimiser step: loss over all supervised tokens of the micro-batches, gradient clipping, parameter update.

use burn::tensor::Gradients;
use stepwise_objectives::NotFinite;
use stepwise_vlm::batch::Batch;
use stepwise_vlm::nn::parameter::Pass;
use stepwise_vlm::pipeline::VlmPipeline;

use crate::batches::examples::MicroBatch;
use crate::device::{DeviceFailure, caught};
use crate::log::Tally;
use crate::objective::{StepTotals, Weighing};
use crate::optim::adamw::AdamW;
use crate::optim::gradients::GradientSum;
use crate::optim::joined::JoinedGradients;
use crate::optim::part_rates::Rates;

/// Statistics of a completed optimiser step.
#[derive(Clone, Debug, PartialEq)]
pub struct Stepped {
    /// Summed losses and number of supervised tokens, by clinical stage.
    pub tally: Tally,
    /// Euclidean norm of the gradient over all trainable parameters, before clipping.
    pub grad_norm: f64,
}

/// Why a step failed. The parameters are unchanged, unless [`StepError::Device`] says otherwise.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StepError {
    /// The loss or the gradient norm is NaN or infinite.
    #[error(
        "{} -> look at these questions with `stepwise preview`, lower the learning rate, or set \
         `train.on_nonfinite = \"skip\"`",
        cause(what, *value, names)
    )]
    NotFinite {
        /// Quantity: the loss, a score of an option or the gradient's norm.
        what: &'static str,
        /// Value of the quantity.
        value: f64,
        /// Names of the training examples that cause it.
        names: Vec<String>,
    },
    /// The device failed, for example because it has too little memory.
    #[error("{failure}")]
    Device {
        /// What failed.
        failure: DeviceFailure,
        /// Whether parameters and moments are unchanged. If not, some of them may belong to this step.
        is_whole: bool,
    },
}

impl StepError {
    /// Returns the message without advice: what is not finite, and in which training examples.
    #[must_use]
    pub fn cause(&self) -> String {
        match self {
            Self::NotFinite { what, value, names } => cause(what, *value, names),
            Self::Device { failure, .. } => failure.to_string(),
        }
    }
}

/// Number of examples that are named in a message; the others are counted.
const NAMED: usize = 4;

fn cause(what: &str, value: f64, names: &[String]) -> String {
    let at = match names.split_at_checked(NAMED) {
        Some((first, rest)) if !rest.is_empty() => format!("{} and {} more", first.join(", "), rest.len()),
        _ => names.join(", "),
    };
    format!("{what} is {value} at {at}")
}

/// Settings of an optimiser step.
#[derive(Clone, Copy, Debug)]
pub struct StepOptions {
    /// Learning rates of this step.
    pub rates: Rates,
    /// Maximum global gradient norm; 0 for no limit.
    pub max_grad_norm: f64,
    /// Random key of the step's dropout masks.
    pub dropout_key: u64,
    /// Whether activations of a block are recomputed in the backward pass instead of being kept.
    pub gradient_checkpointing: bool,
    /// Share of the schedules of the objective's weights that is completed, 0 at their first and 1 at their last step.
    pub objective_progress: f64,
}

/// Takes one optimiser step over `micro_batches` and changes the parameters of `pipeline` in place. The cross-entropy is the
/// weighted sum over all supervised tokens divided by their number, and each objective is the mean over all questions that
/// it applies to, so that the split into micro-batches does not matter. Gradients are clipped like `torch.nn.utils.clip_grad_norm_`.
///
/// # Errors
/// When the loss or the gradient norm is not finite, or the device fails.
pub fn step(
    pipeline: &mut VlmPipeline,
    optimizer: &mut AdamW,
    micro_batches: &[MicroBatch],
    options: StepOptions,
) -> Result<Stepped, StepError> {
    let failed = |is_whole| {
        move |failure: DeviceFailure| StepError::Device { is_whole: is_whole && !failure.in_background, failure }
    };
    let (stepped, gradients) = caught(|| gradients(pipeline, micro_batches, options)).map_err(failed(true))??;
    caught(|| optimizer.step(&mut pipeline.model, &gradients, options.rates)).map_err(failed(false))?;
    Ok(stepped)
}

/// Computes the clipped gradients of a step, and its statistics.
fn gradients(
    pipeline: &mut VlmPipeline,
    micro_batches: &[MicroBatch],
    options: StepOptions,
) -> Result<(Stepped, JoinedGradients), StepError> {
    let totals = totals(micro_batches);
    let pass = |index: usize| Pass::training(options.dropout_key.wrapping_add(index as u64));

    let mut tally = Tally::default();
    let mut gradients = GradientSum::default();
    // Micro-batches whose loss is not finite.
    let mut lost = Vec::new();
    for (index, micro) in micro_batches.iter().enumerate() {
        let MicroBatch { batch, stages, .. } = micro;
        let (terms, parts) = micro_gradients(pipeline, micro, (&totals, options), &pass(index), &mut tally)?;
        // Options that are only scored have no stage.
        let scored = batch.layout.predictions.iter().zip(terms);
        let supervised: Vec<_> = scored.filter(|(prediction, _)| prediction.sequence < stages.len()).collect();
        if supervised.iter().any(|(_, term)| !term.is_finite()) {
            lost.push(micro);
        }
        for (prediction, term) in supervised {
            tally.add(stages[prediction.sequence], f64::from(term));
        }
        parts.iter().for_each(|part| gradients.add(&mut pipeline.model, part));
    }
    if !lost.is_empty() {
        let names = culprits(pipeline, &lost);
        return Err(StepError::NotFinite { what: "the loss", value: tally.loss(), names });
    }
    let mut gradients = gradients.joined(&mut pipeline.model);
    let grad_norm = gradients.norm();
    if !grad_norm.is_finite() {
        let names = culprits(pipeline, &micro_batches.iter().collect::<Vec<_>>());
        return Err(StepError::NotFinite { what: "the gradient's norm", value: grad_norm, names });
    }
    gradients.clip(grad_norm, options.max_grad_norm);
    Ok((Stepped { tally, grad_norm }, gradients))
}

/// Numbers of supervised tokens and of questions of each objective, over all micro-batches.
fn totals(micro_batches: &[MicroBatch]) -> StepTotals {
    let mut totals = StepTotals::default();
    for micro in micro_batches {
        match &micro.scored {
            Some(scored) => scored.count(&micro.batch.layout, &mut totals),
            None => totals.tokens += micro.batch.layout.predictions.len(),
        }
    }
    totals
}

/// Negative log-likelihoods of all predictions of a micro-batch, and the gradients of its part of the step's loss. Adds the
/// losses of its objectives to `tally`.
fn micro_gradients(
    pipeline: &VlmPipeline,
    micro: &MicroBatch,
    (totals, options): (&StepTotals, StepOptions),
    pass: &Pass,
    tally: &mut Tally,
) -> Result<(Vec<f32>, Vec<Gradients>), StepError> {
    let Some(scored) = &micro.scored else {
        let share = 1.0 / totals.tokens.max(1) as f64;
        return Ok(pipeline.gradients(&micro.batch, share, options.gradient_checkpointing, pass));
    };
    let mut failed = None;
    let mut weigh =
        |logprobs: &[f32]| match scored.weigh(&micro.batch.layout, logprobs, totals, options.objective_progress) {
            Ok(Weighing { weights, losses }) => {
                losses.into_iter().for_each(|(name, loss)| tally.add_objective(name, loss));
                weights
            }
            Err(error) => {
                failed = Some(error);
                vec![0.0; logprobs.len()]
            }
        };
    let found = pipeline.reweighted_gradients(&micro.batch, &mut weigh, options.gradient_checkpointing, pass);
    match failed {
        None => Ok(found),
        Some((example, NotFinite { what, value, .. })) => {
            Err(StepError::NotFinite { what, value, names: vec![micro.names[example].clone()] })
        }
    }
}

/// Names of the examples whose loss or gradient is not finite when computed alone, because in a batch one example can
/// spoil the others. Returns the names of all examples if none fails alone.
fn culprits(pipeline: &mut VlmPipeline, micro_batches: &[&MicroBatch]) -> Vec<String> {
    let questions = || micro_batches.iter().flat_map(|micro| micro.examples.iter().zip(&micro.names));
    let mut found = Vec::new();
    for (example, name) in questions() {
        let Ok(batch) = Batch::new(&pipeline.processor, std::iter::once(example), false) else { continue };
        let (terms, parts) = pipeline.gradients(&batch, 1.0, false, &Pass::training(0));
        let mut own = GradientSum::default();
        parts.iter().for_each(|part| own.add(&mut pipeline.model, part));
        if terms.iter().any(|term| !term.is_finite()) || !own.joined(&mut pipeline.model).norm().is_finite() {
            found.push(name.clone());
        }
    }
    if found.is_empty() { questions().map(|(_, name)| name.clone()).collect() } else { found }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use burn::tensor::Device;
    use image::RgbImage;
    use stepwise_data::conversation::{Conversation, Part, Role};
    use stepwise_ops::{host_reads, host_writes};
    use stepwise_testing::model::parameters::{replace, trainable_parameters};
    use stepwise_testing::model::{attach_new, lora, pipeline, pipeline_on};
    use stepwise_vlm::Precision;
    use stepwise_vlm::adapter::{LoraConfig, Targets};
    use stepwise_vlm::batch::EncodableExample;

    use super::*;
    use crate::optim::adamw::AdamWConfig;

    /// A question with or without an image.
    fn asked(pipeline: &VlmPipeline, picture: bool) -> EncodableExample {
        let mut conversation = Conversation::default();
        let shown = picture.then_some(Part::Image { index: 0 });
        conversation.push(Role::User, shown.into_iter().chain([Part::text("Which side?")]).collect());
        let prepared = || Arc::new(pipeline.processor.prepare(&RgbImage::new(64, 64)).expect("a picture"));
        EncodableExample {
            conversation: conversation.answered("left"),
            images: picture.then(prepared).into_iter().collect(),
        }
    }

    fn together(pipeline: &VlmPipeline, examples: Vec<EncodableExample>, names: &[&str]) -> MicroBatch {
        let batch = Batch::new(&pipeline.processor, &examples, true).expect("they are encoded");
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        MicroBatch { batch, stages: vec![1; examples.len()], names, examples, scored: None }
    }

    /// Takes a step, returns its error, and checks that no parameter changed.
    fn lost(pipeline: &mut VlmPipeline, micro_batches: &[MicroBatch]) -> (&'static str, f64, Vec<String>) {
        let rates = Rates { vision: 0.1, connector: 0.1, decoder: 0.1, loraplus_ratio: 1.0 };
        let options = StepOptions {
            rates,
            max_grad_norm: 1.0,
            dropout_key: 0,
            gradient_checkpointing: false,
            objective_progress: 0.0,
        };
        let before = trainable_parameters(&mut pipeline.model);
        let mut optimizer = AdamW::new(AdamWConfig { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 });
        let error = step(pipeline, &mut optimizer, micro_batches, options).expect_err("not finite");
        let StepError::NotFinite { what, value, names } = error else { panic!("{error}") };
        assert_eq!(trainable_parameters(&mut pipeline.model), before);
        assert!(optimizer.tensors().next().is_none(), "no moments");
        (what, value, names)
    }

    #[test]
    #[allow(deprecated)] // Burn's second CPU backend stands for the backends of GPUs.
    fn a_step_on_a_device_reads_losses_and_one_norm_and_writes_few_tensors() {
        for device in [Device::flex(), Device::ndarray()] {
            let mut pipeline = pipeline_on(&device, Precision::F32);
            attach_new(&mut pipeline.model, &LoraConfig { lora_dropout: 0.1, ..lora() });
            pipeline.refresh();
            let micro_batches = [true, false, true].map(|picture| {
                let examples = vec![asked(&pipeline, picture), asked(&pipeline, picture)];
                together(&pipeline, examples, &["a/q1", "b/q1"])
            });
            let rates = Rates { vision: 1e-3, connector: 1e-3, decoder: 1e-3, loraplus_ratio: 1.0 };
            let options = StepOptions {
                rates,
                max_grad_norm: 1e-3,
                dropout_key: 0,
                gradient_checkpointing: false,
                objective_progress: 0.0,
            };
            let mut optimizer = AdamW::new(AdamWConfig { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.1 });
            for _ in 0..2 {
                let (before, written) = (host_reads(), host_writes());
                step(&mut pipeline, &mut optimizer, &micro_batches, options).expect("a step");
                let of_losses = if device == Device::flex() { 0 } else { micro_batches.len() as u64 };
                assert_eq!(host_reads() - before, of_losses + 1, "{device:?}");
                // Indices, positions, targets and weights: their number does not depend on the number of layers.
                let writes = host_writes() - written;
                assert!(writes <= 12 * micro_batches.len() as u64, "{writes} on {device:?}");
            }
        }
    }

    #[test]
    fn an_infinite_gradient_of_a_finite_loss_is_an_error_and_its_question_is_named() {
        let mut pipeline = pipeline();
        // Only examples with an image have a gradient at the connector.
        let config =
            LoraConfig { target_modules: Targets::List(vec!["modality_projection.proj".to_owned()]), ..lora() };
        attach_new(&mut pipeline.model, &config);
        pipeline.refresh();
        // The product B·A is zero, so the loss is unchanged; the gradient of A is multiplied by B and overflows.
        replace(&mut pipeline.model, |name, values| match name.rsplit_once(".lora_")? {
            (_, "A.weight") => Some(vec![0.0; values.len()]),
            (_, "B.weight") => Some(vec![1e30; values.len()]),
            _ => None,
        });
        let (shown, told) = (asked(&pipeline, true), asked(&pipeline, false));
        let of_both = together(&pipeline, vec![told, shown], &["a/q1", "b/q1"]);
        let (what, value, names) = lost(&mut pipeline, &[of_both]);
        assert_eq!((what, value), ("the gradient's norm", f64::INFINITY));
        assert_eq!(names, ["b/q1"]);
    }

    #[test]
    fn an_infinite_loss_is_an_error_and_its_question_is_named() {
        // The answer's first token gets an extreme logit: one large feature times the largest f32. The sign of the
        // feature depends on the model, so both signs are tried.
        let values = [f32::MAX, f32::MIN].map(|vast| {
            let mut pipeline = pipeline();
            attach_new(&mut pipeline.model, &lora());
            pipeline.refresh();
            let question = asked(&pipeline, true);
            let mut impossible = together(&pipeline, vec![question], &["b/q1"]);
            impossible.batch.layout.predictions.truncate(1);
            let token = impossible.batch.layout.predictions[0].token as usize;
            let vocabulary = pipeline.model.config().text.vocab_size;
            replace(&mut pipeline.model, |name, values| match name {
                "model.text_model.norm.weight" => Some(values.iter().map(|value| value * 1000.0).collect()),
                "lm_head.weight" => {
                    let (width, mut values) = (values.len() / vocabulary, values.to_vec());
                    let row = &mut values[token * width..(token + 1) * width];
                    row.fill(0.0);
                    row[0] = vast;
                    Some(values)
                }
                _ => None,
            });
            let (what, value, names) = lost(&mut pipeline, &[impossible]);
            assert_eq!((what, names), ("the loss", vec!["b/q1".to_owned()]));
            value
        });
        assert!(values.contains(&f64::INFINITY), "{values:?}");
    }
}
