//! Compute device of a run: facts about its adapter, its memory in use, and its failures.

mod failure;
mod remedy;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

pub use failure::{Cause, DeviceFailure, caught};
pub use remedy::{remedy, training_remedy};

/// Adapter behind a device other than the CPU. Its model and driver affect the last bits of results.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adapter {
    /// Name of the model, for example `NVIDIA H200`.
    pub name: String,
    /// Kind: `discrete`, `integrated`, `virtual`, `software` or `other`.
    pub kind: String,
    /// Programming interface: `cuda`, or the one that wgpu uses, such as `vulkan`, `metal`, `dx12` or `gl`.
    pub backend: String,
    /// Name and version of the driver; None if the system does not provide them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// Compute capability of a CUDA device, such as `9.0`; None with other backends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compute_capability: Option<String>,
    /// Memory of the device in bytes; None if the backend does not provide it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Memory in bytes that was free when this program began to use the device; None if the backend does not provide it.
    #[serde(skip)]
    pub free: Option<u64>,
    /// Largest buffer in bytes; None if the backend states no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub largest_buffer: Option<u64>,
    /// Largest part of a buffer that one kernel can read, in bytes; None if the backend states no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub largest_binding: Option<u64>,
}

impl Adapter {
    /// Names a device by its name on the command line and its adapter, as `cuda:0 (NVIDIA H200)`; without an adapter, as
    /// the CPU, by its name alone.
    #[must_use]
    pub fn label(device: &str, adapter: Option<&Self>) -> String {
        adapter.map_or_else(|| device.to_owned(), |adapter| format!("{device} ({})", adapter.name))
    }
}

/// Memory of a device in MiB that this process holds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeviceMemory {
    /// Memory that the backend has reserved. Freed tensors stay reserved for later ones, so this rarely falls.
    pub reserved: f64,
    /// Memory of the tensors that exist now.
    pub in_use: f64,
}

impl DeviceMemory {
    /// Reads the memory in use on `device`; None on the CPU.
    #[must_use]
    pub fn of(device: &Device) -> Option<Self> {
        let usage = device.memory_pool_usage()?;
        let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        Some(Self { reserved: mebibytes(usage.bytes_reserved), in_use: mebibytes(usage.bytes_in_use) })
    }
}
