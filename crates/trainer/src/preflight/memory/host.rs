//! Memory of this process and of the machine.

use std::fs;

/// Resident memory of this process in bytes; 0 if the system does not provide it.
pub fn held() -> u64 {
    kibibytes("/proc/self/status", "VmRSS:").unwrap_or(0) * 1024
}

/// Returns the number of bytes of memory that this process can still get: the minimum over the machine, the control
/// group, and the process limit (`ulimit -v`). None if the system provides none of them, as outside Linux.
pub fn available() -> Option<u64> {
    let machine = kibibytes("/proc/meminfo", "MemAvailable:").map(|kibibytes| kibibytes * 1024);
    let number = |path: &str| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let group = number("/sys/fs/cgroup/memory.max")
        .zip(number("/sys/fs/cgroup/memory.current"))
        .map(|(most, now)| most.saturating_sub(now));
    let own = address_space()
        .zip(kibibytes("/proc/self/status", "VmSize:"))
        .map(|(most, now)| most.saturating_sub(now * 1024));
    machine.into_iter().chain(group).chain(own).min()
}

/// Limit of this process's address space in bytes; None if it is unlimited.
fn address_space() -> Option<u64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max address space"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn kibibytes(path: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}
