"""Writes patches.json: a patch convolution of PyTorch over an image that patches do not divide.

    pip install numpy torch
    python tests/parity/patches.py

The convolution leaves out the pixels below and to the right of the last whole patches. crates/vlm/src/patches.rs compares.
"""

import json
import pathlib

import numpy as np
import torch

random = np.random.default_rng(41)
TILES, HEIGHT, WIDTH, PATCH, HIDDEN = 2, 7, 8, 3, 4


def drawn(*shape):
    """Values with two decimals, so that the file holds them exactly as they are used."""
    return np.round(random.uniform(-1, 1, shape), 2).astype(np.float32)


pixels = drawn(TILES, 3, HEIGHT, WIDTH)
kernel, bias = drawn(HIDDEN, 3, PATCH, PATCH), drawn(HIDDEN)
convolved = torch.nn.functional.conv2d(*map(torch.tensor, (pixels, kernel, bias)), stride=PATCH)
# [tiles, hidden, rows, columns] -> [tiles * rows * columns, hidden]
embedded = convolved.flatten(2).transpose(1, 2).flatten(0, 1).numpy()


def listed(values, digits):
    return [round(float(value), digits) for value in values.ravel()]


stored = {
    "torch": torch.__version__,
    "pixels_shape": list(pixels.shape),
    "pixels": listed(pixels, 2),
    "kernel_shape": list(kernel.shape),
    "kernel": listed(kernel, 2),
    "bias": listed(bias, 2),
    "embedded": listed(embedded, 7),
}
path = pathlib.Path(__file__).with_name("patches.json")
path.write_text(json.dumps(stored) + "\n")
