//! NVIDIA's devices through CUDA.

use std::fs;
use std::path::Path;

use burn::tensor::{Device, DeviceType};
use cudarc::driver::{CudaContext, DriverError};
use stepwise_trainer::device::{Adapter, caught};

use super::libdevice;

/// Files that exist where NVIDIA's driver is installed: on Linux, in WSL, on Windows.
const DRIVERS: [&str; 3] = ["/dev/nvidiactl", "/dev/dxg", "C:\\Windows\\System32\\nvcuda.dll"];

/// Returns the CUDA devices in the order of their numbers; empty without NVIDIA's driver.
pub fn all() -> Vec<Device> {
    Device::enumerate(DeviceType::Cuda).into_vec()
}

/// Finds the device with this number, without starting it.
///
/// # Errors
/// When the driver, the device or a file of the CUDA toolkit is missing; says what to do.
pub fn find(number: usize) -> Result<Device, String> {
    let devices = all();
    if devices.is_empty() {
        let problem = match DRIVERS.iter().any(|path| Path::new(path).exists()) {
            true => "NVIDIA's driver lists no device -> check it with `nvidia-smi`, and CUDA_VISIBLE_DEVICES",
            false => "NVIDIA's driver is not on this machine -> install it",
        };
        return Err(format!("{problem}, or use `--device cpu`"));
    }
    let Some(device) = devices.get(number) else {
        let count = match devices.len() {
            1 => "there is 1 CUDA device, number 0".to_owned(),
            count => format!("there are {count} CUDA devices, numbered from 0"),
        };
        return Err(format!("{count} -> choose one of the list of `stepwise doctor`"));
    };
    libdevice::check()?;
    Ok(device.clone())
}

/// Starts the device with this number.
///
/// # Errors
/// When it is missing or cannot be used; says what to do.
pub fn start(number: usize) -> Result<(Device, Adapter), String> {
    let device = find(number)?;
    let adapter = described(number).map_err(|error| {
        format!("the device cannot be used: {error} -> check it with `nvidia-smi`, or use another device")
    })?;
    caught(|| device.sync())
        .map_err(|failure| failure.to_string())
        .and_then(|synchronised| synchronised.map_err(|error| error.to_string()))
        .map_err(|problem| format!("{problem} -> check the device with `nvidia-smi`, or use another device"))?;
    Ok((device, adapter))
}

fn described(number: usize) -> Result<Adapter, DriverError> {
    let context = CudaContext::new(number)?;
    let (free, memory) = context.mem_get_info()?;
    let (major, minor) = context.compute_capability()?;
    Ok(Adapter {
        name: context.name()?,
        kind: "discrete".to_owned(),
        backend: super::interface("cuda"),
        driver: fs::read_to_string("/proc/driver/nvidia/version").ok().and_then(|text| driver_version(&text)),
        compute_capability: Some(format!("{major}.{minor}")),
        memory: Some(memory as u64),
        free: Some(free as u64),
        // cubecl reserves at most a quarter of the memory in one piece.
        largest_buffer: Some(memory as u64 / 4),
        largest_binding: None,
    })
}

/// Version of the driver in the text of Linux's `/proc/driver/nvidia/version`.
fn driver_version(text: &str) -> Option<String> {
    let is_version = |word: &&str| word.starts_with(|letter: char| letter.is_ascii_digit()) && word.contains('.');
    text.lines().next()?.split_whitespace().find(is_version).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_the_driver_is_found_in_both_forms() {
        let closed =
            "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024\nGCC 12.3";
        let open = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  Release Build\n";
        assert_eq!(driver_version(closed).as_deref(), Some("550.54.15"));
        assert_eq!(driver_version(open).as_deref(), Some("570.86.15"));
        assert_eq!(driver_version(""), None);
    }
}
