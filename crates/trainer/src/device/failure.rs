//! Failures of the compute device, such as too little memory. Burn and its GPU backends report them as panics, some of
//! them on threads of their own; this module turns them into errors.

use std::cell::RefCell;
use std::fmt;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::{Mutex, Once, PoisonError};

/// A failure of the compute device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceFailure {
    /// What failed.
    pub cause: Cause,
    /// Whether a thread of the device's own failed. Operations that were given to the device before may then be
    /// missing, so that no value on the device can be relied on.
    pub in_background: bool,
}

/// What failed on the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The device has no memory left; with the size of the tensor that did not fit in bytes, if known.
    OutOfMemory(Option<u64>),
    /// A tensor of this size in bytes is larger than the largest buffer of the device.
    TooLarge(u64),
    /// Any other failure, in the words of the backend.
    Other(String),
}

impl DeviceFailure {
    /// Whether smaller tensors would avoid the failure.
    #[must_use]
    pub fn is_of_memory(&self) -> bool {
        !matches!(self.cause, Cause::Other(_))
    }

    /// Finds the cause in the messages of panics: the first one about memory, or else the first.
    fn of(messages: &[String], in_background: bool) -> Self {
        let causes: Vec<Cause> = messages.iter().map(|message| Cause::of(message)).collect();
        let about_memory = causes.iter().find(|cause| !matches!(cause, Cause::Other(_)));
        let cause = about_memory.or(causes.first()).cloned();
        Self { cause: cause.unwrap_or_else(|| Cause::Other("no reason is given".to_owned())), in_background }
    }
}

impl fmt::Display for DeviceFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mebibytes = |bytes: u64| bytes.div_ceil(1 << 20);
        match &self.cause {
            Cause::OutOfMemory(Some(bytes)) => {
                write!(f, "the device ran out of memory: no room for a tensor of {} MiB", mebibytes(*bytes))
            }
            Cause::OutOfMemory(None) => write!(f, "the device ran out of memory"),
            Cause::TooLarge(bytes) => {
                write!(f, "a tensor of {} MiB is larger than the largest buffer of the device", mebibytes(*bytes))
            }
            Cause::Other(words) => write!(f, "the device failed: {words}"),
        }
    }
}

impl std::error::Error for DeviceFailure {}

impl Cause {
    /// Reads the message of a panic. The sizes are those of cubecl's `IoError`.
    fn of(message: &str) -> Self {
        let number_after = |words: &str| {
            let rest = message.split_once(words)?.1;
            let digits = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
            rest[..digits].parse().ok()
        };
        if let Some(bytes) = number_after("can't allocate buffer of size: ") {
            return Self::TooLarge(bytes);
        }
        if let Some(bytes) = number_after("out of device memory allocating ") {
            return Self::OutOfMemory(Some(bytes));
        }
        let lower = message.to_lowercase();
        if ["out of memory", "out_of_memory", "not enough memory"].iter().any(|words| lower.contains(words)) {
            return Self::OutOfMemory(None);
        }
        // The root of a chain of causes comes last, before a backtrace. An error in the debug format has its lines in one,
        // and the words of the backend under `reason`.
        let root = message.rsplit_once("Caused by:").map_or(message, |(_, root)| root);
        let reason = root.split_once("reason: \"").map_or(root, |(_, reason)| reason).trim_start();
        let line = reason.split(['\n', '"']).next().unwrap_or(reason).split("\\n").next().unwrap_or(reason);
        Self::Other(line.trim().to_owned())
    }
}

/// Panics of devices on threads outside [`caught`].
static IN_BACKGROUND: Mutex<Vec<String>> = Mutex::new(Vec::new());

thread_local! {
    /// Panics of devices on this thread in each call of [`caught`] that is under way, the innermost last.
    static HERE: RefCell<Vec<Vec<String>>> = const { RefCell::new(Vec::new()) };
}

/// Runs `work` and turns a panic of the device into an error. Also returns an error when a thread of the device
/// panicked while `work` ran, because results are then missing. Panics of other code go on.
///
/// From the first call on, panics of devices print nothing, unless `RUST_BACKTRACE` is set.
///
/// # Errors
/// When the device failed. Values that `work` changes may then be half-changed.
pub fn caught<T>(work: impl FnOnce() -> T) -> Result<T, DeviceFailure> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panicked| {
            if !recorded(panicked) || std::env::var_os("RUST_BACKTRACE").is_some() {
                before(panicked);
            }
        }));
    });
    HERE.with_borrow_mut(|here| here.push(Vec::new()));
    let outcome = panic::catch_unwind(AssertUnwindSafe(work));
    let here = HERE.with_borrow_mut(Vec::pop).unwrap_or_default();
    let background = std::mem::take(&mut *IN_BACKGROUND.lock().unwrap_or_else(PoisonError::into_inner));
    let is_failure = !background.is_empty() || (outcome.is_err() && !here.is_empty());
    match outcome {
        _ if is_failure => {
            let in_background = !background.is_empty();
            Err(DeviceFailure::of(&[background, here].concat(), in_background))
        }
        Ok(value) => Ok(value),
        Err(payload) => panic::resume_unwind(payload),
    }
}

/// Records a panic if a device caused it, and returns whether it did.
fn recorded(panicked: &PanicHookInfo<'_>) -> bool {
    let message = panicked.payload_as_str().unwrap_or_default();
    let file = panicked.location().map_or("", |location| location.file());
    let is_of_device = is_of_device(file, message);
    if is_of_device {
        let is_here = HERE.with_borrow_mut(|here| here.last_mut().map(|last| last.push(message.to_owned())).is_some());
        if !is_here {
            IN_BACKGROUND.lock().unwrap_or_else(PoisonError::into_inner).push(message.to_owned());
        }
    }
    is_of_device
}

/// Crates of the GPU backends, as the start of the name of their source folder.
const BACKENDS: [&str; 8] =
    ["burn-cubecl-", "burn-cuda-", "burn-wgpu-", "cubecl-", "cubek-", "cudarc-", "naga-", "wgpu-"];

/// Starts of the messages with which Burn panics in the code that reads a tensor.
const READS: [&str; 2] = ["Error while reading data", "Failed to read tensor data"];

/// Whether a panic in the source `file` is a failure of a device.
fn is_of_device(file: &str, message: &str) -> bool {
    let in_backend = file.split(['/', '\\']).any(|name| BACKENDS.iter().any(|start| name.starts_with(start)));
    in_backend || READS.iter().any(|start| message.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: &str = "Error while reading data: use `try_into_data` instead to catch the error at runtime: \
        WithContext { reason: \"REASON\\n   0: backtrace\" }";

    #[test]
    fn a_failed_read_is_an_error_with_its_cause() {
        for (reason, cause) in [
            ("can't allocate buffer of size: 1022441504", Cause::TooLarge(1_022_441_504)),
            ("out of device memory allocating 4096 bytes", Cause::OutOfMemory(Some(4096))),
            ("CUDA_ERROR_OUT_OF_MEMORY", Cause::OutOfMemory(None)),
            ("the kernel cannot be compiled", Cause::Other("the kernel cannot be compiled".to_owned())),
        ] {
            let failed = caught(|| -> u8 { panic!("{}", READ.replace("REASON", reason)) });
            assert_eq!(failed, Err(DeviceFailure { cause, in_background: false }));
        }
        assert_eq!(caught(|| 3), Ok(3));
        let chain = "Error while reading data: x: An error happened during execution\nCaused by:\n  Several failures at \
            once\nCaused by:\n  the kernel cannot be compiled\nNo backtrace available\nAsked at:\n";
        let failed = caught(|| -> u8 { panic!("{chain}") });
        assert_eq!(
            failed.map_err(|failure| failure.cause),
            Err(Cause::Other("the kernel cannot be compiled".to_owned()))
        );
    }

    #[test]
    fn a_failure_inside_of_another_call_stays_there() {
        let outer = caught(|| caught(|| -> u8 { panic!("{READ}") }).is_err());
        assert_eq!(outer, Ok(true));
    }

    #[test]
    fn panics_of_other_code_go_on() {
        let outcome = panic::catch_unwind(|| caught(|| -> u8 { panic!("an index is wrong") }));
        let payload = outcome.expect_err("a panic");
        assert_eq!(payload.downcast_ref::<&str>(), Some(&"an index is wrong"));
    }

    #[test]
    fn panics_of_backends_are_known_by_their_source_file() {
        let registry = "/home/a/.cargo/registry/src/index/";
        for (file, is_of_backend) in [
            ("cubecl-common-0.11.3/src/device/handle/channel.rs", true),
            ("wgpu-hal-30.0.1/src/vulkan/device.rs", true),
            ("cudarc-0.19.10/src/lib.rs", true),
            ("burn-flex-0.22.1/src/ops.rs", false),
            ("stepwise/tests/cli/wgpu.rs", false),
        ] {
            assert_eq!(is_of_device(&format!("{registry}{file}"), "x"), is_of_backend, "{file}");
            assert_eq!(is_of_device(&format!("{registry}{file}").replace('/', "\\"), "x"), is_of_backend, "{file}");
        }
    }

    #[test]
    fn sizes_are_shown_in_mebibytes() {
        let text = |cause| DeviceFailure { cause, in_background: false }.to_string();
        assert_eq!(
            text(Cause::TooLarge(1_022_441_504)),
            "a tensor of 976 MiB is larger than the largest buffer of the device"
        );
        assert_eq!(text(Cause::OutOfMemory(Some(1))), "the device ran out of memory: no room for a tensor of 1 MiB");
        assert_eq!(text(Cause::Other("it is lost".to_owned())), "the device failed: it is lost");
    }
}
