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

/// Takes `cpu`, `cuda[:n]` or `wgpu[:n]`; without a name the best one this program was built with.
pub fn choose(name: Option<&str>) -> Result<Chosen, Failure> {
    let name = name.unwrap_or(BEST);
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
        ("cuda" | "wgpu", _) => {
            let problem =
                format!("--device {name}: this program was built without it -> build with `--features {kind}`");
            return Err(Failure::input(problem));
        }
        _ => return Err(Failure::input(format!("--device {name}: cpu, cuda[:n] or wgpu[:n] is expected"))),
    };
    Ok(Chosen { name: name.to_owned(), device })
}

#[cfg(feature = "cuda")]
const BEST: &str = "cuda";
#[cfg(all(feature = "wgpu", not(feature = "cuda")))]
const BEST: &str = "wgpu";
#[cfg(not(any(feature = "cuda", feature = "wgpu")))]
const BEST: &str = "cpu";
