"""Writes JPEG files of every subsampling, and beside each a PNG of the pixels to which Pillow decodes it.

    python tests/parity/jpeg_reference.py                  # the small committed set, tests/parity/jpeg
    python tests/parity/jpeg_reference.py --many FOLDER    # 2,295 files, for `cargo test -- --ignored`

Made with jpeg_requirements.txt; Pillow 13.0.0 holds libjpeg-turbo 3.2.0. Pillow decodes all files and encodes most;
simplejpeg (libjpeg-turbo as well) encodes 4:4:0 and 4:1:1, which Pillow cannot.
"""

import argparse
import io
from importlib.metadata import version
from pathlib import Path

import numpy as np
import simplejpeg
from PIL import Image, ImageFile

HERE = Path(__file__).parent
SIZES = [(1, 1), (2, 1), (1, 2), (3, 3), (7, 5), (8, 8), (9, 9), (15, 17), (16, 16), (17, 15), (31, 33), (33, 65)]
SIZES += [(64, 48), (127, 61), (200, 150)]


def check_versions():
    for line in (HERE / "jpeg_requirements.txt").read_text().split():
        package, pinned = line.split("==")
        if version(package) != pinned:
            raise SystemExit(f"{package} {version(package)} is installed -> install {line}")


def drawn(kind, width, height, rng):
    """An RGB image: noise, smooth colours with some noise, or blocks with hard edges."""
    y, x = np.mgrid[0:height, 0:width].astype(float)
    if kind == "noise":
        return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    if kind == "smooth":
        channels = [128 + 100 * np.sin(x / 9 + y / 17), 128 + 100 * np.cos(x / 13 - y / 7), 128 + 90 * np.sin(x * y / 400)]
        return np.clip(np.stack(channels, -1) + rng.normal(0, 6, (height, width, 3)), 0, 255).astype(np.uint8)
    image = np.zeros((height, width, 3), np.uint8)
    image[(x // 5 + y // 3).astype(int) % 2 == 0] = [220, 20, 40]
    image[:, width // 2 :] = image[:, width // 2 :, ::-1].copy()
    return image


def encoded(pixels, **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", **options)
    return file.getvalue()


def variants(pixels, quality):
    """Files of one image, by name."""
    for name in ("4:4:4", "4:2:2", "4:2:0"):
        short = name.replace(":", "")
        options = {"quality": quality, "subsampling": name}
        yield short, encoded(pixels, **options)
        yield f"{short}-restarts", encoded(pixels, restart_marker_blocks=3, **options)
        yield f"{short}-progressive", encoded(pixels, progressive=True, **options)
        yield f"{short}-progressive-restarts", encoded(pixels, progressive=True, restart_marker_blocks=3, **options)
    for short in ("440", "411"):
        yield short, simplejpeg.encode_jpeg(pixels, quality=quality, colorsubsampling=short)
    yield "rgb", encoded(pixels, quality=quality, keep_rgb=True)
    yield "grey", encoded(pixels[..., 1].copy(), quality=quality)
    yield "grey-progressive", encoded(pixels[..., 1].copy(), quality=quality, progressive=True)


def write(folder, name, jpeg):
    (folder / f"{name}.jpg").write_bytes(jpeg)
    Image.open(io.BytesIO(jpeg)).convert("RGB").save(folder / f"{name}.png", optimize=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--many", type=Path, metavar="FOLDER", help="write the large set to this folder")
    many = parser.parse_args().many
    check_versions()
    # Pillow encodes to a buffer of this size.
    ImageFile.MAXBLOCK = 1 << 22
    rng = np.random.default_rng(1)
    folder = many or HERE / "jpeg"
    folder.mkdir(parents=True, exist_ok=True)
    if many is None:
        for name, jpeg in variants(drawn("smooth", 37, 21, rng), 80):
            write(folder, name, jpeg)
        for width, height in [(1, 1), (5, 2), (16, 17)]:
            jpeg = encoded(drawn("noise", width, height, rng), quality=90, subsampling="4:2:0")
            write(folder, f"420-{width}x{height}", jpeg)
        return
    for width, height in SIZES:
        for kind in ("noise", "smooth", "blocks"):
            pixels = drawn(kind, width, height, rng)
            for quality in (30, 75, 97):
                for name, jpeg in variants(pixels, quality):
                    write(folder, f"{name}_{kind}_{width}x{height}_{quality}", jpeg)


if __name__ == "__main__":
    main()
