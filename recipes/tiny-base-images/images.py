"""Writes the real images that the shipped base model is trained on, in the layouts that `stepwise data import` reads.

    python3 images.py BCCD BRAIN_MRI OUT

BCCD is the blood smear set as published (https://github.com/Shenggan/BCCD_Dataset, MIT licence). BRAIN_MRI is J. Cheng's set
of brain tumour slices (https://doi.org/10.6084/m9.figshare.1512427, CC BY 4.0) as JPEG images with a folder for each tumour,
and beside each image its box in YOLO format.

Written: OUT/smears and OUT/slices with VARIANTS of each training image (flipped, cropped, resized, recoloured), and
OUT/held-out with the slices that no training sees. Needs Pillow and NumPy; the same input gives the same files.
"""

import math
import random
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy
from PIL import Image, ImageFilter

VARIANTS = {"smears": 30, "slices": 8}
# Slices for evaluation, from and to. Neighbouring numbers are often slices of one patient: slices within NEAR numbers are held
# out, too, and slices within GAP numbers are in no set.
HELD_OUT = {
    "pituitary": [(709, 714), (918, 920), (1027, 1036), (1433, 1442), (1491, 1500), (1665, 1674)],
    "meningioma": [(356, 365), (444, 453), (488, 497), (532, 541), (576, 585)],
    "glioma": [(891, 900), (1903, 1912), (2081, 2090), (2615, 2624), (2882, 2891)],
}
NEAR = 17
GAP = 32
FOLDERS = ["pituitary", "meningioma", "glioma"]


def recoloured(image, rng, *, hue):
    """Changes brightness, contrast, gamma, colour balance, sharpness and noise."""
    pixels = numpy.asarray(image, dtype=numpy.float32) / 255.0
    pixels = pixels ** math.exp(rng.uniform(-0.3, 0.3))
    if hue and pixels.ndim == 3:
        pixels = pixels * numpy.array([rng.uniform(0.88, 1.12) for _ in range(3)], dtype=numpy.float32)
    pixels = (pixels - 0.5) * rng.uniform(0.8, 1.2) + 0.5 + rng.uniform(-0.08, 0.08)
    noise = numpy.random.default_rng(rng.getrandbits(32)).normal(0.0, rng.uniform(0.0, 0.03), pixels.shape[:2])
    pixels = pixels + (noise[..., None] if pixels.ndim == 3 else noise)
    image = Image.fromarray(numpy.clip(pixels * 255.0 + 0.5, 0, 255).astype(numpy.uint8))
    return image.filter(ImageFilter.GaussianBlur(rng.uniform(0.0, 0.8))) if rng.random() < 0.4 else image


def placed(image, boxes, rng, *, size, zoom, flips):
    """Crops or pads the image to a random frame and resizes it to `size`.

    `boxes` are (label, x0, y0, x1, y1) in pixels; boxes of which less than half stays in the frame are left out."""
    width, height = image.size
    scale = math.exp(rng.uniform(-zoom, zoom))
    stretch = math.exp(rng.uniform(-0.08, 0.08))
    frame = (width * scale * stretch, height * scale / stretch)
    left = rng.uniform(min(0.0, width - frame[0]), max(0.0, width - frame[0]))
    top = rng.uniform(min(0.0, height - frame[1]), max(0.0, height - frame[1]))
    ratio = (size[0] / frame[0], size[1] / frame[1])
    inverse = (1 / ratio[0], 0, left, 0, 1 / ratio[1], top)
    image = image.transform(size, Image.AFFINE, inverse, Image.BICUBIC, fillcolor=background(image))
    kept = []
    for label, *box in boxes:
        moved = [(box[0] - left) * ratio[0], (box[1] - top) * ratio[1], (box[2] - left) * ratio[0], (box[3] - top) * ratio[1]]
        seen = [max(moved[0], 0.0), max(moved[1], 0.0), min(moved[2], size[0]), min(moved[3], size[1])]
        area = (moved[2] - moved[0]) * (moved[3] - moved[1])
        part = max(seen[2] - seen[0], 0.0) * max(seen[3] - seen[1], 0.0)
        if area > 0 and part >= 0.5 * area:
            kept.append((label, *seen))
    for axis, flip in zip((0, 1), flips):
        if flip and rng.random() < 0.5:
            image = image.transpose(Image.FLIP_LEFT_RIGHT if axis == 0 else Image.FLIP_TOP_BOTTOM)
            kept = [mirrored(box, axis, size[axis]) for box in kept]
    return image, kept


def background(image):
    """Colour beyond the border: the median of a smear, the darkest grey of a slice."""
    pixels = numpy.asarray(image)
    if image.mode == "RGB":
        return tuple(int(level) for level in numpy.median(pixels.reshape(-1, 3), axis=0))
    return int(pixels.min())


def mirrored(box, axis, side):
    """Mirrors a box along one axis of an image with this side."""
    label, *bounds = box
    bounds[axis], bounds[axis + 2] = side - bounds[axis + 2], side - bounds[axis]
    return (label, *bounds)


def write_smears(bccd, out):
    """Writes the training side in variants, and the other two sides as they are, so that the importer finds copies."""
    for folder in ["JPEGImages", "Annotations", "ImageSets/Main"]:
        (out / folder).mkdir(parents=True)
    sides = {side: (bccd / f"ImageSets/Main/{side}.txt").read_text().split() for side in ["train", "val", "test"]}
    names = {"train": [], "val": sides["val"], "test": sides["test"]}
    for name in sides["val"] + sides["test"]:
        (out / f"JPEGImages/{name}.jpg").write_bytes((bccd / f"JPEGImages/{name}.jpg").read_bytes())
        (out / f"Annotations/{name}.xml").write_bytes((bccd / f"Annotations/{name}.xml").read_bytes())
    for name in sides["train"]:
        image = Image.open(bccd / f"JPEGImages/{name}.jpg").convert("RGB")
        small = image.resize((320, 240), Image.BOX)
        boxes = []
        for found in ElementTree.parse(bccd / f"Annotations/{name}.xml").getroot().iter("object"):
            corners = [float(found.find(f"bndbox/{corner}").text) for corner in ["xmin", "ymin", "xmax", "ymax"]]
            corners = [(corners[0] - 1) / 2, (corners[1] - 1) / 2, corners[2] / 2, corners[3] / 2]
            boxes.append((found.find("name").text, *corners))
        for variant in range(VARIANTS["smears"]):
            rng = random.Random(f"{name}-{variant}")
            picture, kept = placed(small, boxes, rng, size=(240, 180), zoom=0.3, flips=(True, True))
            picture = recoloured(picture, rng, hue=True)
            if not kept:
                continue
            number = f"{name}-{variant:02}"
            names["train"].append(number)
            picture.save(out / f"JPEGImages/{number}.jpg", quality=92)
            write_boxes(out / f"Annotations/{number}.xml", picture.size, kept)
    for side, listed in names.items():
        (out / f"ImageSets/Main/{side}.txt").write_text("".join(f"{name}\n" for name in listed))


def write_boxes(path, size, boxes):
    """Writes boxes as a Pascal VOC annotation, whose corners count from 1."""
    root = ElementTree.Element("annotation")
    sizes = ElementTree.SubElement(root, "size")
    for field, value in zip(["width", "height", "depth"], [*size, 3]):
        ElementTree.SubElement(sizes, field).text = str(value)
    for label, *bounds in boxes:
        found = ElementTree.SubElement(root, "object")
        ElementTree.SubElement(found, "name").text = label
        corners = ElementTree.SubElement(found, "bndbox")
        values = [math.floor(bounds[0]) + 1, math.floor(bounds[1]) + 1, math.ceil(bounds[2]), math.ceil(bounds[3])]
        for field, value in zip(["xmin", "ymin", "xmax", "ymax"], values):
            ElementTree.SubElement(corners, field).text = str(value)
    ElementTree.ElementTree(root).write(path)


def write_slices(source, out, held):
    """Writes the slices far from HELD_OUT in variants to `out`, and those near to it as they are to `held`."""
    for place, folder in enumerate(FOLDERS):
        for target in [out, held]:
            (target / folder).mkdir(parents=True)
        for path in sorted(source.glob(f"{folder}/*.jpg"), key=lambda path: int(path.stem)):
            number = int(path.stem)
            label = path.with_suffix(".txt").read_text()
            lines = [line.split() for line in label.splitlines() if line.strip()]
            distance = min(max(first - number, number - last, 0) for first, last in HELD_OUT[folder])
            if len(lines) != 1 or NEAR < distance <= GAP:
                continue
            if distance <= NEAR:
                (held / folder / path.name).write_bytes(path.read_bytes())
                (held / folder / f"{number}.txt").write_text(label)
                continue
            image = Image.open(path).convert("L")
            width, height = image.size
            image = image.resize((256, 256), Image.BOX) if max(width, height) > 256 else image
            cx, cy, w, h = (float(value) for value in lines[0][1:])
            sides = image.size
            box = ((cx - w / 2) * sides[0], (cy - h / 2) * sides[1], (cx + w / 2) * sides[0], (cy + h / 2) * sides[1])
            for variant in range(VARIANTS["slices"]):
                rng = random.Random(f"{folder}-{number}-{variant}")
                picture, kept = placed(image, [(str(place), *box)], rng, size=(176, 176), zoom=0.2, flips=(True, False))
                picture = recoloured(picture, rng, hue=False)
                if not kept:
                    continue
                _, x0, y0, x1, y1 = kept[0]
                middle = [(x0 + x1) / 352, (y0 + y1) / 352, (x1 - x0) / 176, (y1 - y0) / 176]
                # Variants of one slice, and neighbouring slices, have consecutive numbers: one run.
                name = number * VARIANTS["slices"] + variant
                picture.save(out / folder / f"{name}.jpg", quality=92)
                text = " ".join(f"{value:.5f}" for value in middle)
                (out / folder / f"{name}.txt").write_text(f"{place} {text}\n")


def main():
    bccd, slices, out = (Path(argument) for argument in sys.argv[1:])
    write_smears(bccd, out / "smears")
    write_slices(slices, out / "slices", out / "held-out")


if __name__ == "__main__":
    main()
