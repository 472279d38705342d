"""Images of all fixtures. They are drawn here, so that the repository contains no patient data."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

# name -> (width, height). With tiles of 64, a longest edge of 128 and splitting, the grids are 2 x 2 (wide, photo,
# tall, small) and 1 x 2 (strip). `small` is smaller than a tile.
SIZES = {
    "wide": (96, 64),
    "small": (40, 30),
    "photo": (200, 150),
    "strip": (160, 60),
    "tall": (70, 110),
    "gray": (57, 48),
    "square": (64, 64),
}


def draw_all(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in SIZES:
        draw(name).save(folder / f"{name}.png", optimize=True)


def draw(name: str) -> Image.Image:
    """Draws a gradient in each channel, a fine pattern that shows resampling errors, and a few hard edges."""
    width, height = SIZES[name]
    phase = list(SIZES).index(name)
    x = np.linspace(0.0, 1.0, width)[None, :]
    y = np.linspace(0.0, 1.0, height)[:, None]
    ripple = (np.arange(width)[None, :] * 7 + np.arange(height)[:, None] * 5 + phase * 11) % 23
    red = 255 * x * np.ones_like(y)
    green = 255 * y * (1.0 - 0.5 * x)
    blue = 128 + 100 * (x - y) + ripple
    pixels = np.clip(np.stack([red, green, blue], axis=-1).round(), 0, 255).astype(np.uint8)
    image = Image.fromarray(pixels, "RGB")

    pen = ImageDraw.Draw(image)
    pen.ellipse((0.2 * width, 0.25 * height, 0.55 * width, 0.8 * height), fill=(230, 225, 210), outline=(10, 10, 10))
    pen.rectangle((0.6 * width, 0.1 * height, 0.9 * width, 0.4 * height), fill=(20, 30 + 20 * phase, 60))
    pen.line((0, height - 1, width - 1, 0.5 * height), fill=(255, 0, 40), width=2)
    return image.convert("L") if name == "gray" else image


def load(folder: Path, name: str) -> Image.Image:
    return Image.open(folder / f"{name}.png")
