"""Results of Pillow's Lanczos filter: enlarged, shrunk, one axis only, odd sizes, unchanged size."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

from . import pictures

# image -> target (width, height)
TARGETS = {
    "wide": [(64, 64), (31, 17), (128, 86), (96, 64), (96, 13), (11, 64)],
    "small": [(64, 48), (64, 64), (41, 29), (7, 5), (1, 1)],
    "photo": [(64, 48), (33, 77), (19, 23)],
    "gray": [(64, 64), (24, 20)],
}


def record(images: Path, target: Path) -> None:
    """Records `PICTURE.WIDTHxHEIGHT`, u8 [HEIGHT, WIDTH, 3]: images/PICTURE.png, converted to RGB and resized."""
    tensors = {}
    for name, sizes in TARGETS.items():
        source = pictures.load(images, name).convert("RGB")
        for width, height in sizes:
            resized = source.resize((width, height), Image.Resampling.LANCZOS)
            tensors[f"{name}.{width}x{height}"] = _tensor(resized)
    save_file(tensors, target)


def _tensor(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image))
