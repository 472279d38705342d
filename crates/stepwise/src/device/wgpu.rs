//! Adapters of wgpu: graphics processors through Vulkan, Metal, DirectX 12 or OpenGL, and software in their place.

use std::sync::{Mutex, PoisonError};

use burn::tensor::wgpu::{WgpuInitError, WgpuSetup, wgpu};
use burn::tensor::{Device, DeviceKind, DeviceType};
use stepwise_trainer::device::{Adapter, caught};

/// Environment variable that names the default adapter.
const DEFAULT: &str = "CUBECL_WGPU_DEFAULT_DEVICE";

/// Adapters that this process has started, with their kind. An adapter can be started only once.
static STARTED: Mutex<Vec<(DeviceKind, Adapter)>> = Mutex::new(Vec::new());

/// Keeps the library of Wayland quiet where there is no desktop: it writes an error to stderr for each search of adapters
/// if this variable is not set. To be called before any thread is started.
#[allow(unsafe_code)]
pub fn prepare() {
    const FOLDER: &str = "XDG_RUNTIME_DIR";
    if cfg!(target_os = "linux") && std::env::var_os(FOLDER).is_none() {
        // SAFETY: no other thread exists that could read the environment.
        unsafe { std::env::set_var(FOLDER, std::env::temp_dir()) };
    }
}

/// Returns the adapters in the order of their numbers. None of them is started.
pub fn all() -> Vec<Device> {
    Device::enumerate(DeviceType::Wgpu).into_vec()
}

/// Whether the default adapter computes in software: none is real, or [`DEFAULT`] names a software adapter.
pub fn only_software() -> bool {
    let adapters = all();
    let software = Device::wgpu(DeviceKind::Cpu);
    let is_named = std::env::var(DEFAULT).is_ok_and(|named| named == "Cpu");
    !adapters.is_empty() && (is_named || adapters.iter().all(|adapter| *adapter == software))
}

/// Starts the adapter with this number, or the default one.
///
/// # Errors
/// When there is no such adapter or it cannot be started; says what to do.
pub fn start(number: Option<usize>) -> Result<(Device, Adapter), String> {
    let device = find(number)?;
    match kind(&device) {
        Some(kind) => started(kind),
        None => unnamed(&device),
    }
}

/// Finds the adapter with this number, or the default one, without starting it.
///
/// # Errors
/// When there is no such adapter; says what to do.
pub fn find(number: Option<usize>) -> Result<Device, String> {
    let adapters = all();
    if adapters.is_empty() {
        return Err("no graphics adapter is on this machine -> install its driver for Vulkan, Metal, DirectX 12 or \
                    OpenGL, or use `--device cpu`"
            .to_owned());
    }
    let Some(number) = number else { return Ok(Device::wgpu(DeviceKind::DefaultDevice)) };
    adapters.get(number).cloned().ok_or_else(|| {
        let count = match adapters.len() {
            1 => "there is 1 adapter, number 0".to_owned(),
            count => format!("there are {count} adapters, numbered from 0"),
        };
        format!("{count} -> choose one of the list of `stepwise doctor`")
    })
}

/// Kind and number by which Burn starts an adapter; None for adapters without a known kind.
fn kind(device: &Device) -> Option<DeviceKind> {
    let numbered =
        (0..64).flat_map(|n| [DeviceKind::DiscreteGpu(n), DeviceKind::IntegratedGpu(n), DeviceKind::VirtualGpu(n)]);
    [DeviceKind::DefaultDevice, DeviceKind::Cpu]
        .into_iter()
        .chain(numbered)
        .find(|kind| Device::wgpu(kind.clone()) == *device)
}

fn started(kind: DeviceKind) -> Result<(Device, Adapter), String> {
    let mut known = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((kind, adapter)) = known.iter().find(|(known, _)| *known == kind) {
        return Ok((Device::wgpu(kind.clone()), adapter.clone()));
    }
    let (device, setup) =
        Device::wgpu_options().device_kind(kind.clone()).init_with_setup().map_err(|error| problem(&error))?;
    let adapter = described(&setup);
    known.push((kind, adapter.clone()));
    Ok((device, adapter))
}

/// Starts an adapter that Burn's options cannot name. Only its name is known.
fn unnamed(device: &Device) -> Result<(Device, Adapter), String> {
    let identity = caught(|| device.identity())
        .map_err(|failure| format!("{failure} -> update the driver of the adapter, or use another device"))?;
    let adapter = Adapter {
        name: identity.map_or_else(String::new, |identity| identity.name),
        kind: "other".to_owned(),
        backend: super::interface("wgpu"),
        driver: None,
        compute_capability: None,
        memory: None,
        free: None,
        largest_buffer: None,
        largest_binding: None,
    };
    Ok((device.clone(), adapter))
}

fn described(setup: &WgpuSetup) -> Adapter {
    let (info, limits) = (setup.adapter.get_info(), setup.device.limits());
    let kind = match info.device_type {
        wgpu::DeviceType::DiscreteGpu => "discrete",
        wgpu::DeviceType::IntegratedGpu => "integrated",
        wgpu::DeviceType::VirtualGpu => "virtual",
        wgpu::DeviceType::Cpu => "software",
        wgpu::DeviceType::Other => "other",
    };
    let driver = [info.driver.as_str(), info.driver_info.as_str()].join(" ").trim().to_owned();
    Adapter {
        name: info.name,
        kind: kind.to_owned(),
        backend: super::interface(setup.backend.to_str()),
        driver: (!driver.is_empty()).then_some(driver),
        compute_capability: None,
        // wgpu does not say how much memory there is.
        memory: None,
        free: None,
        largest_buffer: Some(limits.max_buffer_size),
        largest_binding: Some(limits.max_storage_buffer_binding_size),
    }
}

/// What is wrong with an adapter that cannot be started, and what to do.
fn problem(error: &WgpuInitError) -> String {
    let named = std::env::var(DEFAULT).ok();
    match (error, named) {
        (WgpuInitError::InvalidConfiguration { message }, _) => {
            format!("{message} -> correct the environment variable, or remove it")
        }
        (WgpuInitError::AdapterUnavailable { .. }, Some(named)) => format!(
            "the environment variable {DEFAULT} names {named}, which is not on this machine -> choose an adapter of \
             the list of `stepwise doctor`, by its number as in `wgpu:0`"
        ),
        (WgpuInitError::RequestDevice { message }, _) => {
            let first = message.lines().next().unwrap_or_default();
            format!("the adapter cannot compute: {first} -> update its driver, or use another device")
        }
        _ => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            format!("{first} -> update the driver of the adapter, or use another device")
        }
    }
}
