#!/usr/bin/env python3
"""Makes variants of the training images of two public data sets, each in the layout of its source.

    variants.py BCCD BRAIN_MRI DATA OUT SMEARS SLICES PASTED

BCCD and BRAIN_MRI are the data sets as published. DATA has bccd/ and brain-mri/ as imported from them; only images of their
training sides are read. OUT/bccd and OUT/brain-mri are for `stepwise data import bccd` and `stepwise data import brain-mri`.

SMEARS, SLICES: number of variants of an image. A variant is a window at another size and place, with another brightness and
contrast, mirrored in half of the cases. Boxes move along, so that the importers derive right answers.

PASTED: number of variants of a slice with the tumour in another slice, at another place (copy and paste, Ghiasi et al.
2021). The tumour of the other slice is covered by the mirrored other half of the image. The place of a pasted tumour says
nothing of the type, so trim.py drops questions on the type. The numbers of such images start at FIRST_PASTED.

Needs Pillow 13.
"""

import json
import random
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps, ImageStat

FIRST_PASTED = 100_000_000
SMEAR = (256, 192)
SLICE = (192, 192)
# Variants that `stepwise train` finds to look like an image of another side.
LOOKALIKES = {"BloodImage_00038-03"}
TUMOURS = ("pituitary", "meningioma", "glioma")


def main():
    bccd, brain_mri, data, out = map(Path, sys.argv[1:5])
    count_smears, count_slices, count_pasted = map(int, sys.argv[5:])
    draw = random.Random(20)
    smears(bccd, trained(data / "bccd"), out / "bccd", draw, count_smears)
    slices(brain_mri, trained(data / "brain-mri"), out / "brain-mri", draw, count_slices, count_pasted)


def trained(folder):
    """Returns the names of the training images of an imported data set, without endings."""
    records = map(json.loads, (folder / "cases.jsonl").open())
    return {Path(record["images"][0]["path"]).stem for record in records if record["split"] == "train"}


def smears(source, trained, out, draw, count):
    for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (out / folder).mkdir(parents=True)
    names = sorted(path.stem for path in (source / "JPEGImages").glob("*.jpg") if path.stem in trained)
    written = []
    for name in names:
        image = Image.open(source / f"JPEGImages/{name}.jpg").convert("RGB")
        cells = annotated(source / f"Annotations/{name}.xml")
        for variant in range(count):
            made = smear(image, cells, draw)
            to = f"{name}-{variant:02}"
            if made is None or to in LOOKALIKES:
                continue
            made[0].save(out / f"JPEGImages/{to}.jpg", quality=90)
            (out / f"Annotations/{to}.xml").write_text(annotation(to, made[1]))
            written.append(to)
    (out / "ImageSets/Main/train.txt").write_text("\n".join(written) + "\n")
    for side in ("val", "test"):
        (out / f"ImageSets/Main/{side}.txt").write_text("")
    print(f"bccd: {len(written)} variants of {len(names)} training images")


def annotated(path):
    """Returns the class and box of every cell whose box has an area."""
    cells = []
    for cell in ElementTree.parse(path).getroot().iter("object"):
        box = [int(float(cell.find(f"bndbox/{edge}").text)) for edge in ("xmin", "ymin", "xmax", "ymax")]
        if box[0] < box[2] and box[1] < box[3]:
            cells.append((cell.find("name").text, box))
    return cells


def smear(image, cells, draw):
    """Returns a window of a smear with its cells; None where the window cuts a white cell, or holds no cell."""
    scale = draw.uniform(0.62, 1.0)
    width, height = round(image.width * scale), round(image.height * scale)
    x, y = draw.randint(0, image.width - width), draw.randint(0, image.height - height)
    shown = []
    for name, (x0, y0, x1, y1) in cells:
        box = [max(x0, x) - x, max(y0, y) - y, min(x1, x + width) - x, min(y1, y + height) - y]
        share = max(0, box[2] - box[0]) * max(0, box[3] - box[1]) / ((x1 - x0) * (y1 - y0))
        if name == "WBC" and 0.08 < share < 0.85:
            return None
        if share > 0.5:
            shown.append((name, [box[0] / width, box[1] / height, box[2] / width, box[3] / height]))
    if not shown:
        return None
    image = image.crop((x, y, x + width, y + height)).resize(SMEAR, Image.Resampling.LANCZOS)
    if draw.random() < 0.5:
        image, shown = ImageOps.mirror(image), [(name, mirrored(box)) for name, box in shown]
    if draw.random() < 0.5:
        image, shown = ImageOps.flip(image), [(name, [b[0], 1 - b[3], b[2], 1 - b[1]]) for name, b in shown]
    return toned(image, draw), shown


def annotation(name, cells):
    width, height = SMEAR
    lines = [f"<annotation><filename>{name}.jpg</filename>"]
    lines.append(f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>")
    for label, (x0, y0, x1, y1) in cells:
        edges = zip(("xmin", "ymin", "xmax", "ymax"), (x0 * width, y0 * height, x1 * width, y1 * height))
        box = "".join(f"<{edge}>{round(at)}</{edge}>" for edge, at in edges)
        lines.append(f"<object><name>{label}</name><bndbox>{box}</bndbox></object>")
    return "\n".join([*lines, "</annotation>\n"])


def slices(source, trained, out, draw, unchanged, pasted):
    found = []
    for tumour, folder in enumerate(TUMOURS):
        (out / folder).mkdir(parents=True)
        for path in sorted((source / folder).glob("*.jpg"), key=lambda path: int(path.stem)):
            if f"{folder}-{int(path.stem):04}" in trained:
                image = Image.open(path).convert("L").resize(SLICE, Image.Resampling.LANCZOS)
                box = [float(value) for value in path.with_suffix(".txt").read_text().split()[1:]]
                found.append((tumour, int(path.stem), image, box))
    lateral = [one for one in found if abs(one[3][0] - 0.5) > one[3][2] / 2 + 0.03]
    count = 0
    for place, (tumour, number, image, box) in enumerate(found):
        for variant in range(unchanged):
            # Even numbers: consecutive numbers would be one patient to the importer.
            count += save(slice_of(image, box, draw), out / TUMOURS[tumour] / f"{number * 1000 + 2 * variant}", tumour)
        for variant in range(pasted):
            _, _, other, covered = draw.choice(lateral)
            made = paste(image, box, cover(other, covered), draw)
            name = f"{FIRST_PASTED + (place * 100 + variant) * 2}"
            count += made is not None and save(slice_of(*made, draw), out / TUMOURS[tumour] / name, tumour)
    print(f"brain-mri: {count} variants of {len(found)} training images")


def save(made, to, tumour):
    """Writes a slice and its box; returns whether there is one."""
    if made is None:
        return False
    made[0].save(to.with_suffix(".jpg"), quality=90)
    to.with_suffix(".txt").write_text(f"{tumour} {' '.join(f'{value:.6f}' for value in made[1])}\n")
    return True


def pixels(box, margin=0.0):
    """Returns the edges of a box (cx, cy, w, h) in pixels, with a margin as a share of its sides."""
    cx, cy, w, h = box
    half = [w * (1 + margin) / 2, h * (1 + margin) / 2]
    return [round(at * side) for at, side in zip((cx - half[0], cy - half[1], cx + half[0], cy + half[1]), SLICE * 2)]


def soft_ellipse(size):
    mask = Image.new("L", size)
    inset = max(1, round(min(size) * 0.08))
    ImageDraw.Draw(mask).ellipse((inset, inset, size[0] - 1 - inset, size[1] - 1 - inset), fill=255)
    return mask.filter(ImageFilter.GaussianBlur(max(1.0, min(size) * 0.06)))


def cover(image, box):
    """Returns a slice whose tumour, on one side of the middle line, is covered by the mirrored other side."""
    x0, y0, x1, y1 = pixels(box, 0.35)
    image = image.copy()
    other = ImageOps.mirror(image).crop((x0, y0, x1, y1))
    image.paste(other, (x0, y0), soft_ellipse(other.size))
    return image


def paste(source, box, image, draw):
    """Pastes the tumour of `source` into a slice. Returns the slice and the box; None where no place was found."""
    x0, y0, x1, y1 = pixels(box, 0.25)
    tumour = source.crop((x0, y0, x1, y1))
    scale = draw.uniform(0.6, 1.5)
    size = [max(8, round(side * scale * draw.uniform(0.85, 1.2))) for side in tumour.size]
    tumour = tumour.resize(size, Image.Resampling.LANCZOS)
    if draw.random() < 0.5:
        tumour = ImageOps.mirror(tumour)
    tumour = tumour.rotate(draw.choice((0, 90, 180, 270)), expand=True)
    brain = image.point([255 * (value > 25) for value in range(256)]).getbbox()
    if brain is None:
        return None
    free = [brain[axis + 2] - brain[axis] - tumour.size[axis] for axis in (0, 1)]
    if min(free) < 8:
        return None
    at = [brain[axis] + round(free[axis] * draw.uniform(0.12, 0.88)) for axis in (0, 1)]
    middle = image.crop((at[0], at[1], at[0] + tumour.size[0], at[1] + tumour.size[1]))
    if ImageStat.Stat(middle).mean[0] < 25:
        return None
    image.paste(tumour, tuple(at), soft_ellipse(tumour.size))
    width, height = (side / 1.25 for side in tumour.size)
    cx, cy = (at[axis] + tumour.size[axis] / 2 for axis in (0, 1))
    return image, [cx / SLICE[0], cy / SLICE[1], width / SLICE[0], height / SLICE[1]]


def slice_of(image, box, draw):
    """Returns a window of a slice with the tumour's box (cx, cy, w, h); None where the window cuts the box."""
    scale, shape = draw.uniform(0.75, 1.3), draw.uniform(0.9, 1.1)
    width, height = image.width * scale * shape, image.height * scale / shape
    x, y = (draw.uniform(min(0, free), max(0, free)) for free in (image.width - width, image.height - height))
    cx, cy, w, h = box
    edges = [
        ((cx - w / 2) * image.width - x) / width,
        ((cy - h / 2) * image.height - y) / height,
        ((cx + w / 2) * image.width - x) / width,
        ((cy + h / 2) * image.height - y) / height,
    ]
    if min(edges) < 0.005 or max(edges) > 0.995:
        return None
    window = (width / SLICE[0], 0, x, 0, height / SLICE[1], y)
    image = image.transform(SLICE, Image.Transform.AFFINE, window, Image.Resampling.BICUBIC)
    if draw.random() < 0.5:
        image, edges = ImageOps.mirror(image), mirrored(edges)
    x0, y0, x1, y1 = edges
    return toned(image, draw), [(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0]


def mirrored(box):
    return [1 - box[2], box[1], 1 - box[0], box[3]]


def toned(image, draw):
    """Returns the image at another brightness and contrast and, in colour, at another saturation and white balance."""
    image = ImageEnhance.Brightness(image).enhance(draw.uniform(0.75, 1.3))
    image = ImageEnhance.Contrast(image).enhance(draw.uniform(0.75, 1.3))
    if image.mode == "RGB":
        image = ImageEnhance.Color(image).enhance(draw.uniform(0.6, 1.4))
        factors = [draw.uniform(0.9, 1.1) for _ in range(3)]
        tables = [[min(255, round(value * factor)) for value in range(256)] for factor in factors]
        image = image.point([value for table in tables for value in table])
    return image


if __name__ == "__main__":
    main()
