//! The option `--device`: choice of the device that holds the model.

use burn::tensor::Device;

use crate::exit::Failure;

/// A device and its name.
pub struct ChosenDevice {
    /// Name as written on the command line, such as `cpu` or `cuda:0`, or the name of the default device.
    pub name: String,
    /// Device on which tensors are made.
    pub device: Device,
}

/// Selects the device called `cpu`, `cuda[:n]` or `wgpu[:n]`, where `n` is the number of the device from 0 (0 without a
/// number). None selects CUDA if it is built in and the machine has NVIDIA's driver, else wgpu if it is built in, else
/// the CPU. The device is not started.
///
/// # Errors
///
/// [`Failure::Input`] for an unknown name, an invalid number, or a backend that this program was built without.
pub fn choose(name: Option<&str>) -> Result<ChosenDevice, Failure> {
    let name = name.unwrap_or(best());
    let (kind, index) = match name.split_once(':') {
        None => (name, 0),
        Some((kind, index)) => {
            let index = index.parse::<usize>();
            (
                kind,
                index.map_err(|_| {
                    Failure::input(format!("--device {name}: a device number is expected after the colon"))
                })?,
            )
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
    Ok(ChosenDevice { name: name.to_owned(), device })
}

#[cfg(not(all(feature = "cuda", feature = "wgpu")))]
fn not_built(name: &str, kind: &str) -> Failure {
    Failure::input(format!(
        "--device {name}: this program was built without this backend -> build with `--features {kind}`"
    ))
}

/// Name of the default device: CUDA if it is built in and the machine has NVIDIA's driver, else wgpu if it is built in,
/// else the CPU.
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
