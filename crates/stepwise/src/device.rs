//! `--device`: where the model lives.

use burn::tensor::Device;

use crate::exit::Failure;

/// The name as written on the command line, and the device.
pub struct Chosen {
    /// `cpu`, `cuda:0`, ...
    pub name: String,
    /// For tensors.
    pub device: Device,
}

/// Takes `cpu`, `cuda[:n]` or `wgpu[:n]`; without a name the best one there is.
pub fn choose(name: Option<&str>) -> Result<Chosen, Failure> {
    let name = name.unwrap_or(best());
    let (kind, index) = match name.split_once(':') {
        None => (name, 0),
        Some((kind, index)) => {
            let index = index.parse::<usize>();
            (kind, index.map_err(|_| Failure::input(format!("--device {name}: a number is expected after the colon")))?)
        }
    };
    let device = match (kind, index) {
        ("cpu", 0) => Device::flex(),
        ("cpu", _) => return Err(Failure::input(format!("--device {name}: there is one cpu, written `cpu`"))),
        #[cfg(feature = "cuda")]
        ("cuda", index) => Device::cuda(index),
        #[cfg(feature = "wgpu")]
        ("wgpu", index) => Device::wgpu(burn::tensor::DeviceKind::DiscreteGpu(index)),
        #[cfg(not(feature = "cuda"))]
        ("cuda", _) => return Err(not_built(name, kind)),
        #[cfg(not(feature = "wgpu"))]
        ("wgpu", _) => return Err(not_built(name, kind)),
        _ => return Err(Failure::input(format!("--device {name}: cpu, cuda[:n] or wgpu[:n] is expected"))),
    };
    Ok(Chosen { name: name.to_owned(), device })
}

#[cfg(not(all(feature = "cuda", feature = "wgpu")))]
fn not_built(name: &str, kind: &str) -> Failure {
    Failure::input(format!("--device {name}: this program was built without it -> build with `--features {kind}`"))
}

/// CUDA where this program has it and the machine has NVIDIA's driver, then wgpu where this program has it, then the CPU.
fn best() -> &'static str {
    let driver = ["/dev/nvidiactl", "/dev/dxg", "C:\\Windows\\System32\\nvcuda.dll"];
    if cfg!(feature = "cuda") && driver.iter().any(|path| std::path::Path::new(path).exists()) {
        "cuda"
    } else if cfg!(feature = "wgpu") {
        "wgpu"
    } else {
        "cpu"
    }
}
