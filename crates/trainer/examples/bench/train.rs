//! Measurement of optimiser steps.

use std::time::Instant;

use clap::ValueEnum;
use serde_json::{Map, Value, json};
use stepwise_trainer::batches::examples::{MicroBatch, TrainingExample};
use stepwise_trainer::optim::adamw::{AdamW, AdamWConfig};
use stepwise_trainer::optim::part_rates::Rates;
use stepwise_trainer::optim::step::{StepOptions, step};
use stepwise_vlm::nn::parameter::Pass;
use stepwise_vlm::pipeline::VlmPipeline;

use crate::measure::{Peaks, adapted, finish, forgetful, since, since_process_start};
use crate::records::{Record, read};
use crate::{Common, Failure};

/// Arguments of `train`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub common: Common,
    /// Prefix sharing and feature cache.
    #[arg(long, value_enum, default_value_t = Mode::Plain)]
    mode: Mode,
    /// Questions per optimiser step.
    #[arg(long, default_value_t = 8)]
    batch: usize,
    /// Number of measured steps.
    #[arg(long, default_value_t = 20)]
    steps: usize,
    /// Constant learning rate.
    #[arg(long, default_value_t = 2e-4)]
    learning_rate: f64,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// Each question is a sequence of its own with its own image. No cache.
    Plain,
    /// First epoch: the questions of a step share prefixes and images.
    Shared,
    /// Later epoch: additionally, the features of all images are cached.
    SharedCached,
}

/// Runs the warm-up and measured steps and returns times, losses and token counts.
pub fn run(common: &Common, args: &Args) -> Result<Map<String, Value>, Failure> {
    let mut pipeline = adapted(common)?;
    if args.mode != Mode::SharedCached {
        forgetful(&mut pipeline);
    }
    let config = AdamWConfig { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 };
    let mut optimizer = AdamW::new(config);
    let records = read(&common.conversations)?;
    let total = common.warmup + args.steps;

    let peaks = Peaks::restart()?;
    let started = Instant::now();
    if args.mode == Mode::SharedCached {
        for batch in (0..total).map(|index| batch(&records, index, args.batch)) {
            let made = prepare(&pipeline, &batch, true)?;
            let _ = pipeline.losses(&made.batch, &Pass::ANSWER);
        }
    }
    let cache_seconds = since(started);

    let (mut seconds, mut prepare_seconds, mut losses) = (Vec::new(), Vec::new(), Vec::new());
    let (mut supervised, mut tokens, mut first_step) = (Vec::new(), Vec::new(), None);
    for index in 0..total {
        let before = Instant::now();
        let micro_batch = prepare(&pipeline, &batch(&records, index, args.batch), args.mode != Mode::Plain)?;
        prepare_seconds.push(since(before));
        let before = Instant::now();
        let options = StepOptions {
            rates: Rates::same(args.learning_rate),
            max_grad_norm: 1.0,
            dropout_key: 0,
            gradient_checkpointing: false,
            objective_progress: 0.0,
        };
        let stepped = step(&mut pipeline, &mut optimizer, std::slice::from_ref(&micro_batch), options)?;
        finish(pipeline.model.device())?;
        seconds.push(since(before));
        losses.push(stepped.tally.loss());
        supervised.push(stepped.tally.tokens());
        let layout = &micro_batch.batch.layout;
        tokens.push(layout.lengths.iter().map(|tokens| *tokens as u64).sum::<u64>());
        if first_step.is_none() {
            first_step = Some(since_process_start()?);
        }
    }
    let mode = args.mode.to_possible_value().map(|value| value.get_name().to_owned());
    let result = json!({
        "settings": { "mode": mode, "batch": args.batch, "steps": args.steps, "learning_rate": args.learning_rate },
        "seconds": seconds, "prepare_seconds": prepare_seconds, "losses": losses, "supervised_tokens": supervised,
        "tokens": tokens, "cache_seconds": cache_seconds, "start_to_first_step_seconds": first_step,
    });
    let Value::Object(mut result) = result else { unreachable!("an object was written") };
    peaks.report(&mut result, pipeline.model.device())?;
    Ok(result)
}

/// Batch number `index` of `size` records, starting over at the end of the records.
fn batch(records: &[Record], index: usize, size: usize) -> Vec<&Record> {
    (index * size..(index + 1) * size).map(|place| &records[place % records.len()]).collect()
}

fn prepare(pipeline: &VlmPipeline, batch: &[&Record], share: bool) -> Result<MicroBatch, Failure> {
    let examples = batch.iter().map(|record| {
        let example = record.example(&pipeline.processor, true)?;
        Ok(TrainingExample {
            example,
            stage: 1,
            condition: None,
            weight: 1.0,
            attack: None,
            scoring: None,
            name: record.image.display().to_string(),
            images_of: record.image.display().to_string(),
        })
    });
    let examples = examples.collect::<Result<Vec<_>, Failure>>()?;
    Ok(MicroBatch::new(&pipeline.processor, &examples, share, usize::MAX)?)
}
