//! Faults during a run: a full disk, a read-only folder, images that vanish or change, and steps without a finite loss
//! or gradient. Each ends with a clear error, and no saved training is lost.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use stepwise_trainer::checkpoint::{newest_complete, steps, verify};

use crate::common::{Ran, Workplace};

/// Name and content of every file of a checkpoint, sorted by name.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let read = |path: &Path| std::fs::read(path).expect("a file");
    let mut files: Vec<_> =
        paths.map(|path| (path.file_name().expect("a name").to_string_lossy().into_owned(), read(&path))).collect();
    files.sort();
    files
}

/// Asserts that the newest checkpoints of two runs are byte-identical.
fn same_end(place: &Workplace, one: &str, other: &str) {
    let newest = [one, other].map(|run| newest_complete(&place.path(run)).expect("readable"));
    assert_eq!(newest[0], newest[1]);
    let name = format!("checkpoint-{}", newest[0].0.expect("a checkpoint"));
    let [one, other] = [one, other].map(|run| files(&place.path(run).join(&name)));
    assert!(one.iter().map(|(name, _)| name).eq(other.iter().map(|(name, _)| name)), "other files");
    for ((name, one), (_, other)) in one.iter().zip(&other) {
        assert!(one == other, "{name} differs");
    }
}

fn nothing_beside(run: &Path) {
    for entry in std::fs::read_dir(run).expect("a run") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        assert!(!name.contains(".tmp-") && !name.contains(".old-"), "{name} was left");
    }
}

#[test]
fn a_full_disk_ends_a_run_and_leaves_what_was_saved() {
    let place = Workplace::new();
    let line = "train recipe.toml --set benchmark.suite=none --set train.save_steps=4 --set output_dir=";
    place.done(&format!("{line}whole"));
    // A limit of half an adapter on the length of files acts like a disk that becomes full while
    // the adapter is written.
    let adapter = place.path("whole/checkpoint-4/adapter_model.safetensors");
    let blocks = std::fs::metadata(adapter).expect("saved").len() / 1024;
    let full = format!("trap '' XFSZ; ulimit -f {blocks}");
    let first = place.limited(&full, &format!("{line}run"));
    assert_eq!(first.code, Some(1), "{}", first.stderr);
    assert_eq!(steps(&place.path("run")).expect("readable"), [0; 0]);
    nothing_beside(&place.path("run"));

    place.copy("whole/checkpoint-4", "run/checkpoint-4");
    let later = place.limited(&full, &format!("{line}run --resume"));
    assert_eq!(later.code, Some(1), "{}", later.stderr);
    verify(&place.path("run/checkpoint-4")).expect("as it was");
    nothing_beside(&place.path("run"));
    insta::assert_snapshot!(format!(
        "$ stepwise train\n{}\n$ stepwise train --resume\n{}",
        first.error(),
        later.error()
    ));

    let resumed = place.done(&format!("{line}run --resume"));
    assert!(resumed.stderr.starts_with("resumed after step 4 of 11\n"), "{}", resumed.stderr);
    same_end(&place, "run", "whole");
}

#[test]
fn a_full_disk_ends_a_benchmark_and_its_answers_are_not_asked_again() {
    let place = Workplace::new();
    let full = place.limited("trap '' XFSZ; ulimit -f 16", "train recipe.toml");
    assert_eq!(full.code, Some(1), "{}", full.stderr);
    insta::assert_snapshot!(full.error());
    let journal = place.read("run/benchmark/base/outcomes.part.jsonl");
    assert!(journal.lines().count() > 5, "{journal}");
    place.done("train recipe.toml --resume");
    let outcomes = place.read("run/benchmark/base/outcomes.jsonl");
    let whole = crate::common::TRAINED.0.read("run/benchmark/base/outcomes.jsonl");
    assert_eq!(outcomes, whole);
}

/// Runs the command as a user without write access to read-only folders; None if the test cannot become such a user.
#[allow(clippy::print_stderr)]
fn as_nobody(place: &Workplace, line: &str) -> Option<Ran> {
    let mut command = place.command(&line.split_whitespace().collect::<Vec<_>>());
    if std::fs::metadata("/proc/self").map_or(1, |about| about.uid()) == 0 {
        command.uid(65534).gid(65534);
    }
    match command.output() {
        Ok(output) => Some(output.into()),
        Err(error) => {
            eprintln!("skipped: the command cannot be run as another user: {error}");
            None
        }
    }
}

#[test]
fn a_read_only_folder_is_refused_and_stays_as_it_was() {
    let place = Workplace::with_run();
    let allow = |name: &str, mode: u32| {
        std::fs::set_permissions(place.path(name), PermissionsExt::from_mode(mode)).expect("allowed");
    };
    allow(".", 0o755);
    place.write("locked/file", "");
    ["locked", "run"].iter().for_each(|name| allow(name, 0o555));
    let before = place.read("run/trainer_log.jsonl");
    let mut said = String::new();
    for line in ["train recipe.toml --set output_dir=locked/run", "train recipe.toml --resume"] {
        let Some(ran) = as_nobody(&place, line) else { return };
        assert_eq!(ran.code, Some(2), "{}", ran.stderr);
        said.push_str(&format!("$ stepwise {line}\n{}", ran.shown()));
    }
    ["locked", "run"].iter().for_each(|name| allow(name, 0o755));
    insta::assert_snapshot!(said);
    assert_eq!(place.read("run/trainer_log.jsonl"), before);
    assert!(!place.path("locked/run").exists());
}

/// Runs training, damages all images with `spoil` after the first step, and resumes after restoring them.
/// Returns exit code and error of the run that stopped.
fn spoiled(spoil: impl Fn(&Path)) -> String {
    let place = Workplace::new();
    place.done("data synth cases --cases 24 --seed 2 --image-size 64");
    let line = "train recipe.toml --set benchmark.suite=none --set train.logging_steps=1";
    // Cases in files instead of synthetic cases of the recipe.
    place.edit(
        "recipe.toml",
        "recipe.toml",
        "synth = { cases = 24, seed = 2, image_size = 64 }",
        "dataset = \"cases\"",
    );
    place.done(&format!("{line} --set output_dir=whole"));
    place.copy("cases", "kept");
    let mut child = place
        .command(&line.split(' ').collect::<Vec<_>>())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut said = BufReader::new(child.stderr.take().expect("piped"));
    let mut text = String::new();
    while !text.lines().any(|line| line.starts_with("step ")) {
        assert!(said.read_line(&mut text).expect("text") > 0, "ended before its first step: {text}");
    }
    // Images in memory are still trained on; the second phase reads all images again.
    for entry in std::fs::read_dir(place.path("cases/images")).expect("images") {
        spoil(&entry.expect("an image").path());
    }
    said.read_to_string(&mut text).expect("text");
    let ran = Ran { code: child.wait().expect("ended").code(), stdout: String::new(), stderr: text };
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    let stopped = ran.error().lines().last().and_then(|line| line.strip_prefix("stopped after step ")).expect("told");
    let step: u64 = stopped.split(' ').next().and_then(|step| step.parse().ok()).expect("a step");
    verify(&place.path(&format!("run/checkpoint-{step}"))).expect("all that was learned is there");

    std::fs::remove_dir_all(place.path("cases")).expect("removed");
    place.copy("kept", "cases");
    let resumed = place.done(&format!("{line} --resume"));
    assert!(resumed.stderr.starts_with(&format!("resumed after step {step} of 11\n")), "{}", resumed.stderr);
    same_end(&place, "run", "whole");
    Ran { stderr: ran.error().to_owned(), ..ran }.shown_at_some_step()
}

#[test]
fn a_picture_that_vanishes_during_a_run_stops_it_and_nothing_is_lost() {
    insta::assert_snapshot!(spoiled(|path| std::fs::remove_file(path).expect("removed")));
}

#[test]
fn a_picture_that_changes_during_a_run_stops_it_and_nothing_is_lost() {
    insta::assert_snapshot!(spoiled(|path| {
        let mut picture = image::open(path).expect("an image").to_rgb8();
        picture.get_pixel_mut(0, 0).0[0] ^= 1;
        picture.save(path).expect("written");
    }));
}

#[test]
fn a_picture_that_changed_before_a_run_or_an_evaluation_is_refused() {
    let place = Workplace::with_run();
    place.done("data synth cases --cases 24 --seed 2 --image-size 64");
    for entry in std::fs::read_dir(place.path("cases/images")).expect("images") {
        std::fs::copy(place.path("cases/images/synth-2-000000.png"), entry.expect("an image").path()).expect("copied");
    }
    place.edit("recipe.toml", "files.toml", "synth = { cases = 24, seed = 2, image_size = 64 }", "dataset = \"cases\"");
    let mut said = String::new();
    for line in ["train files.toml --set output_dir=new", "eval run --data cases", "check cases --files contents"] {
        let ran = place.run(line);
        assert_eq!(ran.code, Some(2), "{}", ran.stderr);
        let problem = ran.stdout.lines().find(|line| line.contains("sha256")).map(|line| format!("{line}\n"));
        said.push_str(&format!("$ stepwise {line}\n{}{}", problem.unwrap_or_default(), ran.error()));
    }
    insta::assert_snapshot!(said);
}

/// Sets elements of the tensor `model.text_model.NAME.weight` of the model: those whose flat indices `places` returns for the
/// width of the tensor.
fn set_weights(place: &Workplace, name: &str, places: &dyn Fn(usize) -> Vec<usize>, value: f32) {
    let path = place.path("model/model.safetensors");
    let mut bytes = std::fs::read(&path).expect("weights");
    let header = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")) as usize;
    let tensors: Value = serde_json::from_slice(&bytes[8..8 + header]).expect("JSON");
    let tensor = &tensors[format!("model.text_model.{name}.weight")];
    assert_eq!(tensor["dtype"], "F32");
    let shape = tensor["shape"].as_array().expect("a shape");
    let width = shape.last().and_then(Value::as_u64).expect("a width") as usize;
    let start = 8 + header + tensor["data_offsets"][0].as_u64().expect("an offset") as usize;
    for index in places(width) {
        bytes[start + index * 4..start + index * 4 + 4].copy_from_slice(&value.to_le_bytes());
    }
    std::fs::write(path, bytes).expect("written");
}

/// Workplace with cases in files, where one question of a training case has a token on which the first layer computes
/// NaN from finite weights. Returns the name of that question, too.
///
/// The token's embedding is so large in the first feature that its normalised value is the square root of the width, above
/// 5. The weight of the norm makes infinity of it, and only of it, and the zero weights that read the feature make NaN of
/// infinity, and zero of all other values.
fn with_a_poisoned_case() -> (Workplace, String) {
    let place = Workplace::new();
    place.done("data synth cases --cases 24 --seed 2 --image-size 64");
    let text = place.read("cases/cases.jsonl");
    let mut cases: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let case = cases.iter_mut().filter(|case| case["split"] == "train").nth(3).expect("a fourth case");
    let question = format!("{} \u{a4}", case["chain"][0]["question"].as_str().expect("a question"));
    case["chain"][0]["question"] = json!(question);
    let name =
        format!("{}/{}", case["case_id"].as_str().expect("an id"), case["chain"][0]["id"].as_str().expect("an id"));
    place.write("cases/cases.jsonl", cases.iter().map(|case| format!("{case}\n")).collect::<String>());

    // The character's two bytes are two tokens, because no token of the vocabulary contains the character.
    let tokenizer: Value = serde_json::from_str(&place.read("model/tokenizer.json")).expect("JSON");
    let token = tokenizer["model"]["vocab"]["\u{a4}"].as_u64().expect("every byte has its token") as usize;
    let set = |name: &str, places: &dyn Fn(usize) -> Vec<usize>, value: f32| set_weights(&place, name, places, value);
    set("embed_tokens", &|width| vec![token * width], 1e18);
    set("layers.0.input_layernorm", &|_| vec![0], f32::MAX / 5.0);
    for (name, outputs) in [("q_proj", 32), ("k_proj", 16), ("v_proj", 16)] {
        set(&format!("layers.0.self_attn.{name}"), &|width| (0..outputs).map(|row| row * width).collect(), 0.0);
    }
    place.edit(
        "recipe.toml",
        "recipe.toml",
        "synth = { cases = 24, seed = 2, image_size = 64 }",
        "dataset = \"cases\"",
    );
    place.edit("recipe.toml", "recipe.toml", "per_device_train_batch_size = 2", "per_device_train_batch_size = 1");
    // Adapters of the attention would read the feature, too.
    place.edit("recipe.toml", "recipe.toml", "r = 2\n", "r = 2\ntarget_modules = [\"down_proj\"]\n");
    (place, name)
}

const QUIET: &str = "--set benchmark.suite=none --set train.logging_steps=1";

#[test]
fn a_loss_that_is_no_number_stops_the_run_and_names_the_question() {
    let (place, name) = with_a_poisoned_case();
    let ran = place.run(&format!("train recipe.toml {QUIET}"));
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.error().contains(&format!("the loss is NaN at {name} -> ")), "{}", ran.error());
    insta::assert_snapshot!(ran.error());
    // Earlier steps are saved, and a run that skips the step resumes after them.
    let done: u64 = ran
        .error()
        .rsplit_once("stopped after step ")
        .and_then(|(_, rest)| rest.split(' ').next()?.parse().ok())
        .expect("told");
    let resumed = place.done(&format!("train recipe.toml {QUIET} --set train.on_nonfinite=skip --resume"));
    match done {
        0 => assert!(resumed.stderr.starts_with("nothing to resume from"), "{}", resumed.stderr),
        done => {
            assert!(resumed.stderr.starts_with(&format!("resumed after step {done} of ")), "{}", resumed.stderr)
        }
    }
    place.done(&format!("train recipe.toml {QUIET} --set train.on_nonfinite=skip --set output_dir=skipping"));
    same_end(&place, "run", "skipping");
}

#[test]
fn nothing_is_learned_from_a_step_that_is_skipped() {
    let (place, name) = with_a_poisoned_case();
    let line = format!("train recipe.toml {QUIET} --set train.on_nonfinite=skip --set train.save_steps=1");
    let ran = place.done(&line);
    let said: Vec<&str> = ran.stderr.lines().filter(|line| line.starts_with("warning: step ")).collect();
    let [warning] = said[..] else { panic!("one step has the question: {said:?}") };
    assert!(warning.ends_with(&format!("the loss is NaN at {name} -> the step is skipped")), "{warning}");
    let step: u64 =
        warning["warning: step ".len()..].split(':').next().and_then(|step| step.parse().ok()).expect("a step");
    let log = place.read("run/trainer_log.jsonl");
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let skipped: Vec<&Value> = lines.iter().filter(|line| line.get("skipped").is_some()).collect();
    assert!(skipped.len() == 1 && skipped[0]["current_steps"] == step, "{skipped:?}");
    assert!(lines.iter().all(|line| line.get("loss").is_none_or(|loss| loss.as_f64().is_some_and(f64::is_finite))));
    // The skipped step changes neither weights nor moments.
    let [before, after] = [step - 1, step].map(|step| files(&place.path(&format!("run/checkpoint-{step}"))));
    for name in ["adapter_model.safetensors", "optimizer.safetensors"] {
        let of = |files: &[(String, Vec<u8>)]| files.iter().find(|(file, _)| file == name).expect("there").1.clone();
        assert!(of(&before) == of(&after), "{name}");
    }
    // The optimiser has taken one step fewer than the run; a resumed run uses its own count.
    place.copy("run", "kept");
    for later in step + 1..=11 {
        std::fs::remove_dir_all(place.path(&format!("run/checkpoint-{later}"))).expect("there");
    }
    place.done(&format!("{line} --resume"));
    same_end(&place, "run", "kept");
}

/// Copies the adapter of the finished run and fills its `lora_A` matrices with `down` and its
/// `lora_B` matrices with `up`.
fn filled(place: &Workplace, down: f32, up: f32) {
    place.copy("run/checkpoint-11", "adapter");
    let path = place.path("adapter/adapter_model.safetensors");
    let mut bytes = std::fs::read(&path).expect("weights");
    let header = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")) as usize;
    let tensors: Value = serde_json::from_slice(&bytes[8..8 + header]).expect("JSON");
    for (name, tensor) in tensors.as_object().expect("tensors").iter().filter(|(name, _)| name.contains(".lora_")) {
        let value = if name.contains(".lora_A.") { down } else { up };
        assert_eq!(tensor["dtype"], "F32");
        let [start, end] = [0, 1].map(|side| tensor["data_offsets"][side].as_u64().expect("an offset") as usize);
        bytes[8 + header + start..8 + header + end]
            .chunks_exact_mut(4)
            .for_each(|place| place.copy_from_slice(&value.to_le_bytes()));
    }
    std::fs::write(path, bytes).expect("written");
}

#[test]
fn a_gradient_that_is_infinite_stops_the_run_or_is_skipped() {
    let place = Workplace::with_run();
    // With `lora_A` zero, the model equals its base, but the gradient overflows.
    filled(&place, 0.0, 1e30);
    let line = format!("train recipe.toml {QUIET} --set adapter_name_or_path=adapter --set output_dir=");
    let stopped = place.run(&format!("{line}stop"));
    assert_eq!(stopped.code, Some(1), "{}", stopped.stderr);
    assert!(stopped.error().starts_with("error: step 1: the gradient's norm is inf at "), "{}", stopped.error());
    let skipping = place.run(&format!("{line}skip --set train.on_nonfinite=skip"));
    assert_eq!(skipping.code, Some(1), "{}", skipping.stderr);
    let warnings = skipping.stderr.lines().filter(|line| line.starts_with("warning: step ")).count();
    assert_eq!(warnings, 9, "{}", skipping.stderr);
    insta::assert_snapshot!(format!(
        "$ stepwise train\n{}\n$ stepwise train --set train.on_nonfinite=skip\n{}",
        stopped.error(),
        skipping.error()
    ));
}

#[test]
fn a_run_whose_every_step_is_lost_ends_although_it_may_skip() {
    let place = Workplace::new();
    place.edit("recipe.toml", "recipe.toml", "num_train_epochs = 1", "num_train_epochs = 4");
    let rate = "--set train.learning_rate=1e30 --set train.lr_scheduler_type=constant --set train.max_grad_norm=0";
    for more in ["--set output_dir=stop", "--set output_dir=skip --set train.on_nonfinite=skip"] {
        let ran = place.run(&format!("train recipe.toml {QUIET} {rate} {more}"));
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        let name = more.split(['=', ' ']).nth(2).expect("a folder").to_owned();
        insta::assert_snapshot!(name, ran.error());
    }
}

/// Weights can be numbers while the outputs are not; an answer made of them would be empty, and its accuracy 0.
#[test]
fn outputs_that_are_not_numbers_are_no_answers() {
    let place = Workplace::new();
    // Infinite features of both signs, from finite weights.
    set_weights(&place, "norm", &|width| (0..width).collect(), f32::MAX);
    for line in [
        "ask --model_name_or_path model --question Why?",
        "ask --model_name_or_path model --question Why? --options yes no",
        "eval model --suite suite.toml --max-cases 1 --no-cache",
    ] {
        let ran = place.run(line);
        assert!(ran.code.is_some_and(|code| code != 0), "{line}: {}", ran.stdout);
        assert!(ran.stderr.contains("the outputs of the model are not numbers (NaN) -> "), "{line}: {}", ran.stderr);
    }
}
