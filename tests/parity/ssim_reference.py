"""Writes ssim.json: structural similarities by scikit-image, with which the benchmark's are compared.

    pip install numpy scikit-image
    python tests/parity/ssim_reference.py

The images follow integer formulas, which crates/benchmark/tests/benchmark/ssim_parity.rs repeats.
"""

import json
import pathlib

import numpy as np
import skimage
from skimage.metrics import structural_similarity


def picture(width, height, seed):
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    return (x * x * 3 // 16 + y * y * 5 // 16 + x * y * 7 // 32 + c * 31 + seed * 17) % 256


def distorted(pixels, how):
    height, width, _ = pixels.shape
    y, x = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    if how == "same":
        return pixels
    if how == "brighter":
        return np.minimum(pixels + 40, 255)
    if how == "flatter":
        return pixels * 3 // 8 + 80
    if how == "speckled":
        return np.where(((x * 13 + y * 29) % 7 == 0)[..., None], 255, pixels)
    if how == "other":
        return picture(width, height, 9)
    raise ValueError(how)


def luma(pixels):
    return pixels @ np.array([0.299, 0.587, 0.114])


def blocks(values):
    """Means over square blocks, so that the shorter side is about 256. Pixels that do not fill a block are left out."""
    block = max(1, int(np.floor(min(values.shape) / 256 + 0.5)))
    rows, columns = (side // block for side in values.shape)
    cut = values[: rows * block, : columns * block]
    return cut.reshape(rows, block, columns, block).mean(axis=(1, 3))


cases = []
for width, height in [(11, 11), (40, 33), (64, 96), (383, 400), (520, 610)]:
    original = picture(width, height, 1)
    for how in ["same", "brighter", "flatter", "speckled", "other"]:
        ssim = structural_similarity(
            blocks(luma(original)),
            blocks(luma(distorted(original, how))),
            data_range=255,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        cases.append({"width": width, "height": height, "how": how, "ssim": float(ssim)})

path = pathlib.Path(__file__).with_name("ssim.json")
path.write_text(json.dumps({"scikit-image": skimage.__version__, "cases": cases}, indent=1) + "\n")
