//! `environment.json`: program versions, hardware, seeds and digests of a run, recorded so that it can be repeated. The
//! file contains no host name, user name or home folder.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use stepwise_data::io::atomic::write_atomic;

use crate::device::Adapter;

/// Content of `environment.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// Version of Stepwise.
    pub stepwise: String,
    /// Name and version of the tensor library.
    pub engine: String,
    /// Operating system, for example `linux`.
    pub os: String,
    /// Processor architecture, for example `x86_64`.
    pub architecture: String,
    /// Model name of the processor; None if the system does not provide it.
    pub cpu: Option<String>,
    /// Instruction sets of the processor that decide which kernels run; empty on processors other than x86-64. They
    /// affect the last bits of results.
    pub cpu_features: Vec<String>,
    /// Number of threads that can run in parallel.
    pub threads: usize,
    /// Compute device, for example `cpu` or `cuda:0`.
    pub device: String,
    /// Adapter behind the device; None for the CPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adapter: Option<Adapter>,
    /// Seeds by name.
    pub seeds: BTreeMap<String, u64>,
    /// Digests of the inputs by name, for example prompts and recipe.
    pub digests: BTreeMap<String, String>,
    /// Command-line arguments. The program is given without its folder, and the home folder is replaced by `~`.
    pub command_line: Vec<String>,
}

impl Environment {
    /// Describes this machine and process. `engine` is the tensor library with its version, `device` the chosen device
    /// with its adapter; `seeds` and `digests` are recorded as given, by name.
    #[must_use]
    pub fn here(
        engine: &str,
        device: (&str, Option<&Adapter>),
        seeds: BTreeMap<String, u64>,
        digests: BTreeMap<String, String>,
    ) -> Self {
        let arguments = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect();
        Self {
            stepwise: env!("CARGO_PKG_VERSION").into(),
            engine: engine.into(),
            os: std::env::consts::OS.into(),
            architecture: std::env::consts::ARCH.into(),
            cpu: fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| model_name(&text)),
            cpu_features: cpu_features(),
            threads: std::thread::available_parallelism().map_or(1, Into::into),
            device: device.0.into(),
            adapter: device.1.cloned(),
            seeds,
            digests,
            command_line: anonymous(arguments, std::env::home_dir().as_deref()),
        }
    }

    /// Writes the description as JSON to `path`, atomically. The folder must exist.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut json = serde_json::to_vec_pretty(self)?;
        json.push(b'\n');
        write_atomic(path, &json)
    }
}

/// Reads the peak resident memory of this process in MiB from Linux's `/proc`. None on other systems.
#[must_use]
pub fn peak_memory_mib() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok().map(|kibibytes| kibibytes / 1024.0)
}

/// Model name of the first processor in the text of Linux's `/proc/cpuinfo`.
fn model_name(cpuinfo: &str) -> Option<String> {
    let (_, name) = cpuinfo.lines().find(|line| line.starts_with("model name"))?.split_once(':')?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

#[cfg(target_arch = "x86_64")]
fn cpu_features() -> Vec<String> {
    let present = [
        ("avx2", std::arch::is_x86_feature_detected!("avx2")),
        ("fma", std::arch::is_x86_feature_detected!("fma")),
        ("avx512f", std::arch::is_x86_feature_detected!("avx512f")),
        ("avx512bf16", std::arch::is_x86_feature_detected!("avx512bf16")),
    ];
    present.into_iter().filter(|(_, present)| *present).map(|(name, _)| name.to_owned()).collect()
}

#[cfg(not(target_arch = "x86_64"))]
fn cpu_features() -> Vec<String> {
    Vec::new()
}

/// The arguments without the program's folder and the home folder.
fn anonymous(mut arguments: Vec<String>, home: Option<&Path>) -> Vec<String> {
    if let Some(program) = arguments.first_mut() {
        *program =
            Path::new(&*program).file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    }
    // With an empty home or `/`, every slash would be replaced.
    let home = home.map(|home| home.to_string_lossy().into_owned()).filter(|home| home.len() > 1);
    if let Some(home) = home {
        for argument in &mut arguments {
            *argument = argument.replace(&home, "~");
        }
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recorded_command_line_hides_the_home_folder() {
        let arguments =
            ["/home/ada/.cargo/bin/stepwise", "train", "/home/ada/r.toml", "--set", "output_dir=/home/ada/x"];
        let arguments: Vec<String> = arguments.map(str::to_owned).into();
        let expected = ["stepwise", "train", "~/r.toml", "--set", "output_dir=~/x"];
        assert_eq!(anonymous(arguments.clone(), Some(Path::new("/home/ada"))), expected);
        assert_eq!(anonymous(arguments, Some(Path::new("/")))[2], "/home/ada/r.toml");
    }

    #[test]
    fn the_processor_is_named_if_the_system_reports_it() {
        let text = "processor\t: 0\nmodel name\t: AMD EPYC 9R14 96-Core: rev 1\nflags\t: fpu\n";
        assert_eq!(model_name(text).as_deref(), Some("AMD EPYC 9R14 96-Core: rev 1"));
        assert_eq!(model_name("processor : 0\n"), None);
        assert_eq!(model_name("model name :\n"), None);
    }

    #[test]
    fn the_file_holds_no_host_and_no_user() {
        let folder = tempfile::tempdir().expect("writable");
        let path = folder.path().join("environment.json");
        let seeds = BTreeMap::from([("run".to_owned(), 42)]);
        let digests = BTreeMap::from([("cases".to_owned(), "ab".to_owned())]);
        let adapter = Adapter {
            name: "a GPU".to_owned(),
            kind: "discrete".to_owned(),
            backend: "vulkan".to_owned(),
            driver: Some("mesa 22".to_owned()),
            compute_capability: None,
            memory: None,
            free: None,
            largest_buffer: Some(1 << 30),
            largest_binding: Some(1 << 27),
        };
        let environment = Environment::here("burn 0", ("wgpu", Some(&adapter)), seeds, digests);
        environment.write(&path).expect("writable");
        let json: serde_json::Value = serde_json::from_slice(&fs::read(&path).expect("there")).expect("JSON");
        assert_eq!((&json["device"], &json["seeds"]["run"]), (&"wgpu".into(), &42.into()));
        assert_eq!((&json["adapter"]["name"], &json["adapter"]["driver"]), (&"a GPU".into(), &"mesa 22".into()));
        let on_cpu = Environment::here("burn 0", ("cpu", None), BTreeMap::new(), BTreeMap::new());
        assert!(serde_json::to_value(on_cpu).expect("JSON").get("adapter").is_none());
        let text = json.to_string();
        for variable in ["USER", "HOSTNAME", "HOME"] {
            // A short value (`a`, `/`) may occur in any text by chance.
            if let Some(value) = std::env::var(variable).ok().filter(|value| value.len() > 4) {
                assert!(!text.contains(&value), "{variable} is in {text}");
            }
        }
        assert_eq!(serde_json::from_value::<Environment>(json).expect("reads back"), environment);
    }
}
