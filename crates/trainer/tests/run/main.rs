//! Complete runs on a newly initialised model: their files, and the equality of resumed and uninterrupted runs.

mod trainables;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use stepwise_benchmark::store;
use stepwise_data::synth::{SynthOptions, record};
use stepwise_recipe::Recipe;
use stepwise_trainer::checkpoint;
use stepwise_trainer::interrupt::Interrupt;
use stepwise_trainer::log::StepLine;
use stepwise_trainer::progress::Progress;
use stepwise_trainer::train::{Finished, PreparedRun, TrainError, TrainOptions};
use stepwise_vlm::create::{FreshConfig, create};

/// A model of some ten thousand parameters, with a tokenizer built from the questions of the synthetic cases.
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
context = {{ gold = 0.3, wrong = 0.2, predicted = 0.4 }}
evidence = "box_and_marked"
augment = {{ hint_minus = 0.2, blank = {{ share = 0.2, fill = "noise" }}, region_mask = 0.1, swap_near = 0.1, pgd = {{ share = 0.2, eps = 8, steps = 2, restarts = 1 }} }}
[benchmark]
suite = "fast"
max_cases = 2
"#,
        model.display(),
        out.display()
    )
}

/// Records every logged loss, and interrupts the run at a given time.
struct Watch {
    losses: Vec<(u64, f64)>,
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
}

impl Progress for Watch {
    fn advance(&mut self, task: &str, done: u64, total: u64) {
        if matches!(self.stop, Stop::Within(name) if name == task) && done < total {
            self.interrupt.request();
        }
    }

    fn step(&mut self, line: &StepLine) {
        self.losses.push((line.current_steps, line.loss));
        if self.stop == Stop::After(line.current_steps) {
            self.interrupt.request();
        }
    }
}

fn run(text: &str, stop: Stop, resume: bool) -> (Finished, Vec<(u64, f64)>) {
    let (finished, losses) = attempt(text, stop, resume);
    (finished.expect("trains"), losses)
}

fn attempt(text: &str, stop: Stop, resume: bool) -> (Result<Finished, TrainError>, Vec<(u64, f64)>) {
    let recipe = Recipe::parse(Path::new("test.toml"), text.to_owned(), &[]).expect("a recipe");
    let interrupt = Interrupt::new();
    let mut watch = Watch { losses: Vec::new(), stop, interrupt: interrupt.clone() };
    let options = TrainOptions {
        recipe: &recipe,
        recipe_text: text,
        device: Device::flex(),
        device_name: "cpu",
        resume,
        base_answers: None,
    };
    let finished = PreparedRun::new(&options, &mut watch).and_then(|run| run.train(&mut watch, &interrupt));
    (finished, watch.losses)
}

/// Contents of all files below a folder.
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
    let (finished, losses) = run(&recipe_text(&model, &whole, lora), Stop::Never, false);
    assert!(!finished.interrupted && finished.report.is_some());
    let last = losses.last().expect("steps").0;
    assert!(losses.iter().all(|(_, loss)| loss.is_finite()) && last > 4);

    // The folder name must stay the same, so that recipe and digests are equal.
    std::fs::rename(&whole, folder.path().join("kept")).expect("moved");
    let text = recipe_text(&model, &whole, lora);
    let (stopped, mut parted) = run(&text, Stop::After(3), false);
    assert!(stopped.interrupted && stopped.global_step == 3);
    // A second interrupt during the evaluation for predicted answers, a third within the second phase.
    let (stopped, rest) = run(&text, Stop::Within("benchmark own answers before s34"), true);
    assert!(stopped.interrupted && whole.join("predicted/phase-2.part.jsonl").is_file());
    parted.extend(rest);
    let (stopped, rest) = run(&text, Stop::After(last - 2), true);
    parted.extend(rest);
    // The current model cannot replace the answers it gave before the phase.
    let (answers, elsewhere) = (whole.join("predicted/phase-2.json"), folder.path().join("answers.json"));
    std::fs::rename(&answers, &elsewhere).expect("answers were kept");
    let refused = attempt(&text, Stop::Never, true).0.expect_err("the answers are gone").to_string();
    assert!(stopped.interrupted && refused.contains("phase `s34` already started -> restore the file"), "{refused}");
    std::fs::rename(&elsewhere, &answers).expect("moved back");
    let (resumed, rest) = run(&text, Stop::Never, true);
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

/// Other settings of a phase: competence sampling_order, early advance at a plateau, fading marks, blank images, and one
/// schedule over the whole run.
#[test]
fn a_resumed_run_of_any_curriculum_differs_by_not_one_bit() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = model(folder.path());
    let out = folder.path().join("run");
    let text = recipe_text(&model, &out, "[lora]\nr = 2");
    let (before, after) =
        (text.find("[[curriculum.phase]]").expect("phases"), text.find("[benchmark]").expect("a suite"));
    let phases = "[curriculum]\nlr_schedule_per_phase = false\n\
        [[curriculum.phase]]\nstages = [1, 2]\nnum_train_epochs = 3\nsampling_order = \"competence\"\n\
        early_advance = { metric = \"accuracy:clean\", patience = 1, min_delta = 1.0 }\n\
        [[curriculum.phase]]\nname = \"marks\"\nstages = [3]\nnum_train_epochs = 1\nreplay = 0.3\nevidence = \"curriculum\"\n\
        [[curriculum.phase]]\nname = \"blank\"\nstages = [4]\nnum_train_epochs = 1\nblank_images = true\nsampling_order = \"round_robin\"\n\
        context = { predicted = 0.8 }\n";
    let text = format!("{}{phases}{}", &text[..before], &text[after..]);
    let (finished, losses) = run(&text, Stop::Never, false);
    let planned = losses.len() as u64;
    assert_eq!(finished.global_step, planned);
    std::fs::rename(&out, folder.path().join("kept")).expect("moved");
    let mut parted = Vec::new();
    for (place, stop) in [3, planned - 6, planned - 2].into_iter().enumerate() {
        let (stopped, rest) = run(&text, Stop::After(stop), place > 0);
        assert!(stopped.interrupted && stopped.global_step == stop);
        parted.extend(rest);
    }
    parted.extend(run(&text, Stop::Never, true).1);
    assert_eq!(parted, losses);
    let ledger = std::fs::read_to_string(out.join("benchmark/forgetting.json")).expect("there");
    let ledger: serde_json::Value = serde_json::from_str(&ledger).expect("JSON");
    assert_eq!(ledger["phases"][0]["epoch"], 2, "a plateau of one epoch ends the phase of three");
    let logged = std::fs::read_to_string(out.join("trainer_log.jsonl")).expect("there");
    let ends: Vec<serde_json::Value> = logged
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .filter(|line: &serde_json::Value| line["forgetting"].is_object())
        .collect();
    assert_eq!(
        ends.iter().map(|line| line["phase"].as_str()).collect::<Vec<_>>(),
        [Some("s12"), Some("marks"), Some("blank")]
    );
    assert_eq!(ends[2]["forgetting"], ledger, "the log contains the forgetting table");
    let name = checkpoint::name(finished.global_step);
    let (kept, again) = (contents(&folder.path().join("kept").join(&name)), contents(&out.join(&name)));
    for (file, bytes) in &kept {
        assert!(again[file] == *bytes, "{} differs", file.display());
    }
}

/// Other adapters than plain LoRA: a checkpoint also restores PiSSA's initial product and the trained
/// copies of `modules_to_save`.
#[test]
fn a_resumed_run_with_any_adapter_differs_by_not_one_bit() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = model(folder.path());
    for (kind, keys) in [
        ("pissa", "init_lora_weights = \"pissa\"\nrank_pattern = { q_proj = 3 }\nuse_rslora = true"),
        (
            "dora",
            "use_dora = true\nloraplus_lr_ratio = 4\nmodules_to_save = [\"lm_head\", \"modality_projection.proj\"]",
        ),
    ] {
        let lora = format!("[lora]\nr = 2\nlora_dropout = 0.1\nfreeze_multi_modal_projector = false\n{keys}");
        let out = folder.path().join(kind);
        let text = recipe_text(&model, &out, &lora).replace("\"fast\"", "\"none\"");
        let (finished, losses) = run(&text, Stop::Never, false);
        let kept = folder.path().join(format!("{kind}-kept"));
        std::fs::rename(&out, &kept).expect("moved");
        let (stopped, mut parted) = run(&text, Stop::After(2), false);
        assert!(stopped.interrupted && finished.global_step > 4);
        parted.extend(run(&text, Stop::Never, true).1);
        assert_eq!(parted, losses, "{kind}");
        let name = checkpoint::name(finished.global_step);
        let (kept, again) = (contents(&kept.join(&name)), contents(&out.join(&name)));
        assert!(kept == again && kept.len() > 3, "{kind}");
        let subject = stepwise_trainer::checkpoint::source::ModelSource::find(&out, None).expect("a subject");
        subject.load(&Device::flex(), None).expect("loads");
    }
}

#[test]
fn full_fine_tuning_leaves_a_model_folder_that_loads() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = model(folder.path());
    let out = folder.path().join("full");
    let full = "finetuning_type = \"full\"\n[full]\nfreeze_vision_tower = false\nfreeze_multi_modal_projector = false";
    let suite = folder.path().join("suite.toml");
    std::fs::write(&suite, TRANSFER).expect("written");
    let text = recipe_text(&model, &out, full).replace("\"fast\"", &format!("{:?}", suite.display().to_string()));
    let (finished, _) = run(&text, Stop::Never, false);
    let subject = stepwise_trainer::checkpoint::source::ModelSource::find(&finished.folder, None).expect("a subject");
    assert_eq!(subject.base.as_deref(), Some(model.as_path()));
    subject.load(&Device::flex(), None).expect("loads");
    transferred_from_the_base(&out);
}

/// A suite with an attack on the evaluated model and the same attack transferred from the base.
const TRANSFER: &str = "name = \"t\"\nversion = 1\nseed = 1\n\
    [[condition]]\nid = \"clean\"\nkind = \"clean\"\n\
    [[condition]]\nid = \"pgd\"\nkind = \"pgd\"\neps = 4\nsteps = 2\nrestarts = 1\n\
    [[condition]]\nid = \"transfer\"\nkind = \"transfer\"\neps = 4\nsteps = 2\nrestarts = 1\n";

/// The losses of an attack on the base are the same after every epoch. The losses of an attack on the
/// trained model differ.
fn transferred_from_the_base(run: &Path) {
    let losses = |epoch: &str, condition: &str| -> Vec<Vec<Option<f64>>> {
        let outcomes = store::read(&run.join("benchmark").join(epoch).join("outcomes.jsonl")).expect("outcomes");
        let of = outcomes.into_iter().filter(|outcome| outcome.condition == condition);
        of.map(|outcome| outcome.attack.expect("an attack").losses).collect()
    };
    let first = losses("epoch-1", "transfer");
    assert!(first.len() > 4);
    assert_eq!(first, losses("epoch-2", "transfer"));
    // Same pixels and draws; the frozen weights may have another memory layout there, and so another rounding.
    for (transferred, own) in first.iter().flatten().zip(losses("base", "pgd").iter().flatten()) {
        let (transferred, own) = (transferred.expect("a number"), own.expect("a number"));
        assert!((transferred - own).abs() < 1e-4, "{transferred} {own}");
    }
    assert_ne!(losses("epoch-1", "pgd"), losses("epoch-2", "pgd"));
    assert!(losses("base", "transfer").is_empty(), "the base has no other base");
}

#[test]
fn attacks_transfer_from_the_base_whose_adapter_is_off() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = model(folder.path());
    let out = folder.path().join("run");
    let suite = folder.path().join("suite.toml");
    std::fs::write(&suite, TRANSFER).expect("written");
    let text = recipe_text(&model, &out, "[lora]\nr = 2\ntarget_modules = \"all-linear\"");
    run(&text.replace("\"fast\"", &format!("{:?}", suite.display().to_string())), Stop::Never, false);
    transferred_from_the_base(&out);
}

#[test]
fn a_benchmark_that_was_interrupted_is_made_to_its_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = model(folder.path());
    let out = folder.path().join("run");
    let text = recipe_text(&model, &out, "[lora]\nr = 2");
    let (_, losses) = run(&text, Stop::Never, false);
    std::fs::rename(&out, folder.path().join("kept")).expect("moved");

    let mut parted = Vec::new();
    let mut held = 0;
    for (place, task) in ["base", "epoch-1", "epoch-2"].into_iter().enumerate() {
        let within = Stop::Within(["benchmark base", "benchmark epoch-1", "benchmark epoch-2"][place]);
        let (stopped, steps) = run(&text, within, place > 0);
        assert!(stopped.interrupted, "{task}");
        parted.extend(steps);
        let folder = out.join("benchmark").join(task);
        assert!(!folder.join("outcomes.jsonl").exists(), "{task} has not ended");
        held += std::fs::read_to_string(folder.join("outcomes.part.jsonl")).expect("a journal").lines().count();
    }
    assert!(held > 100, "answers were kept: {held}");
    let (finished, steps) = run(&text, Stop::Never, true);
    assert!(!finished.interrupted && finished.epochs.len() == 2);
    parted.extend(steps);
    assert_eq!(parted, losses);
    let (kept, again) = (contents(&folder.path().join("kept/benchmark")), contents(&out.join("benchmark")));
    assert_eq!(kept.keys().collect::<Vec<_>>(), again.keys().collect::<Vec<_>>());
    for (file, bytes) in &kept {
        assert!(again[file] == *bytes, "benchmark/{} differs", file.display());
    }
}

/// Step of each log line of a run, and whether the line ends an epoch.
fn log(run: &Path) -> Vec<(u64, bool)> {
    let text = std::fs::read_to_string(run.join("trainer_log.jsonl")).expect("a log");
    let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
    lines.map(|line| (line["current_steps"].as_u64().expect("a step"), line["metrics"].is_object())).collect()
}

#[test]
fn a_run_killed_after_an_interrupted_benchmark_was_made_and_before_it_was_saved_makes_it_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = model(folder.path());
    let out = folder.path().join("run");
    let text = recipe_text(&model, &out, "[lora]\nr = 2");
    let (stopped, _) = run(&text, Stop::Within("benchmark epoch-1"), false);
    assert!(stopped.interrupted);
    let name = checkpoint::name(stopped.global_step);
    let untested = contents(&out.join(&name));
    let (finished, _) = run(&text, Stop::Never, true);
    let last = checkpoint::name(finished.global_step);
    let whole = (contents(&out.join(&last)), log(&out));
    // Simulates a process that died before it rewrote the checkpoint.
    for (file, bytes) in &untested {
        std::fs::write(out.join(&name).join(file), bytes).expect("written");
    }
    std::fs::remove_dir_all(out.join(&last)).expect("removed");
    let (again, _) = run(&text, Stop::Never, true);
    assert_eq!((again.epochs.len(), again.best), (2, finished.best));
    let found = (contents(&out.join(&last)), log(&out));
    assert_eq!(found.1, whole.1);
    for (file, bytes) in &whole.0 {
        assert!(found.0[file] == *bytes, "{} differs", file.display());
    }
}

/// Recipe whose first phase has up to three epochs and advances after its first evaluation.
fn promoting(model: &Path, out: &Path) -> String {
    let text = recipe_text(model, out, "[lora]\nr = 2");
    let first = "stages = [1, 2]\nnum_train_epochs = 1\n";
    assert!(text.contains(first));
    let rule = "early_advance = { metric = \"accuracy:clean\", at_least = 0.0 }\n";
    text.replace(first, &format!("stages = [1, 2]\nnum_train_epochs = 3\n{rule}"))
}

#[test]
fn a_phase_is_promoted_and_a_resumed_run_remembers_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = model(folder.path());
    let out = folder.path().join("promoted");
    let text = promoting(&model, &out);
    let (finished, losses) = run(&text, Stop::Never, false);
    let last = losses.last().expect("steps").0;
    let plain = recipe_text(&model, &folder.path().join("plain"), "[lora]\nr = 2");
    let planned = run(&plain, Stop::Never, false).0.global_step;
    assert_eq!((finished.global_step, last), (planned, planned), "one epoch of three, as the plain recipe has");
    let ledger: serde_json::Value =
        serde_json::from_slice(&std::fs::read(out.join("benchmark/forgetting.json")).expect("there")).expect("JSON");
    let phases = ledger["phases"].as_array().expect("phases");
    assert_eq!(phases.iter().map(|phase| phase["epoch"].as_u64()).collect::<Vec<_>>(), [Some(1), Some(2)]);

    std::fs::rename(&out, folder.path().join("kept")).expect("moved");
    let (stopped, _) = run(&text, Stop::After(last - 1), false);
    assert!(stopped.interrupted);
    let (resumed, _) = run(&text, Stop::Never, true);
    assert_eq!(resumed.global_step, last);
    let name = checkpoint::name(last);
    let (kept, again) = (contents(&folder.path().join("kept").join(&name)), contents(&out.join(&name)));
    for (file, bytes) in &kept {
        assert!(again[file] == *bytes, "{} differs", file.display());
    }
    let unknown = text.replace("\"accuracy:clean\"", "\"acuracy:clean\"");
    let recipe = Recipe::parse(Path::new("test.toml"), unknown.clone(), &[]).expect("a recipe");
    let device = Device::flex();
    let options = TrainOptions {
        recipe: &recipe,
        recipe_text: &unknown,
        device,
        device_name: "cpu",
        resume: true,
        base_answers: None,
    };
    std::fs::remove_dir_all(&out).expect("removed");
    let refused = PreparedRun::new(&options, &mut ())
        .and_then(|run| run.train(&mut (), &Interrupt::new()))
        .expect_err("no such metric")
        .to_string();
    assert!(refused.ends_with("does not measure `acuracy:clean` -> did you mean `accuracy:clean`?"), "{refused}");
}
