//! Number of kernels that a training step launches. A launch costs a GPU some microseconds, whatever the kernel computes, so
//! that a step with many small kernels is slow.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::{Arc, Mutex};

use burn::cubecl::logging::{LaunchObservation, LaunchObserver};
use burn::tensor::{Device, DeviceKind};
use stepwise_recipe::Recipe;
use stepwise_trainer::cases::LeakRule;
use stepwise_trainer::interrupt::Interrupt;
use stepwise_trainer::train::{PreparedRun, TrainOptions};
use stepwise_vlm::exit_process;

use crate::{ADAPTER, skipped};

/// Environment variable of the child process, with the recipe's `lora.target_modules`.
const CHILD: &str = "STEPWISE_TEST_LAUNCHES_CHILD";

/// Start of the line with the result of the child process.
const RESULT: &str = "launches: ";

/// Launches by the name of the kernel.
#[derive(Default)]
struct Counts(Mutex<BTreeMap<&'static str, usize>>);

impl LaunchObserver for Counts {
    fn launched(&self, kernel: &'static str) {
        *self.0.lock().expect("no panic").entry(kernel).or_default() += 1;
    }
}

/// Trains `steps` steps and counts the kernels of the whole run.
fn run(steps: u64, targets: &str) -> BTreeMap<&'static str, usize> {
    let folder = tempfile::tempdir().expect("writable");
    let text = format!(
        "model_name_or_path = \"../../tests/parity/tiny\"\noutput_dir = {:?}\nlora.target_modules = {targets}\n\
         data.synth = {{ cases = 12, image_size = 64 }}\n\
         train = {{ per_device_train_batch_size = 1, gradient_accumulation_steps = 1, max_steps = {steps} }}\n\
         benchmark.suite = \"none\"\n[[curriculum.phase]]\nstages = [1]\n",
        folder.path().join("run")
    );
    let recipe = Recipe::parse("launches.toml".as_ref(), text.clone(), &[]).expect("valid");
    let options = TrainOptions {
        recipe: &recipe,
        recipe_text: &text,
        device: Device::wgpu(DeviceKind::DefaultDevice),
        device_name: "wgpu",
        adapter: None,
        resume: false,
        base_answers: None,
        leaks: LeakRule::Refuse,
        render: stepwise_report::render,
    };
    let counts = Arc::new(Counts::default());
    let observation = LaunchObservation::new(counts.clone());
    let run = PreparedRun::new(&options, &mut ()).expect("prepared");
    let finished = run.train(&mut (), &Interrupt::new()).expect("trained");
    drop(observation);
    assert_eq!(finished.global_step, steps);
    std::mem::take(&mut *counts.0.lock().expect("no panic"))
}

/// Not a test of its own: [`a_step_launches_few_kernels`] runs it in a child process, because the driver may crash in the exit
/// handlers of a test program.
#[test]
#[allow(clippy::print_stdout)]
fn child() {
    let Ok(targets) = std::env::var(CHILD) else { return };
    let [short, long] = [1, 3].map(|steps| run(steps, &targets));
    let per_step: BTreeMap<&str, f64> = long
        .iter()
        .map(|(kernel, count)| (*kernel, (*count - short.get(kernel).copied().unwrap_or(0)) as f64 / 2.0))
        .filter(|(_, count)| *count > 0.0)
        .collect();
    println!("\n{RESULT}{}", serde_json::to_string(&per_step).expect("JSON"));
    exit_process(0);
}

/// Runs [`child`] and returns the launches of a step by kernel.
fn of_a_step(targets: &str) -> BTreeMap<String, f64> {
    let output = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "launches::child", "--nocapture"])
        .env(CHILD, targets)
        .output()
        .expect("it starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}: {text}{}", output.status, String::from_utf8_lossy(&output.stderr));
    let line = text.lines().find_map(|line| line.strip_prefix(RESULT)).expect("a result");
    serde_json::from_str(line).expect("JSON")
}

/// The limits are a tenth above what Burn 0.22.1 needs without fusion. A matrix more needs products in both directions, and a
/// copy of its parameters and of its gradients into the buffers of the optimiser, but no kernels of the optimiser.
#[test]
fn a_step_launches_few_kernels() {
    if !*ADAPTER {
        return skipped("this machine has no adapter for wgpu");
    }
    // Two and seven matrices in each of the two layers of the decoder.
    let [few, many] = ["[\"q_proj\", \"v_proj\"]", "\"all-linear\""].map(of_a_step);
    let [few_total, many_total] = [&few, &many].map(|counts| counts.values().sum::<f64>());
    let per_matrix = (many_total - few_total) / 10.0;
    assert!(few_total < 840.0 && few_total > 100.0, "{few_total} launches: {few:#?}");
    assert!(per_matrix < 17.2, "{per_matrix} launches for each adapted matrix: {many:#?}");
}
