//! Complete runs on a newly initialised model: their files, and the equality of resumed and uninterrupted runs.

mod benchmark;
mod damaged;
mod device;
mod early_advance;
mod resume;
mod trainables;

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use serde_json::Value;
use stepwise_testing::cases::synthetic;
use stepwise_testing::files::{assert_files_in, assert_same_contents, assert_same_files, contents, json};
use stepwise_testing::recipe::recipe;
use stepwise_trainer::cases::LeakRule;
use stepwise_trainer::checkpoint;
use stepwise_trainer::interrupt::Interrupt;
use stepwise_trainer::log::StepLine;
use stepwise_trainer::progress::Progress;
use stepwise_trainer::train::{Finished, PreparedRun, TrainError, TrainOptions};
use stepwise_vlm::create::{FreshConfig, create};

/// A temporary folder with a newly initialised model.
struct Workplace {
    folder: tempfile::TempDir,
    /// Model of some ten thousand parameters, with a tokenizer built from the questions of the synthetic cases.
    model: PathBuf,
}

impl Workplace {
    fn new() -> Self {
        let sizes = FreshConfig {
            vocab_size: 500,
            hidden_size: 32,
            intermediate_size: 64,
            num_hidden_layers: 2,
            num_attention_heads: 4,
            num_key_value_heads: 2,
            vision_hidden_size: 32,
            vision_intermediate_size: 64,
            vision_num_hidden_layers: 1,
            vision_num_attention_heads: 2,
            image_size: 64,
            patch_size: 16,
            scale_factor: 2,
        };
        let texts = synthetic(50).into_iter().flat_map(|case| case.chain).map(|item| item.question);
        let folder = tempfile::tempdir().expect("a folder");
        let model = folder.path().join("model");
        create(&model, &sizes, texts, 3).expect("a model");
        Self { folder, model }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Moves the run folder `name` away. Another run with the same recipe text then starts from nothing. Returns the new
    /// path.
    fn set_aside(&self, name: &str) -> PathBuf {
        let kept = self.path(&format!("{name}-kept"));
        std::fs::rename(self.path(name), &kept).expect("moved");
        kept
    }

    /// Recipe of a run in the folder `out`: two phases of one epoch, each with a benchmark. `tuning` holds lines on the
    /// kind of training.
    fn recipe(&self, out: &str, tuning: &str) -> String {
        let phases = r#"[[curriculum.phase]]
stages = [1, 2]
num_train_epochs = 1
[[curriculum.phase]]
stages = [3, 4]
num_train_epochs = 1
replay = 0.2
context = { gold = 0.3, wrong = 0.2, predicted = 0.4 }
evidence = "box_and_marked"
augment = { hint_minus = 0.2, blank = { share = 0.2, fill = "noise" }, region_mask = 0.1, swap_near = 0.1, pgd = { share = 0.2, eps = 8, steps = 2, restarts = 1 } }
"#;
        self.recipe_of(out, tuning, "save_steps = 0", phases, "fast")
    }

    /// Recipe on a few synthetic cases. `train` holds further lines of the table `[train]`, `curriculum` the phases.
    fn recipe_of(&self, out: &str, tuning: &str, train: &str, curriculum: &str, suite: &str) -> String {
        format!(
            r#"model_name_or_path = "{}"
output_dir = "{}"
seed = 5
{tuning}
[data]
synth = {{ cases = 24, seed = 2, image_size = 64 }}
[train]
per_device_train_batch_size = 2
gradient_accumulation_steps = 2
learning_rate = 5e-3
logging_steps = 1
{train}
{curriculum}
[benchmark]
suite = "{suite}"
max_cases = 2
"#,
            self.model.display(),
            self.path(out).display()
        )
    }
}

/// Progress that records every logged loss, and interrupts the run at a given time.
struct Watch {
    losses: Losses,
    stop: Stop,
    interrupt: Interrupt,
}

/// When a run is interrupted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    Never,
    /// After this step.
    After(u64),
    /// Once this task has begun.
    Within(&'static str),
    /// Not by an interrupt: the device fails in this task, when at least so many units are done.
    Fails(&'static str, u64),
}

impl Progress for Watch {
    fn advance(&mut self, task: &str, done: u64, total: u64) {
        if matches!(self.stop, Stop::Within(name) if name == task) && done < total {
            self.interrupt.request();
        }
        if matches!(self.stop, Stop::Fails(name, units) if name == task && units <= done) {
            // The panic with which Burn reports that the device has no memory left.
            panic!(
                "Error while reading data: WithContext {{ reason: \"out of device memory allocating 4194304 bytes\" }}"
            );
        }
    }

    fn step(&mut self, line: &StepLine) {
        self.losses.push((line.current_steps, line.loss));
        if self.stop == Stop::After(line.current_steps) {
            self.interrupt.request();
        }
    }
}

/// Step and loss of every log line.
type Losses = Vec<(u64, f64)>;

/// Runs a recipe until it ends or is stopped.
fn run(text: &str, stop: Stop, resume: bool) -> (Finished, Losses) {
    let (finished, losses) = attempt(text, stop, resume);
    (finished.expect("trains"), losses)
}

/// Runs a recipe in parts. The first part starts a new run unless `resume` is set, and each part but the last must be
/// interrupted. Returns the result of the last part and the losses of all parts.
fn run_in_parts(text: &str, stops: &[Stop], resume: bool) -> (Finished, Losses) {
    let (mut all, mut last) = (Losses::new(), None);
    for (place, stop) in stops.iter().enumerate() {
        let (finished, losses) = run(text, *stop, resume || place > 0);
        assert_eq!(finished.interrupted, *stop != Stop::Never, "part {place}");
        all.extend(losses);
        last = Some(finished);
    }
    (last.expect("at least one part"), all)
}

fn attempt(text: &str, stop: Stop, resume: bool) -> (Result<Finished, TrainError>, Losses) {
    let recipe = recipe(text);
    let interrupt = Interrupt::new();
    let mut watch = Watch { losses: Vec::new(), stop, interrupt: interrupt.clone() };
    let options = TrainOptions {
        recipe: &recipe,
        recipe_text: text,
        device: Device::flex(),
        device_name: "cpu",
        adapter: None,
        resume,
        base_answers: None,
        render: stepwise_report::render,
        leaks: LeakRule::Refuse,
    };
    let finished = PreparedRun::new(&options, &mut watch).and_then(|run| run.train(&mut watch, &interrupt));
    (finished, watch.losses)
}

/// Lines of a run's log.
fn log(run: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(run.join("trainer_log.jsonl")).expect("a log");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}
