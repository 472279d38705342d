//! `stepwise doctor`: shows backends, devices and the processor, and compares a training step on the devices with the CPU.

mod model;

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::device::{self, Listed, SelfTest};
use crate::exit::{CommandResult, Failure};

/// Arguments of `doctor`.
#[derive(clap::Args)]
pub struct Args {
    /// Device: `cpu`, `cuda[:n]` or `wgpu[:n]`; by default the best one that is usable.
    #[arg(long)]
    device: Option<String>,
    /// Model folder to check: its files, what LoRA trains and in how much memory, and one question about one image.
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Prints the facts and the list of devices, and runs the self-test: on the device that is named, or else on every device.
/// Checks the model folder, if one is named.
///
/// # Errors
///
/// [`Failure::Input`] for a device or a model folder that cannot be used; [`Failure::Run`] when the chosen device fails or
/// computes other values than the CPU, or the model computes values that are not numbers.
pub fn run(args: &Args) -> CommandResult {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let (backends, instructions) = (backends(), instructions());
    if !args.json {
        say!("stepwise {VERSION}");
        say!("backends: {}", backends.join(", "));
        say!("threads: {threads}");
        say!("instructions: {}", instructions.join(", "));
    }
    let report = args.model.as_ref().map(|folder| model::Report::read(folder)).transpose()?;
    if let (Some(report), Some(folder), false) = (&report, &args.model, args.json) {
        say!("model     {}", folder.display());
        report.lines().iter().for_each(|line| say!("{line}"));
    }
    let devices: Vec<(Listed, Option<SelfTest>)> = device::listed()
        .into_iter()
        .map(|listed| {
            if !args.json {
                say!("{}", described(&listed));
            }
            let test = listed.found.as_ref().ok().filter(|_| args.device.is_none());
            let test = test.map(|(device, _)| SelfTest::run(&listed.name, device));
            if let (Some(test), false) = (&test, args.json) {
                say!("  {}", test.text());
            }
            (listed, test)
        })
        .collect();
    let chosen = device::choose(args.device.as_deref())?;
    let test = SelfTest::run(&chosen.name, &chosen.device);
    let trial = match (&report, &args.model) {
        (Some(report), Some(folder)) => Some((report, report.trial(folder, &chosen.device)?)),
        _ => None,
    };
    if args.json {
        let devices: Vec<Value> = devices.iter().map(|(listed, test)| as_json(listed, test.as_ref())).collect();
        say!(
            "{}",
            json!({
                "version": VERSION, "backends": backends, "threads": threads, "instructions": instructions,
                "devices": devices, "self_test": test.json(),
                "model": trial.as_ref().map(|(report, trial)| report.json(trial)),
            })
        );
    } else {
        say!("{}", test.text());
        trial.iter().flat_map(|(_, trial)| trial.lines()).for_each(|line| say!("{line}"));
    }
    if let Some(problem) = test.problem() {
        return Err(Failure::run(format!("{}: {problem} -> use another device", chosen.name)));
    }
    if !args.json {
        say!("all is well");
    }
    Ok(())
}

/// Formats a device of the list as a line.
fn described(listed: &Listed) -> String {
    let adapter = match &listed.found {
        Ok((_, adapter)) => adapter,
        Err(problem) => return format!("device {}: {problem}", listed.name),
    };
    let mebibytes = |bytes: u64| format!("{} MiB", bytes >> 20);
    let facts = [
        Some(adapter.name.clone()),
        Some(adapter.kind.clone()),
        Some(adapter.backend.clone()),
        adapter.driver.as_ref().map(|driver| format!("driver {driver}")),
        adapter.compute_capability.as_ref().map(|capability| format!("compute capability {capability}")),
        adapter.memory.map(|bytes| format!("memory {}", mebibytes(bytes))),
        adapter.free.map(|bytes| format!("free {}", mebibytes(bytes))),
        adapter.largest_buffer.map(|bytes| format!("largest buffer {}", mebibytes(bytes))),
        adapter.largest_binding.map(|bytes| format!("largest binding {}", mebibytes(bytes))),
    ];
    format!("device {}: {}", listed.name, facts.into_iter().flatten().collect::<Vec<_>>().join(", "))
}

/// A device of the list as JSON, with `problem` if it cannot be used, and with its self-test if one was run.
fn as_json(listed: &Listed, test: Option<&SelfTest>) -> Value {
    let mut json = json!({ "device": listed.name });
    match &listed.found {
        Ok((_, adapter)) => {
            json["adapter"] = json!(adapter);
            json["free"] = json!(adapter.free);
        }
        Err(problem) => json["problem"] = json!(problem),
    }
    if let Some(test) = test {
        json["self_test"] = test.json();
    }
    json
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn backends() -> Vec<&'static str> {
    let built = [("cpu", true), ("cuda", cfg!(feature = "cuda")), ("wgpu", cfg!(feature = "wgpu"))];
    built.into_iter().filter(|(_, built)| *built).map(|(name, _)| name).collect()
}

#[cfg(target_arch = "x86_64")]
fn instructions() -> Vec<&'static str> {
    let known = [
        ("avx512f", is_x86_feature_detected!("avx512f")),
        ("avx512bf16", is_x86_feature_detected!("avx512bf16")),
        ("avx2", is_x86_feature_detected!("avx2")),
        ("fma", is_x86_feature_detected!("fma")),
    ];
    known.into_iter().filter(|(_, here)| *here).map(|(name, _)| name).collect()
}

#[cfg(not(target_arch = "x86_64"))]
fn instructions() -> Vec<&'static str> {
    vec![std::env::consts::ARCH]
}
