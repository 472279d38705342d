"""A program run as a child process, with its time, its memory and the lines that it writes."""

import contextlib
import dataclasses
import os
import subprocess
import threading
import time
from pathlib import Path


@dataclasses.dataclass
class Child:
    """What a run took.

    `peak_mib` is the kernel's high-water mark of resident memory. `longest_silence` is the longest time, in seconds,
    without a line on standard error: from the start, between two lines, and to the end.
    """

    status: int
    seconds: float
    processor_seconds: float
    peak_mib: float
    longest_silence: float
    lines: list[str]
    output: str


def run(command, folder=None):
    """Runs a command to its end, in `folder` or the current one. Standard output and error are no terminals."""
    began = time.monotonic()
    child = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    spoken, lines, output = [began], [], []

    def listen():
        for line in child.stderr:
            spoken.append(time.monotonic())
            lines.append(line.rstrip("\n"))

    readers = [threading.Thread(target=listen), threading.Thread(target=lambda: output.append(child.stdout.read()))]
    for reader in readers:
        reader.start()
    peak = 0
    while True:
        # The peak of the program alone: `ru_maxrss` would hold that of this process before the program is loaded.
        with contextlib.suppress(OSError):
            status = Path(f"/proc/{child.pid}/status").read_text()
            peak = max([peak] + [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")])
        ended, status, usage = os.wait4(child.pid, os.WNOHANG)
        if ended:
            break
        time.sleep(0.05)
    spoken.append(time.monotonic())
    child.returncode = os.waitstatus_to_exitcode(status)
    for reader in readers:
        reader.join()
    return Child(
        status=child.returncode,
        seconds=spoken[-1] - began,
        processor_seconds=usage.ru_utime + usage.ru_stime,
        peak_mib=peak / 1024,
        longest_silence=max(later - earlier for earlier, later in zip(spoken, spoken[1:])),
        lines=lines,
        output="".join(output),
    )
