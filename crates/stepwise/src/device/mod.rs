//! The option `--device`: choice of the device that holds the model.

#[cfg(feature = "cuda")]
mod cuda;
#[cfg(any(feature = "cuda", test))]
mod libdevice;
mod list;
mod self_test;
#[cfg(feature = "wgpu")]
mod wgpu;

use burn::tensor::Device;
use stepwise_trainer::device::Adapter;

use crate::exit::Failure;

pub use list::{Listed, listed};
pub use self_test::SelfTest;

/// Prepares this process for the search for devices. To be called before any thread is started.
pub fn prepare() {
    #[cfg(feature = "wgpu")]
    wgpu::prepare();
}

/// A started device and its name.
pub struct ChosenDevice {
    /// Name as written on the command line, such as `cpu` or `cuda:0`, or the name of the default device.
    pub name: String,
    /// Device on which tensors are made.
    pub device: Device,
    /// Adapter behind the device; None for the CPU.
    pub adapter: Option<Adapter>,
}

impl ChosenDevice {
    /// Kind of the device, the same for devices that round alike: backend, name and driver of the adapter.
    pub fn kind(&self) -> String {
        let backend = self.name.split(':').next().unwrap_or_default();
        let adapter = self.adapter.iter().flat_map(|adapter| {
            [Some(&adapter.backend), Some(&adapter.name), adapter.driver.as_ref()].into_iter().flatten()
        });
        std::iter::once(backend).chain(adapter.map(String::as_str)).collect::<Vec<_>>().join(" ")
    }
}

/// What `--device` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Cpu,
    /// CUDA device with this number, from 0.
    Cuda(usize),
    /// Adapter with this number, from 0, in the order of the list of adapters; None for the default adapter.
    Wgpu(Option<usize>),
}

/// Selects and starts the device called `cpu`, `cuda[:n]` or `wgpu[:n]`, where `n` is its number, from 0, in the list of
/// `stepwise doctor`. `cuda` is `cuda:0`, and `wgpu` the adapter that wgpu prefers or that the environment variable
/// `CUBECL_WGPU_DEFAULT_DEVICE` names. Without a name it selects CUDA if it is built in and usable, else wgpu if it is
/// built in and has an adapter that is no software, else the CPU; a program with a GPU backend prints this choice.
///
/// # Errors
///
/// [`Failure::Input`] for an unknown name, an invalid number, a backend that this program was built without, or a device
/// that cannot be used, with what is missing.
pub fn choose(name: Option<&str>) -> Result<ChosenDevice, Failure> {
    let chosen = match name {
        None => best(),
        Some(name) => start(name, parse(name)?)
            .and_then(tested_if_fused)
            .map_err(|problem| Failure::input(format!("--device {name}: {problem}")))?,
    };
    detail!("device: {}", chosen.name);
    Ok(chosen)
}

/// Compares a training step on a GPU with the CPU if the program fuses kernels. Fusion writes new kernels for the operations of
/// each program, and wrong values are reported of it (for example <https://github.com/tracel-ai/burn/issues/5257>).
fn tested_if_fused(chosen: ChosenDevice) -> Result<ChosenDevice, String> {
    let is_fused = cfg!(feature = "fusion") && chosen.adapter.is_some();
    match is_fused.then(|| SelfTest::run(&chosen.name, &chosen.device).problem()).flatten() {
        Some(problem) => Err(format!("{problem} where kernels are fused -> build without the feature `fusion`")),
        None => Ok(chosen),
    }
}

/// Name of a programming interface, with the fusion of kernels if this program has it, because both decide how values are
/// rounded.
#[cfg(any(feature = "cuda", feature = "wgpu"))]
fn interface(name: &str) -> String {
    if cfg!(feature = "fusion") { format!("{name} with fusion") } else { name.to_owned() }
}

/// Checks that there is a device with this name, without starting it; None is always right.
///
/// # Errors
///
/// The same as those of [`choose`], except for a device that is there and cannot be started.
pub fn check(name: Option<&str>) -> Result<(), Failure> {
    let Some(name) = name else { return Ok(()) };
    let found: Result<(), String> = match parse(name)? {
        #[cfg(feature = "cuda")]
        Wanted::Cuda(number) => cuda::find(number).map(drop),
        #[cfg(feature = "wgpu")]
        Wanted::Wgpu(number) => wgpu::find(number).map(drop),
        _ => Ok(()),
    };
    found.map_err(|problem| Failure::input(format!("--device {name}: {problem}")))
}

/// Reads the name of a device.
fn parse(name: &str) -> Result<Wanted, Failure> {
    let failed = |problem: &str| Failure::input(format!("--device {name}: {problem}"));
    let (kind, number) = name.split_once(':').map_or((name, None), |(kind, number)| (kind, Some(number)));
    if !["cpu", "cuda", "wgpu"].contains(&kind) {
        return Err(failed("there is no such device -> write `cpu`, `cuda`, `cuda:N`, `wgpu` or `wgpu:N`"));
    }
    if kind == "cpu" && number.is_some_and(|number| number != "0") {
        return Err(failed("the CPU has no number -> write `cpu`"));
    }
    let number = number.map(str::parse::<usize>).transpose().map_err(|_| {
        failed(&format!(
            "{:?} is not the number of a device -> write a whole number, as in `{kind}:0`",
            number.unwrap_or_default()
        ))
    })?;
    let left_out = [("cuda", !cfg!(feature = "cuda")), ("wgpu", !cfg!(feature = "wgpu"))];
    if left_out.contains(&(kind, true)) {
        return Err(failed(&format!(
            "this program was built without this backend -> use `--device cpu`, or build with `--features {kind}`"
        )));
    }
    Ok(match kind {
        "cuda" => Wanted::Cuda(number.unwrap_or(0)),
        "wgpu" => Wanted::Wgpu(number),
        _ => Wanted::Cpu,
    })
}

/// Starts a device. An error says what is missing and what to do, without the name of the device.
fn start(name: &str, wanted: Wanted) -> Result<ChosenDevice, String> {
    let name = name.to_owned();
    match wanted {
        #[cfg(feature = "cuda")]
        Wanted::Cuda(number) => {
            cuda::start(number).map(|(device, adapter)| ChosenDevice { name, device, adapter: Some(adapter) })
        }
        #[cfg(feature = "wgpu")]
        Wanted::Wgpu(number) => {
            wgpu::start(number).map(|(device, adapter)| ChosenDevice { name, device, adapter: Some(adapter) })
        }
        _ => Ok(ChosenDevice { name, device: Device::flex(), adapter: None }),
    }
}

fn cpu() -> ChosenDevice {
    ChosenDevice { name: "cpu".to_owned(), device: Device::flex(), adapter: None }
}

/// Starts the default device, and prints which one it is if this program has a GPU backend.
fn best() -> ChosenDevice {
    let mut unusable = Vec::new();
    for (name, wanted) in [("cuda", Wanted::Cuda(0)), ("wgpu", Wanted::Wgpu(None))] {
        if parse(name).is_err() {
            continue;
        }
        match only_software(wanted).map_or_else(|| start(name, wanted), Err).and_then(tested_if_fused) {
            Ok(chosen) => {
                if let Some(adapter) = &chosen.adapter {
                    tell!("device  {name}: {} ({})", adapter.name, adapter.backend);
                }
                return chosen;
            }
            Err(problem) => {
                // Advice is for those who ask for the device.
                let problem = problem.split(" -> ").next().unwrap_or_default().to_owned();
                unusable.push(format!("{name}: {problem}"));
            }
        }
    }
    if !unusable.is_empty() {
        tell!("device  cpu ({})", unusable.join("; "));
    }
    cpu()
}

/// Says so if wgpu would compute in software only, which is slower than the CPU backend.
fn only_software(wanted: Wanted) -> Option<String> {
    #[cfg(feature = "wgpu")]
    if wanted == Wanted::Wgpu(None) && wgpu::only_software() {
        return Some("its adapters compute in software".to_owned());
    }
    let _ = wanted;
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_a_backend_and_a_number() {
        let parsed = |name| parse(name).map_err(|failure| matches!(failure, Failure::Input(_)));
        assert_eq!(parsed("cpu"), Ok(Wanted::Cpu));
        assert_eq!(parsed("cpu:0"), Ok(Wanted::Cpu));
        for name in ["cpu:1", "tpu", "cuda:x", "wgpu:-1", "wgpu:", ""] {
            assert_eq!(parsed(name), Err(true), "{name}");
        }
        #[cfg(feature = "wgpu")]
        assert_eq!(
            ["wgpu", "wgpu:0", "wgpu:12"].map(parsed),
            [Ok(Wanted::Wgpu(None)), Ok(Wanted::Wgpu(Some(0))), Ok(Wanted::Wgpu(Some(12)))]
        );
        #[cfg(not(feature = "wgpu"))]
        assert_eq!(parsed("wgpu"), Err(true));
    }
}
