"""Clocks, memory and the one form in which results are written."""

import importlib.metadata
import json
import os
import platform
import time
from pathlib import Path

import torch

PACKAGES = ("torch", "transformers", "peft", "trl", "tokenizers", "pillow")


def now(device: torch.device) -> float:
    """Seconds on a steady clock, when everything asked of the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def since_process_start() -> float:
    """Seconds since this process was started, the interpreter's start and all imports included."""
    after_name = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    started = int(after_name[19]) / os.sysconf("SC_CLK_TCK")  # field 22 of proc_pid_stat(5)
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started


def peak_rss_bytes() -> int:
    """VmHWM: the process's own, unlike getrusage's ru_maxrss, which an exec inherits from the parent."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/self/status has no VmHWM")


def restart_peak_rss() -> int:
    """The peak so far; from here on a new one is kept (proc_pid_clear_refs(5), value 5)."""
    peak = peak_rss_bytes()
    Path("/proc/self/clear_refs").write_text("5")
    return peak


class Peaks:
    """Peak memory of the whole process, and of the work alone after model and data are loaded."""

    def __init__(self) -> None:
        self.loading = restart_peak_rss()

    def report(self) -> dict[str, int]:
        work = peak_rss_bytes()
        peaks = {"peak_rss_bytes": max(self.loading, work), "work_peak_rss_bytes": work}
        if torch.cuda.is_available():
            peaks["peak_device_bytes"] = torch.cuda.max_memory_allocated()
            peaks["peak_device_reserved_bytes"] = torch.cuda.max_memory_reserved()
        return peaks


def environment(arguments: dict) -> dict:
    """What the numbers depend on beside the code."""
    found = {name: version(name) for name in PACKAGES}
    # Folder names say nothing and may be private.
    settings = {name: value for name, value in arguments.items() if not isinstance(value, Path) and name != "json"}
    capability = torch.backends.cpu.get_cpu_capability()
    versions = {"python": platform.python_version(), **found}
    return {"settings": settings, "cpu_capability": capability, "versions": versions}


def version(package: str) -> str | None:
    """None where a package is not installed: a GPU's measurements need no TRL."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def write(path: Path | None, result: dict) -> None:
    text = json.dumps(result, indent=1, allow_nan=False)
    if path is None:
        print(text)
    else:
        path.write_text(text + "\n", encoding="utf-8")
