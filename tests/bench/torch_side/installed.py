"""What requirements.txt brings into this environment, as JSON: bytes on disk, and about as many as its wheels have.

    python installed.py REQUIREMENTS.txt

A wheel is a zip archive of the files that pip puts in place: compressing them again gives its size. Of a large one every
eighth mebibyte is compressed.
"""

import importlib.metadata
import json
import sys
import zlib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CHUNK, EVERY = 1 << 20, 8
# What the work needs only on a GPU: stated apart.
CUDA = ("nvidia-", "cuda-", "triton")


def main() -> None:
    wanted = [line for line in Path(sys.argv[1]).read_text().splitlines() if line and not line.startswith("#")]
    disk, download, absent = {}, {}, []
    for name in closure(wanted, absent):
        disk[name], download[name] = sizes(importlib.metadata.distribution(name))
    print(json.dumps({"disk": disk, "download": download, "absent": absent, "cuda": list(filter(is_cuda, disk))}))


def is_cuda(name: str) -> bool:
    return name.startswith(CUDA)


def closure(wanted: list[str], absent: list[str]) -> list[str]:
    """Everything required, directly or not, here; what is required and not installed goes to `absent`."""
    waiting = [Requirement(line) for line in wanted]
    extras: dict[str, set[str]] = {}
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        new = {"", *requirement.extras} - extras.get(name, set())
        if not new:
            continue
        try:
            required = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            absent.append(name)
            continue
        extras[name] = extras.get(name, set()) | new
        for other in map(Requirement, required):
            if other.marker is None or any(other.marker.evaluate({"extra": extra}) for extra in new):
                waiting.append(other)
    return sorted(extras)


def sizes(distribution: importlib.metadata.Distribution) -> tuple[int, int]:
    """Bytes on disk, and compressed without what Python compiled after the download."""
    paths = [Path(file.locate()) for file in distribution.files or []]
    sized = {path: path.stat().st_size for path in paths if path.is_file()}
    packed = {path: size for path, size in sized.items() if path.suffix != ".pyc"}
    total = sum(packed.values())
    return sum(sized.values()), round(total * compression(packed, EVERY if total > 2 * EVERY * CHUNK else 1))


def compression(sized: dict[Path, int], every: int) -> float:
    """Of the files one after the other, judged by every so many mebibytes."""
    position = read = written = 0
    for path, size in sized.items():
        for start in range(0, size, CHUNK):
            if position // CHUNK % every == 0:
                with path.open("rb") as file:
                    file.seek(start)
                    piece = file.read(CHUNK)
                read += len(piece)
                written += len(zlib.compress(piece))
            position += min(CHUNK, size - start)
    return written / read if read else 0.0


if __name__ == "__main__":
    main()
