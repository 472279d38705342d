"""Reduces a full fixture to the committed form."""

import json
import re
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from maker.environment import write_json

FIRST = "img0"
# Activations that are kept of every conversation: features of images as the decoder gets them.
FEATURES = re.compile(r"act\.(merged|projected|deepstack\d+)$|packed_features\d+$")
DROPPED = re.compile(
    r"grad\.(pixel_values|loss)$|unit\.pixels$|.*\.(attention_mask|pixel_attention_mask|mm_token_type_ids|cu_window_seqlens|"
    r"num_patches|image_num_crops|num_crops)$"
)
# Conversations whose attention masks are kept.
MASKED = ("img1", "two")
# Tensors that only the first conversation keeps.
FIRST_ONLY = re.compile(r"interpolation_(indices|weights)$|vision_position_ids$|logits_without_token_types$")
LOGITS = re.compile(r"(logits|logits0|merged_logits1|logits_without_token_types)$")
# Rows of logits: at most these many at the start and at the end of the answer, and these many from the whole sequence.
ANSWER_ROWS, SPREAD_ROWS = 3, 4
LEVELS = 255
TABLES = ("embed_tokens.weight", "lm_head.weight")


def trim(full: Path, out: Path) -> None:
    """Writes the committed form of the fixture `full` to `out`, which is replaced."""
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(full / "model", out / "model")
    for adapter in ("adapter", "adapter-all"):
        (out / adapter).mkdir()
        for name in ("adapter_config.json", "adapter_model.safetensors"):
            shutil.copyfile(full / adapter / name, out / adapter / name)
    for image in full.glob("picture*.png"):
        shutil.copyfile(image, out / image.name)
    meta = json.loads((full / "meta.json").read_text())
    tensors = load_file(full / "io.safetensors")
    rows = {key: logit_rows(facts) for key, facts in meta["samples"].items()}
    preprocessor = json.loads((full / "model/preprocessor_config.json").read_text())
    kept = {}
    for name, value in tensors.items():
        if not DROPPED.match(name):
            kept |= _reduced(name, value, rows, preprocessor, tensors)
    kept |= {f"{key}.logit_rows": torch.tensor(places, dtype=torch.int32) for key, places in rows.items()}
    save_file({name: value.contiguous() for name, value in kept.items()}, out / "io.safetensors")
    write_json(out / "meta.json", meta)


def logit_rows(facts: dict) -> list[int]:
    """Returns the rows of logits that are kept: some that predict the answer, the last row, and a few from anywhere."""
    predicting = range(facts["first_supervised"] - 1, facts["last_supervised"])
    predicting = [*predicting[:ANSWER_ROWS], *predicting[-ANSWER_ROWS:]]
    spread = (facts["tokens"] * place // SPREAD_ROWS for place in range(SPREAD_ROWS))
    return sorted({*predicting, *spread, facts["tokens"] - 1})


def _reduced(
    name: str, value: torch.Tensor, rows: dict, preprocessor: dict, tensors: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Returns what is kept of one tensor, under its name or under the name of the reduced form."""
    key, _, rest = name.partition(".")
    if key == "full":
        return _table_rows(name, value, tensors)
    if key in ("lora", "all"):
        return {name: value[:, rows[FIRST]] if LOGITS.match(rest) else value}
    if key not in rows:
        return {name: value}
    if FIRST_ONLY.match(rest) and key != FIRST:
        return {}
    if LOGITS.match(rest):
        return {name: value[:, rows[key]]}
    if rest.startswith("act.mask."):
        return {name: value.to(torch.uint8)} if key in MASKED else {}
    if rest.startswith("act.") and key != FIRST and not FEATURES.match(rest):
        return {}
    if rest == "pixel_values" and key != FIRST:
        return {f"{key}.pixel_levels": _levels(value, preprocessor)}
    return {name: value}


def _table_rows(name: str, gradient: torch.Tensor, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Keeps the norm of the gradient of a table over the vocabulary, and the rows of the tokens of the conversation."""
    if not name.endswith(TABLES):
        return {name: gradient}
    ids = tensors[f"{FIRST}.input_ids"][0].unique()
    return {
        name.replace("full.grad.", "full.grad_rows."): gradient[ids.long()],
        name.replace("full.grad.", "full.rows."): ids.to(torch.int32),
        name.replace("full.grad.", "full.grad_norm."): gradient.norm().reshape(1),
    }


def _levels(pixels: torch.Tensor, preprocessor: dict) -> torch.Tensor:
    """Returns grey levels (u8) in the shape of `pixels`, which are normalised and hold whole levels.

    LLaVA-NeXT's `[images, tiles, 3, side, side]` become `[tiles of all images, 3, side, side]`, because images with
    fewer tiles are filled up with tiles of zeros.
    """
    if pixels.ndim == 5:
        tiles = pixels.flatten(0, 1)
        pixels = tiles[tiles.flatten(1).abs().amax(dim=1) > 0]
    mean, deviation = (torch.tensor(preprocessor[name]) for name in ("image_mean", "image_std"))
    if pixels.ndim == 2:
        # Flat patches of Qwen: channel, frame, row, column.
        channels = pixels.reshape(pixels.shape[0], 3, -1)
        shaped = (3, 1)
    else:
        channels, shaped = pixels, (3, 1, 1)
    mean, deviation = mean.reshape(shaped), deviation.reshape(shaped)
    exact = (channels * deviation + mean) * LEVELS
    levels = exact.round()
    assert float((exact - levels).abs().max()) < 1e-2, "pixels are not whole grey levels"
    return levels.clamp(0, LEVELS).to(torch.uint8).reshape(pixels.shape)
