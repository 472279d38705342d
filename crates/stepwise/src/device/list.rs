//! List of the GPUs and other adapters of this machine.

use burn::tensor::Device;
use stepwise_trainer::device::Adapter;

/// One device of the list.
pub struct Listed {
    /// Name for `--device`, such as `wgpu:0`.
    pub name: String,
    /// Started device with its adapter, or why it cannot be used and what to do.
    pub found: Result<(Device, Adapter), String>,
}

/// Starts and lists the devices of all backends of this program other than the CPU's, CUDA first, in the order of their
/// numbers.
pub fn listed() -> Vec<Listed> {
    #[allow(unused_mut)] // Without a GPU backend, the list stays empty.
    let mut all = Vec::new();
    #[cfg(feature = "cuda")]
    all.extend(numbered("cuda", super::cuda::all().len(), super::cuda::start));
    #[cfg(feature = "wgpu")]
    all.extend(numbered("wgpu", super::wgpu::all().len(), |number| super::wgpu::start(Some(number))));
    all
}

#[cfg(any(feature = "cuda", feature = "wgpu"))]
fn numbered(
    kind: &str,
    count: usize,
    start: impl Fn(usize) -> Result<(Device, Adapter), String>,
) -> impl Iterator<Item = Listed> {
    (0..count).map(move |number| Listed { name: format!("{kind}:{number}"), found: start(number) })
}
