//! Trains from Rust with a recipe in a string, into a temporary folder:
//!
//!     cargo run --release -p stepwise-trainer --example train
//!
//! The run takes two phases of a LoRA adapter on the included tiny model, with the benchmark after each epoch.
#![allow(clippy::print_stdout)] // A program for people, not a library.

use std::error::Error;
use std::path::Path;

use burn::tensor::Device;
use stepwise_recipe::Recipe;
use stepwise_trainer::cases::LeakRule;
use stepwise_trainer::interrupt::Interrupt;
use stepwise_trainer::log::StepLine;
use stepwise_trainer::progress::{EpochLine, Progress};
use stepwise_trainer::train::{PreparedRun, TrainOptions};

/// The recipe without its folders.
const RECIPE: &str = r#"
[lora]
r = 8
lora_alpha = 16
target_modules = "all-linear"

[data]
synth = { cases = 48, seed = 7, image_size = 64 }

[train]
per_device_train_batch_size = 8
gradient_accumulation_steps = 1
learning_rate = 2e-3
logging_steps = 2

[[curriculum.phase]]
name = "look"
stages = [1, 2]

[[curriculum.phase]]
name = "judge"
stages = [3, 4]
replay = 0.3

[benchmark]
suite = "fast"
max_cases = 4
"#;

/// Prints log lines and results of epochs. Every other event is ignored.
struct Printed;

impl Progress for Printed {
    fn step(&mut self, line: &StepLine) {
        println!("step {} of {}: loss {:.4}", line.current_steps, line.total_steps, line.loss);
    }

    fn epoch(&mut self, line: &EpochLine) {
        let accuracy = line.metrics.get("benchmark/accuracy/clean").copied().unwrap_or(f64::NAN);
        println!("epoch {} of {} ({}): accuracy {accuracy:.3}", line.epoch, line.epochs, line.phase);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../checkpoints/tiny-base");
    let folder = tempfile::tempdir()?;
    let text = format!("model_name_or_path = {base:?}\noutput_dir = {:?}\n{RECIPE}", folder.path().join("run"));
    let recipe = Recipe::parse("in-memory.toml".as_ref(), text.clone(), &[])?;
    let options = TrainOptions {
        recipe: &recipe,
        recipe_text: &text,
        device: Device::flex(),
        device_name: "cpu",
        adapter: None,
        resume: false,
        base_answers: None,
        render: stepwise_report::render,
        leaks: LeakRule::Refuse,
    };
    let run = PreparedRun::new(&options, &mut Printed)?;
    let finished = run.train(&mut Printed, &Interrupt::new())?;
    println!("{} steps; files of the last checkpoint, which are removed with the folder:", finished.global_step);
    for entry in std::fs::read_dir(finished.folder.join("last"))? {
        println!("  {}", entry?.file_name().to_string_lossy());
    }
    Ok(())
}
