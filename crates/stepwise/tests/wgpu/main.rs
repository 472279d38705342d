//! The program on a GPU through wgpu: on any adapter, such as Mesa's software Vulkan (`mesa-vulkan-drivers`). Every test
//! is skipped, with a line on stderr, on a machine without an adapter. A test program of its own, so that a build with `wgpu`
//! does not compile the tests of the CPU again.

#[allow(dead_code)]
#[path = "../cli/common.rs"]
mod common;
mod launches;

use std::sync::LazyLock;

use serde_json::Value;

use common::{Ran, Workplace};

/// Largest difference of a log-likelihood from the CPU, in nats; and of a loss, relative.
const CLOSE: f64 = 1e-4;

/// Whether there is an adapter.
static ADAPTER: LazyLock<bool> = LazyLock::new(|| {
    let ran = Workplace::empty().run("doctor --device wgpu");
    assert!(ran.code == Some(0) || ran.error().contains("no graphics adapter"), "{}{}", ran.stdout, ran.stderr);
    ran.code == Some(0)
});

/// Returns from a test on a machine without an adapter.
macro_rules! needs_adapter {
    () => {
        if !*ADAPTER {
            return skipped("this machine has no adapter for wgpu");
        }
    };
}

/// Says why a test is skipped.
#[allow(clippy::print_stderr)]
fn skipped(why: &str) {
    eprintln!("skipped: {why}");
}

/// Environment in which no adapter is found, with Vulkan or OpenGL.
fn without_adapter(place: &Workplace, line: &str) -> Ran {
    let mut command = place.command(&line.split_whitespace().collect::<Vec<_>>());
    for variable in ["VK_DRIVER_FILES", "VK_ICD_FILENAMES", "__EGL_VENDOR_LIBRARY_FILENAMES"] {
        command.env(variable, "/nonexistent");
    }
    command.output().expect("the command starts").into()
}

#[track_caller]
fn assert_no_panic(ran: &Ran) {
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
}

#[test]
fn doctor_lists_the_adapters_and_tests_them() {
    needs_adapter!();
    let ran = Workplace::empty().done("doctor --json");
    let json = ran.json();
    let devices = json["devices"].as_array().expect("a list");
    let wgpu: Vec<&Value> =
        devices.iter().filter(|one| one["device"].as_str().is_some_and(|name| name.starts_with("wgpu"))).collect();
    assert!(!wgpu.is_empty(), "{json}");
    for (number, device) in wgpu.into_iter().enumerate() {
        assert_eq!(device["device"], format!("wgpu:{number}"));
        assert_eq!(device["self_test"]["ok"], true, "{device}");
        let adapter = &device["adapter"];
        assert!(["name", "kind", "backend", "driver"].iter().all(|key| adapter[*key].is_string()), "{device}");
        assert!(adapter["largest_binding"].as_u64().is_some_and(|bytes| bytes > 0), "{device}");
    }
    // Software is slower than the CPU backend, so it is no default.
    if devices.iter().all(|one| one["adapter"]["kind"] == "software") {
        assert_eq!(json["self_test"]["device"], "cpu");
        assert!(ran.stderr.starts_with("device  cpu (") && ran.stderr.contains("wgpu: "), "{}", ran.stderr);
    }
}

#[test]
fn without_an_adapter_wgpu_is_an_error_and_the_cpu_is_the_default() {
    let place = Workplace::empty();
    let named = without_adapter(&place, "doctor --device wgpu");
    assert_eq!(named.code, Some(2), "{}", named.stderr);
    insta::assert_snapshot!(named.stderr);
    let default = without_adapter(&place, "doctor --json");
    assert_eq!(default.code, Some(0), "{}", default.stderr);
    assert_eq!(default.json()["self_test"]["device"], "cpu");
    assert!(default.stderr.starts_with("device  cpu (") && default.stderr.contains("no graphics adapter"));
    assert_no_panic(&named);
    assert_no_panic(&default);
}

#[test]
fn a_number_beyond_the_list_and_a_wrong_default_are_errors() {
    needs_adapter!();
    let place = Workplace::empty();
    let beyond = place.run("doctor --device wgpu:99");
    assert_eq!(beyond.code, Some(2), "{}", beyond.stderr);
    assert!(beyond.error().starts_with("error: --device wgpu:99: there "), "{}", beyond.stderr);
    for default in ["DiscreteGpu(63)", "nonsense"] {
        let mut command = place.command(&["doctor", "--device", "wgpu"]);
        let ran: Ran = command.env("CUBECL_WGPU_DEFAULT_DEVICE", default).output().expect("it starts").into();
        assert_eq!(ran.code, Some(2), "{}", ran.stderr);
        assert!(ran.error().contains("CUBECL_WGPU_DEFAULT_DEVICE") && ran.error().contains(" -> "), "{}", ran.stderr);
        assert_no_panic(&ran);
    }
}

#[test]
fn ask_gives_the_tokens_and_likelihoods_of_the_cpu() {
    needs_adapter!();
    let place = Workplace::new();
    place.done("data synth cases --cases 1 --image-size 64");
    let ask = |device: &str| {
        let line = "ask --model_name_or_path model --image cases/images/synth-0-000000.png --max-new-tokens 4 --json";
        let args: Vec<&str> = line.split_whitespace().chain(["--device", device]).collect();
        let ran = place.run_args(&[&args[..], &["--question", "Which side?", "--options", "left", "right"]].concat());
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        ran.json()
    };
    let [cpu, gpu] = ["cpu", "wgpu"].map(ask);
    assert_eq!(cpu["token_ids"], gpu["token_ids"]);
    let values = |answer: &Value| -> Vec<f64> {
        let options = answer["options"].as_array().expect("a list").iter().map(|option| &option["loglikelihood"]);
        answer["logprobs"].as_array().expect("a list").iter().chain(options).filter_map(Value::as_f64).collect()
    };
    assert_close(&values(&cpu), &values(&gpu));
}

#[track_caller]
fn assert_close(cpu: &[f64], gpu: &[f64]) {
    assert!(!cpu.is_empty() && cpu.len() == gpu.len(), "{cpu:?} {gpu:?}");
    for (cpu, gpu) in cpu.iter().zip(gpu) {
        assert!((cpu - gpu).abs() <= CLOSE * cpu.abs().max(1.0), "{cpu} on the CPU, {gpu} on the GPU");
    }
}

/// LoRA on the shipped tiny base: three steps of one case, with a checkpoint after two.
const RECIPE: &str = r#"output_dir = "run"
seed = 7
[lora]
r = 8
[data]
synth = { cases = 24, seed = 7, image_size = 128 }
[train]
per_device_train_batch_size = 1
gradient_accumulation_steps = 1
learning_rate = 1e-3
logging_steps = 1
save_steps = 2
max_steps = 3
[[curriculum.phase]]
stages = [1, 2]
num_train_epochs = 1
[benchmark]
suite = "none"
"#;

/// Folder with [`RECIPE`].
fn training() -> Workplace {
    let place = Workplace::empty();
    let base = concat!(env!("CARGO_MANIFEST_DIR"), "/../../checkpoints/tiny-base");
    place.write("recipe.toml", format!("model_name_or_path = {base:?}\n{RECIPE}"));
    place
}

/// A number of every line of a run's log.
fn logged(place: &Workplace, key: &str) -> Vec<f64> {
    let lines = place.read("run/trainer_log.jsonl");
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    lines.filter_map(|line| line.pointer(key).and_then(Value::as_f64)).collect()
}

/// The run on the GPU that tests compare with others.
static TRAINED: LazyLock<Workplace> = LazyLock::new(|| {
    let place = training();
    place.done("train recipe.toml --device wgpu");
    place
});

#[test]
fn training_has_the_losses_of_the_cpu_and_records_the_adapter() {
    needs_adapter!();
    let cpu = training();
    cpu.done("train recipe.toml --device cpu");
    for key in ["/loss", "/grad_norm"] {
        assert_close(&logged(&cpu, key), &logged(&TRAINED, key));
    }
    for key in ["/device_memory_mib/reserved", "/device_memory_mib/in_use"] {
        assert_eq!(logged(&TRAINED, key).len(), 3, "{key}");
        assert!(logged(&TRAINED, key).iter().all(|mebibytes| *mebibytes > 0.0), "{key}");
        assert!(logged(&cpu, key).is_empty(), "{key}");
    }
    let environment =
        |place: &Workplace| -> Value { serde_json::from_str(&place.read("run/environment.json")).expect("JSON") };
    assert!(environment(&TRAINED)["adapter"]["name"].as_str().is_some_and(|name| !name.is_empty()));
    assert_eq!((&environment(&cpu)["device"], environment(&cpu).get("adapter")), (&"cpu".into(), None));
}

/// The base in four bits is dequantised on the device by shifts and table look-ups.
#[test]
fn training_in_four_bits_has_the_losses_of_the_cpu() {
    needs_adapter!();
    let [cpu, gpu] = ["cpu", "wgpu"].map(|device| {
        let place = training();
        place.done(&format!("train recipe.toml --device {device} --set train.load_in_4bit=true"));
        place
    });
    for key in ["/loss", "/grad_norm"] {
        assert_close(&logged(&cpu, key), &logged(&gpu, key));
        assert_ne!(logged(&gpu, key), logged(&TRAINED, key), "{key}: four bits round the base");
    }
}

/// Asserts that the last checkpoint of a run has the bytes of [`TRAINED`].
#[track_caller]
fn assert_same_bytes(place: &Workplace) {
    for name in ["adapter_model.safetensors", "optimizer.safetensors"] {
        let bytes = |place: &Workplace| std::fs::read(place.path("run/checkpoint-3").join(name)).expect("a file");
        assert!(bytes(place) == bytes(&TRAINED), "{name} differs");
    }
}

#[test]
fn two_whole_runs_have_the_same_bytes() {
    needs_adapter!();
    let place = training();
    place.done("train recipe.toml --device wgpu");
    assert_same_bytes(&place);
    for key in ["/loss", "/grad_norm"] {
        assert_eq!(logged(&place, key), logged(&TRAINED, key), "{key}");
    }
}

#[test]
fn a_resumed_run_has_the_bytes_of_a_whole_one() {
    needs_adapter!();
    let place = training();
    place.bring(&TRAINED, "run");
    std::fs::remove_dir_all(place.path("run/checkpoint-3")).expect("removed");
    let ran = place.done("train recipe.toml --device wgpu --resume");
    assert!(ran.stderr.contains("resumed after step 2 of 3"), "{}", ran.stderr);
    assert_same_bytes(&place);
}

/// Clean, one-step and iterated attacks on the pixels.
const ATTACKS: &str = r#"name = "attacks"
version = 1
seed = 1
primary = ["fgsm"]
[[condition]]
id = "clean"
kind = "clean"
[[condition]]
id = "fgsm"
kind = "fgsm"
eps = 4
max_items = 3
[[condition]]
id = "pgd"
kind = "pgd"
eps = 4
steps = 3
restarts = 1
max_items = 2
"#;

/// Answers of the model on both devices: verdicts, and log-likelihoods of the options.
fn assert_same_answers(place: &Workplace, suite: &str, cases: u32) {
    let answers = |device: &str| -> Vec<Value> {
        place.done(&format!(
            "eval model --suite {suite} --max-cases {cases} --no-cache --out {device} --device {device}"
        ));
        let lines = place.read(&format!("{device}/model/outcomes.jsonl"));
        lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    };
    let [cpu, gpu] = ["cpu", "wgpu"].map(answers);
    assert!(!cpu.is_empty() && cpu.len() == gpu.len(), "{} and {} answers", cpu.len(), gpu.len());
    for (cpu, gpu) in cpu.iter().zip(&gpu) {
        let place = format!("{} {} {}", cpu["case_id"], cpu["item_id"], cpu["condition"]);
        for key in ["case_id", "item_id", "condition", "verdict", "index"] {
            assert_eq!(cpu[key], gpu[key], "{key} at {place}");
        }
        let scores = |outcome: &Value| -> Vec<f64> {
            let scores = outcome["scores"].as_array().into_iter().flatten();
            scores.filter_map(|score| score["loglikelihood"].as_f64()).collect()
        };
        // Steps of an attack take the sign of slopes near zero, so pixels differ a little.
        let most = if cpu["condition"] == "clean" { CLOSE } else { 10.0 * CLOSE };
        let apart = scores(cpu).iter().zip(scores(gpu)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(apart <= most, "{apart} at {place}");
    }
}

#[test]
fn attacks_on_pixels_give_the_answers_of_the_cpu() {
    needs_adapter!();
    let place = Workplace::new();
    place.write("attacks.toml", ATTACKS);
    assert_same_answers(&place, "attacks.toml", 2);
}

#[test]
fn the_fast_suite_gives_the_answers_of_the_cpu() {
    needs_adapter!();
    assert_same_answers(&Workplace::new(), "fast", 2);
}

/// A feed-forward layer so wide that its activations exceed the largest buffer of Mesa's software Vulkan, 128 MiB.
#[test]
fn too_little_memory_ends_a_run_with_advice() {
    needs_adapter!();
    let doctor = Workplace::empty().done("doctor --device wgpu --json").json();
    let largest = doctor["devices"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|one| one["adapter"]["largest_binding"].as_u64());
    if largest.max().is_none_or(|bytes| bytes > 128 << 20) {
        return skipped("the adapter has large buffers");
    }
    let place = Workplace::new();
    let sizes = "vocab_size = 400\nhidden_size = 32\nintermediate_size = 200000\nnum_hidden_layers = 1\n\
        num_attention_heads = 4\nnum_key_value_heads = 2\nvision_hidden_size = 32\nvision_intermediate_size = 64\n\
        vision_num_hidden_layers = 1\nvision_num_attention_heads = 2\nimage_size = 64\npatch_size = 16\n\
        scale_factor = 2\n";
    place.write("sizes.toml", sizes);
    place.done("new-model wide --sizes sizes.toml --cases 40 --seed 3");
    let set = "--set model_name_or_path=wide --set benchmark.suite=none --set train.per_device_train_batch_size=8";
    let ran = place.run(&format!("train recipe.toml --device wgpu {set}"));
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert_no_panic(&ran);
    let error = ran.error();
    assert!(
        error.contains(" MiB is larger than the largest buffer of the device -> lower `train.per_device_"),
        "{error}"
    );
}
