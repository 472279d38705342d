"""Options of the family makers."""

import argparse
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Options:
    """Sizes of a tiny model and the folders that it is made from.

    `images` are two or more image files. `patch` is the side of an image patch in pixels, None takes the default of the
    family. `tie` says whether the head shares the embedding table, None keeps the value of the real configuration.
    """

    models: Path
    images: list[Path]
    out: Path
    seed: int = 0
    hidden: int = 64
    layers: int = 3
    merges: int = 300
    image_side: int = 420
    patch: int | None = None
    grid: int = 35
    tie: bool | None = None
    extra: dict = field(default_factory=dict)

    @property
    def model(self) -> Path:
        return self.out / "model"

    def recorded(self) -> dict:
        """Returns the options without folders, for `meta.json`."""
        return {name: value for name, value in vars(self).items() if name not in ("models", "images", "out")}


def add_sizes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=0, help="seed of all weights")
    parser.add_argument("--hidden", type=int, default=64, help="width of the decoder, a multiple of 32")
    parser.add_argument("--layers", type=int, default=3, help="layers of the decoder, at least 2 (Gemma 3 and Qwen3-VL: 3)")
    parser.add_argument("--merges", type=int, default=300, help="merges of the tokenizer")
    parser.add_argument("--image-side", type=int, default=420, help="largest side of the images, in pixels")
    parser.add_argument("--patch", type=int, help="side of a patch in pixels")
    parser.add_argument("--grid", type=int, default=35, help="Qwen: most merged patches of an image")
    parser.add_argument("--tie", choices=["yes", "no"], help="share the embedding with the head; default: as released")
