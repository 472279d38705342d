"""Synthetic images of 128 x 128 pixels in two kinds: `mixed` and `one-view`. Equal numbers give equal images.

No image is a copy of another one. Images of one view share a chest with individual sizes, places, ribs and shadows: in a
sample of 1,000, 3 % of the pairs differ in at most 6 bits of the difference hash (as of 44 real chest X-rays), and thumbnails
correlate by 0.67 in the middle and at most 0.89 (0.58 and 0.88).
"""

import numpy

SIDE = 128
# Images that are computed at once, in the processor's cache.
BATCH = 16

_across, _down = numpy.meshgrid(*[((numpy.arange(SIDE) + 0.5) / SIDE).astype(numpy.float32)] * 2)


def pictures(kind, first, count):
    """Grey or RGB arrays of the images `first` to `first + count - 1`, with the modality, and side and size of the nodule."""
    for start in range(first, first + count, BATCH):
        numbers = numpy.arange(start, min(start + BATCH, first + count))
        random = numpy.random.default_rng([KINDS.index(kind), start])
        images, modalities = {"mixed": _mixed, "one-view": _one_view}[kind](random, numbers)
        for image, modality in zip(images, modalities):
            is_left, is_large = random.integers(0, 2, 2) == 1
            _nodule(image, random, is_left, is_large)
            yield image, modality, "left" if is_left else "right", "large" if is_large else "small"


KINDS = ["mixed", "one-view"]
MODALITIES = ["CT", "MRI", "X-ray", "ultrasound", "microscopy", "endoscopy", "fundus photography", "dermoscopy"]


def _field(random, count, cells):
    """Smooth random fields of mean 0 and deviation 1: values on a grid of `cells` x `cells`, interpolated by cosines."""
    place = numpy.linspace(0, cells - 1, SIDE, dtype=numpy.float32)
    distance = numpy.abs(place[:, None] - numpy.arange(cells, dtype=numpy.float32)[None, :])
    weights = numpy.where(distance < 1, 0.5 + 0.5 * numpy.cos(numpy.pi * distance), 0).astype(numpy.float32)
    field = weights @ random.standard_normal((count, cells, cells), dtype=numpy.float32) @ weights.T
    return field / field.std(axis=(1, 2), keepdims=True)


def _noise(random, count):
    return random.standard_normal((count, SIDE, SIDE), dtype=numpy.float32)


def _draw(random, count, low, high):
    return random.uniform(low, high, (count, 1, 1)).astype(numpy.float32)


def _oval(x, y, place, radii, soft):
    """1 inside an ellipse, 0 outside, with an edge of width `soft`."""
    distance = numpy.sqrt(((x - place[0]) / radii[0]) ** 2 + ((y - place[1]) / radii[1]) ** 2)
    return 1 / (1 + numpy.exp(numpy.clip((distance - 1) / soft, -30, 30)))


def _grey(values):
    return numpy.clip(values, 0, 255).astype(numpy.uint8)


def _one_view(random, numbers):
    """Chests of one projection and one device."""
    count = len(numbers)
    draw = lambda low, high: _draw(random, count, low, high)
    angle, scale = draw(-0.06, 0.06), draw(0.9, 1.12)
    x, y = _across[None] - 0.5 - draw(-0.03, 0.03), _down[None] - 0.5 - draw(-0.04, 0.04)
    x, y = (x * numpy.cos(angle) - y * numpy.sin(angle)) / scale, (x * numpy.sin(angle) + y * numpy.cos(angle)) / scale
    x = x + 0.012 * _field(random, count, 5)
    y = y + 0.012 * _field(random, count, 5)
    torso = _oval(x, y, (0, 0.1), (draw(0.42, 0.52), draw(0.56, 0.7)), 0.08)
    right = _oval(x, y, (-draw(0.17, 0.22), draw(-0.06, 0.02)), (draw(0.13, 0.17), draw(0.26, 0.36)), 0.12)
    left = _oval(x, y, (draw(0.17, 0.22), draw(-0.06, 0.02)), (draw(0.12, 0.16), draw(0.24, 0.34)), 0.12)
    lungs = numpy.maximum(right, left)
    heart = _oval(x, y, (draw(0.02, 0.09), draw(0.1, 0.2)), (draw(0.1, 0.17), draw(0.1, 0.17)), 0.15)
    spine = numpy.exp(-((x / draw(0.03, 0.05)) ** 2))
    # Ribs fall to the sides, at individual distances.
    ribs = numpy.sin(2 * numpy.pi * (y - draw(0.4, 0.9) * x * x - draw(0, 0.1)) / draw(0.075, 0.1)) * torso
    values = 30 + draw(120, 170) * torso - draw(60, 100) * lungs * (1 - 0.8 * heart) + draw(15, 35) * heart
    values += draw(15, 35) * spine * torso + draw(5, 11) * ribs
    # Shadows of soft tissue, vessels and disease.
    values += 6 * _field(random, count, 7) * torso + 13 * _field(random, count, 13) * torso
    values += 17 * _field(random, count, 26) + 4 * _field(random, count, 48) + 2 * _noise(random, count)
    return _grey(values), ["X-ray"] * count


def _mixed(random, numbers):
    """Images of eight modalities in turn."""
    count = len(numbers)
    draw = lambda low, high: _draw(random, count, low, high)
    kind = numbers % len(MODALITIES)
    large, middle, fine = (_field(random, count, cells) for cells in (6, 14, 32))
    noise = _noise(random, count)
    x, y = _across[None], _down[None]
    body = _oval(x, y, (draw(0.42, 0.58), draw(0.42, 0.58)), (draw(0.28, 0.46), draw(0.28, 0.46)), 0.04)
    # Level, body or whole field of view, and weights of the structures, by modality.
    level = numpy.array([110, 100, 130, 70, 180, 140, 120, 170], numpy.float32)[kind][:, None, None]
    inside = numpy.isin(kind, [0, 1, 6])[:, None, None]
    weights = numpy.array(
        [[30, 24, 10, 3], [36, 20, 8, 5], [40, 14, 9, 3], [22, 26, 16, 14], [14, 24, 26, 4], [38, 16, 6, 2], [26, 14, 14, 2], [30, 20, 10, 3]],
        numpy.float32,
    )[kind][:, :, None, None]
    values = level + weights[:, 0] * large + weights[:, 1] * middle + weights[:, 2] * fine + weights[:, 3] * noise
    values = numpy.where(inside, values * body, values)
    images = []
    tints = {4: (1.0, 0.8, 0.95), 5: (1.0, 0.65, 0.55), 6: (1.0, 0.6, 0.3), 7: (1.0, 0.82, 0.75)}
    for image, one in zip(values, kind):
        tint = tints.get(int(one))
        images.append(_grey(image) if tint is None else _grey(image[:, :, None] * numpy.array(tint, numpy.float32)))
    return images, [MODALITIES[one] for one in kind]


def _nodule(image, random, is_left, is_large):
    """Draws a bright spot in one half of the image."""
    radius = 9 if is_large else 4
    column = int(random.integers(14, 50)) + (0 if is_left else SIDE // 2)
    row = int(random.integers(14, SIDE - 14))
    part = image[row - radius : row + radius + 1, column - radius : column + radius + 1]
    span = numpy.arange(-radius, radius + 1) / radius
    spot = 70 * numpy.clip(1 - span[:, None] ** 2 - span[None, :] ** 2, 0, 1)
    part[...] = numpy.minimum(255, part + (spot if part.ndim == 2 else spot[:, :, None])).astype(numpy.uint8)
