"""Determinism, package versions and file output of all fixture scripts."""

import hashlib
import importlib.metadata
import json
import os
import platform
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import torch  # noqa: E402  (the variables above are read on import)

PACKAGES = (
    "torch",
    "torchvision",
    "transformers",
    "tokenizers",
    "peft",
    "safetensors",
    "pillow",
    "numpy",
    "Jinja2",
)


def make_deterministic() -> None:
    """Uses one thread, so that sums have a fixed order, and deterministic algorithms only."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(0)


def versions() -> dict[str, str]:
    found = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {"python": platform.python_version(), **found}


def pinned(requirements: Path) -> dict[str, str]:
    lines = requirements.read_text().split()
    return dict(line.split("==") for line in lines)


def check_versions(requirements: Path) -> None:
    """Exits if a package version is not the pinned one, because reference values depend on versions."""
    found = {name: (importlib.metadata.version(name), version) for name, version in pinned(requirements).items()}
    wrong = [
        f"{name} is {installed}, pinned is {version}"
        for name, (installed, version) in found.items()
        if installed.split("+")[0] != version
    ]
    if wrong:
        raise SystemExit("; ".join(wrong) + f" -> pip install -r {requirements}")


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def write_json(path: Path, value: object) -> None:
    """Writes JSON with an indented tree, and each list of numbers on one line."""
    path.write_text(_pretty(value, 0) + "\n", encoding="utf-8")


def _pretty(value: object, depth: int) -> str:
    inner, outer = " " * (depth + 1), " " * depth
    if isinstance(value, dict) and value:
        rows = [f"{inner}{json.dumps(key)}: {_pretty(item, depth + 1)}" for key, item in value.items()]
        return "{\n" + ",\n".join(rows) + f"\n{outer}}}"
    if isinstance(value, list) and any(isinstance(item, (dict, str)) for item in value):
        rows = [inner + _pretty(item, depth + 1) for item in value]
        return "[\n" + ",\n".join(rows) + f"\n{outer}]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
