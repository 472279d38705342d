//! Whole runs on a model made from nothing: what they leave behind, and that a resumed run equals one never stopped.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use stepwise_curriculum::synth::{SynthOptions, record};
use stepwise_trainer::checkpoint;
use stepwise_trainer::interrupt::Interrupt;
use stepwise_trainer::log::StepLine;
use stepwise_trainer::progress::Progress;
use stepwise_trainer::recipe::Recipe;
use stepwise_trainer::train::{Finished, TrainOptions, train};
use stepwise_vlm::fresh::{FreshConfig, create};

/// A model of some ten thousand parameters whose tokenizer knows the words of the synthetic cases.
fn model(folder: &Path) -> PathBuf {
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
    let options = SynthOptions::default();
    let texts = (0..50).flat_map(move |number| {
        record(number, &options).chain.into_iter().map(|item| item.question).collect::<Vec<_>>()
    });
    let out = folder.join("model");
    create(&out, &sizes, texts, 3).expect("a model");
    out
}

fn recipe_text(model: &Path, out: &Path, tuning: &str) -> String {
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
save_steps = 0
[[curriculum.phase]]
stages = [1, 2]
num_train_epochs = 1
[[curriculum.phase]]
stages = [3, 4]
num_train_epochs = 1
replay = 0.2
context = {{ gold = 0.5, wrong = 0.3 }}
evidence = "fading"
augment = {{ hint_minus = 0.2, blank = {{ share = 0.3, fill = "noise" }}, region_mask = 0.1, swap_near = 0.2 }}
[benchmark]
suite = "fast"
max_cases = 2
"#,
        model.display(),
        out.display()
    )
}

/// Remembers every logged loss, and asks for an end after some steps.
struct Watch {
    losses: Vec<(u64, f64)>,
    stop_after: Option<u64>,
    interrupt: Interrupt,
}

impl Progress for Watch {
    fn step(&mut self, line: &StepLine) {
        self.losses.push((line.current_steps, line.loss));
        if self.stop_after == Some(line.current_steps) {
            self.interrupt.request();
        }
    }
}

fn run(text: &str, stop_after: Option<u64>, resume: bool) -> (Finished, Vec<(u64, f64)>) {
    let recipe = Recipe::parse(Path::new("test.toml"), text.to_owned(), &[]).expect("a recipe");
    let interrupt = Interrupt::new();
    let mut watch = Watch { losses: Vec::new(), stop_after, interrupt: interrupt.clone() };
    let options =
        TrainOptions { recipe: &recipe, recipe_text: text, device: Device::flex(), device_name: "cpu", resume };
    let finished = train(&options, &mut watch, &interrupt).expect("trains");
    (finished, watch.losses)
}

/// Every file below a folder, except those that tell the time.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).expect("below").to_path_buf();
                files.insert(name, std::fs::read(&path).expect("a file"));
            }
        }
    }
    files
}

#[test]
fn a_resumed_run_differs_by_not_one_bit() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = model(folder.path());
    let lora = "[lora]\nr = 2\nlora_dropout = 0.1\ntarget_modules = \"all-linear\"";
    let whole = folder.path().join("whole");
    let (finished, losses) = run(&recipe_text(&model, &whole, lora), None, false);
    assert!(!finished.interrupted && finished.report.is_some());
    let last = losses.last().expect("steps").0;
    assert!(losses.iter().all(|(_, loss)| loss.is_finite()) && last > 4);

    // The same folder name, so that recipe and digests are the same.
    std::fs::rename(&whole, folder.path().join("kept")).expect("moved");
    let text = recipe_text(&model, &whole, lora);
    let (stopped, mut parted) = run(&text, Some(3), false);
    assert!(stopped.interrupted && stopped.global_step == 3);
    let (resumed, rest) = run(&text, None, true);
    assert!(!resumed.interrupted);
    parted.extend(rest);
    assert_eq!(parted, losses);

    let name = checkpoint::name(last);
    let (kept, again) = (contents(&folder.path().join("kept").join(&name)), contents(&whole.join(&name)));
    assert_eq!(kept.keys().collect::<Vec<_>>(), again.keys().collect::<Vec<_>>());
    for (file, bytes) in &kept {
        assert!(again[file] == *bytes, "{} differs", file.display());
    }
    let kept = contents(&folder.path().join("kept/benchmark"));
    let again = contents(&whole.join("benchmark"));
    for (file, bytes) in &kept {
        assert!(again[file] == *bytes, "benchmark/{} differs", file.display());
    }
}

#[test]
fn full_fine_tuning_leaves_a_model_folder_that_loads() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = model(folder.path());
    let out = folder.path().join("full");
    let full = "finetuning_type = \"full\"\n[full]\nfreeze_vision_tower = false\nfreeze_multi_modal_projector = false";
    let (finished, _) = run(&recipe_text(&model, &out, full), None, false);
    let subject = stepwise_trainer::subject::Subject::find(&finished.folder, None).expect("a subject");
    assert_eq!(subject.base.as_deref(), Some(model.as_path()));
    subject.load(&Device::flex(), None).expect("loads");
}
