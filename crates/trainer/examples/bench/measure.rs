//! Measurement of time and memory, and output of the results.

use std::fs;
use std::time::Instant;

use burn::tensor::Device;
use serde_json::{Map, Value, json};
use stepwise_vlm::Precision;
use stepwise_vlm::adapter::load_adapter;
use stepwise_vlm::feature_cache::FeatureLimits;
use stepwise_vlm::pipeline::VlmPipeline;

use crate::{Common, Failure};

/// Runs a measurement with the requested number of threads and writes its result.
pub fn run(
    common: &Common,
    measurement: impl FnOnce(&Common) -> Result<Map<String, Value>, Failure>,
) -> Result<(), Failure> {
    rayon::ThreadPoolBuilder::new().num_threads(common.threads).build_global()?;
    let mut result = measurement(common)?;
    let settings = result.entry("settings").or_insert_with(|| json!({}));
    settings["threads"] = common.threads.into();
    settings["warmup"] = common.warmup.into();
    settings["dtype"] = common.dtype.clone().into();
    settings["device"] = common.device.clone().into();
    result.insert("versions".into(), json!({ "stepwise": env!("CARGO_PKG_VERSION") }));
    let text = serde_json::to_string_pretty(&result)?;
    match &common.json {
        Some(path) => fs::write(path, text + "\n")?,
        None => println!("{text}"),
    }
    Ok(())
}

/// The model of the work folder with its trainable adapter.
pub fn adapted(common: &Common) -> Result<VlmPipeline, Failure> {
    let precision = match common.dtype.as_str() {
        "bfloat16" => Precision::Bf16,
        "nf4" => Precision::Nf4 { double_quant: true, bf16: true },
        _ => Precision::F32,
    };
    let mut pipeline = VlmPipeline::load_in(precision, &common.work.join("model"), &common.device()?)?;
    load_adapter(&mut pipeline.model, &common.work.join("adapter"))?;
    pipeline.refresh();
    Ok(pipeline)
}

/// Switches the feature cache off.
pub fn forgetful(pipeline: &mut VlmPipeline) {
    pipeline.remember(&FeatureLimits { memory_bytes: 0, folder: None, disk_bytes: 0 });
}

/// Seconds since `from`.
pub fn since(from: Instant) -> f64 {
    from.elapsed().as_secs_f64()
}

/// Seconds since this process was started (Linux; field 22 of proc_pid_stat(5), in hundredths of a second).
pub fn since_process_start() -> Result<f64, Failure> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit_once(')').ok_or("no name in /proc/self/stat")?.1;
    let started: f64 = after_name.split_whitespace().nth(19).ok_or("no start in /proc/self/stat")?.parse()?;
    let uptime = fs::read_to_string("/proc/uptime")?;
    let now: f64 = uptime.split_whitespace().next().ok_or("no time in /proc/uptime")?.parse()?;
    Ok(now - started / 100.0)
}

/// Waits until the device has done all the work that it was given.
pub fn finish(device: &Device) -> Result<(), Failure> {
    device.sync().map_err(|error| format!("{error:?}").into())
}

/// Peak memory of the whole process, of the measured work after loading, and of the device.
pub struct Peaks {
    loading: u64,
}

impl Peaks {
    /// Resets the peak of the process (Linux; proc_pid_clear_refs(5), value 5).
    pub fn restart() -> Result<Self, Failure> {
        let loading = peak_rss_bytes()?;
        fs::write("/proc/self/clear_refs", "5")?;
        Ok(Self { loading })
    }

    /// Adds the peaks to a result.
    pub fn report(&self, result: &mut Map<String, Value>, device: &Device) -> Result<(), Failure> {
        let work = peak_rss_bytes()?;
        result.insert("peak_rss_bytes".into(), self.loading.max(work).into());
        result.insert("work_peak_rss_bytes".into(), work.into());
        // The allocator of a device returns nothing to the driver, so that its last size is its largest.
        if let Some(usage) = device.memory_pool_usage() {
            result.insert("device_bytes_in_use".into(), usage.bytes_in_use.into());
            result.insert("peak_device_reserved_bytes".into(), usage.bytes_reserved.into());
        }
        Ok(())
    }
}

fn peak_rss_bytes() -> Result<u64, Failure> {
    let mebibytes = stepwise_trainer::environment::peak_memory_mib().ok_or("no VmHWM in /proc/self/status")?;
    Ok((mebibytes * f64::from(1 << 20)) as u64)
}
