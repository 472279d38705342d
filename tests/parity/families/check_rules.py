"""Asserts rules of the families, written anew here, on the recorded values.

    python -m families.check_rules [FIXTURES]

Rules: image sizes and positions of Qwen, masks of Gemma 3, tokens of LLaVA-NeXT, pixel shuffle of InternVL.
"""

import json
import math
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

HERE = Path(__file__).resolve().parent
QWEN = ("qwen2_5_vl", "qwen2_vl", "qwen3_vl", "qwen3_vl-untied")


def main() -> None:
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "fixtures"
    for name in QWEN:
        qwen(root / name)
    gemma(root / "gemma3")
    llava_next(root / "llava_next")
    internvl(root / "internvl")
    print("all rules hold")


def _read(folder: Path, file: str) -> dict:
    return json.loads((folder / file).read_text())


def qwen(folder: Path) -> None:
    """Grid of patches from the image size, and three-axis positions from the grid."""
    recorded = load_file(folder / "io.safetensors")
    preprocessor = _read(folder, "model/preprocessor_config.json")
    patch, size = preprocessor["patch_size"], preprocessor.get("size", {})
    smallest = preprocessor.get("min_pixels", size.get("shortest_edge"))
    largest = preprocessor.get("max_pixels", size.get("longest_edge"))
    feature = _read(folder, "model/config.json")["image_token_id"]
    for key, facts in _read(folder, "meta.json")["samples"].items():
        grids = [qwen_grid(*image, patch, smallest, largest) for image in facts["sizes"]]
        if not grids:
            continue
        expected = [[1, *grid] for grid in grids]
        assert recorded[f"{key}.image_grid_thw"].tolist() == expected, f"{folder.name} {key}: grid"
        ids = recorded[f"{key}.input_ids"][0].tolist()
        positions = qwen_positions(ids, feature, grids)
        assert recorded[f"{key}.position_ids"].T.tolist() == positions, f"{folder.name} {key}: positions"
        delta = max(max(position) for position in positions) + 1 - len(ids)
        assert recorded[f"{key}.rope_delta"].item() == delta, f"{folder.name} {key}: delta"


def qwen_grid(width: int, height: int, patch: int, smallest: int, largest: int) -> tuple[int, int]:
    """Returns rows and columns of patches. Python's `round` takes halves to the even number."""
    side = 2 * patch
    rows, columns = max(1, round(height / side)), max(1, round(width / side))
    if rows * columns * side**2 > largest:
        scale = math.sqrt(height * width / largest)
        rows, columns = max(1, math.floor(height / scale / side)), max(1, math.floor(width / scale / side))
    elif rows * columns * side**2 < smallest:
        scale = math.sqrt(smallest / (height * width))
        rows, columns = math.ceil(height * scale / side), math.ceil(width * scale / side)
    return 2 * rows, 2 * columns


def qwen_positions(ids: list[int], feature: int, grids: list[tuple[int, int]]) -> list[list[int]]:
    """Text advances by one on all axes, an image by the larger side of its merged grid."""
    found: list[list[int]] = []
    position, shown = 0, iter(grids)
    while len(found) < len(ids):
        if ids[len(found)] == feature:
            rows, columns = (side // 2 for side in next(shown))
            found += [[position, position + row, position + column] for row in range(rows) for column in range(columns)]
            position += max(rows, columns)
        else:
            found.append([position] * 3)
            position += 1
    return found


def gemma(folder: Path) -> None:
    """A row sees earlier rows and its own image; in local layers only rows within the window."""
    recorded = load_file(folder / "io.safetensors")
    window = _read(folder, "model/config.json")["text_config"]["sliding_window"]
    for key in ("img1", "two"):
        of_image = recorded[f"{key}.token_type_ids"][0] == 1
        starts = of_image & ~torch.cat([torch.tensor([False]), of_image[:-1]])
        image = torch.where(of_image, starts.cumsum(0), 0)
        place = torch.arange(len(image))
        row, column = place[:, None], place[None]
        full = (column <= row) | ((image[:, None] == image[None]) & (image[:, None] > 0))
        expected = {"full_attention": full, "sliding_attention": full & (column > row - window)}
        for kind, mask in expected.items():
            assert torch.equal(recorded[f"{key}.act.mask.{kind}"][0, 0].bool(), mask), f"{folder.name} {key}: {kind}"


def llava_next(folder: Path) -> None:
    """Number of tokens from the image size."""
    recorded = load_file(folder / "io.safetensors")
    config = _read(folder, "model/config.json")
    tile = config["vision_config"]["image_size"]
    patches = tile // config["vision_config"]["patch_size"]
    for key, facts in _read(folder, "meta.json")["samples"].items():
        count = sum(anyres_tokens(*image, config["image_grid_pinpoints"], tile, patches) for image in facts["sizes"])
        found = recorded[f"{key}.input_ids"][0].tolist().count(config["image_token_index"])
        assert found == count, f"{folder.name} {key}: {found} tokens, by the rule {count}"


def anyres_tokens(width: int, height: int, pinpoints: list[list[int]], tile: int, patches: int) -> int:
    """Base image, rows of the grid of tiles without padding, and a newline for each row."""

    def quality(pinpoint: list[int]) -> tuple[int, int]:
        scale = min(pinpoint[1] / width, pinpoint[0] / height)
        effective = min(int(width * scale) * int(height * scale), width * height)
        return effective, effective - pinpoint[0] * pinpoint[1]

    best = max(pinpoints, key=quality)
    rows, columns = (side // tile * patches for side in best)
    if width / height > columns / rows:
        rows -= 2 * ((rows - int(round(height * columns / width, 7))) // 2)
    else:
        columns -= 2 * ((columns - int(round(width * rows / height, 7))) // 2)
    return patches**2 + rows * columns + rows


def internvl(folder: Path) -> None:
    """Each 2 x 2 patches, row by row, become one token; then a layer norm."""
    recorded = load_file(folder / "io.safetensors")
    weights = load_file(folder / "model/model.safetensors")
    patches = recorded["img0.act.vis_block1"][:, 1:]
    tiles, width = patches.shape[0], patches.shape[2]
    squares = patches.reshape(tiles, 4, 2, 4, 2, width).permute(0, 1, 3, 2, 4, 5).reshape(tiles, 16, 4 * width)
    gain, bias = (weights[f"multi_modal_projector.layer_norm.{name}"] for name in ("weight", "bias"))
    normed = torch.nn.functional.layer_norm(squares, squares.shape[-1:], gain, bias)
    expected = recorded["img0.act.projected_norm"].reshape(normed.shape)
    assert torch.allclose(normed, expected, atol=1e-6), f"{folder.name}: pixel shuffle"


if __name__ == "__main__":
    main()
