"""What the numbers depend on beside the code."""

import os
import platform
import re
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]


def here(threads: int) -> dict:
    cpu = Path("/proc/cpuinfo").read_text()
    flags = set(re.search(r"^flags\s*:(.*)$", cpu, re.MULTILINE)[1].split()) if "flags" in cpu else set()
    wanted = ("avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16")
    return {
        "cpu": (re.search(r"^model name\s*:\s*(.*)$", cpu, re.MULTILINE) or ["", platform.processor()])[1],
        "logical_cpus": os.cpu_count(),
        "instructions": [name for name in wanted if name in flags],
        "threads_of_each_side": threads,
        "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20,
        "system": f"{platform.system()} {platform.release()}",
        "ours": {"commit": commit(), "burn": locked("burn"), "rust": output(["rustc", "--version"])},
    }


def commit() -> str:
    """With a mark where the checkout is not what was committed."""
    changed = output(["git", "-C", str(REPOSITORY), "status", "--porcelain", "--untracked-files=no"])
    return output(["git", "-C", str(REPOSITORY), "rev-parse", "HEAD"]) + (" and changes" if changed else "")


def locked(package: str) -> str:
    lock = (REPOSITORY / "Cargo.lock").read_text()
    return re.search(rf'name = "{re.escape(package)}"\nversion = "([^"]+)"', lock)[1]


def output(command: list[str]) -> str:
    """Empty where the program is absent or fails."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
