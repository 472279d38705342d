"""Random weights of the tiny models, and the names under which they are stored."""

import re
from dataclasses import dataclass
from math import prod
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import PreTrainedModel

from maker import environment

FIRST_LAYERS = ("patch_embed", "position_embedding", "pos_embed", "class_embedding", "cls_token")


@dataclass
class Scales:
    """Deviations from the usual scales of the random weights.

    `zero_gains`: regular expressions of norms whose layer adds 1 to the stored gain. `words`: standard deviation of the
    embedding table, None means 0.2 with a tied head and 0.5 otherwise. `last_gain`: addition to the gain of the last
    norm.
    """

    zero_gains: tuple[str, ...] = ()
    words: float | None = None
    last_gain: float = 0.0


def fill(model: PreTrainedModel, seed: int, scales: Scales = Scales()) -> None:
    """Draws every parameter from one generator, in the order of the model's parameters."""
    generator = torch.Generator().manual_seed(seed + 1)
    tied = getattr(model.config, "tie_word_embeddings", False)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(_scaled(name, torch.randn(parameter.shape, generator=generator), tied, scales))
    model.eval()


def _scaled(name: str, noise: torch.Tensor, tied: bool, scales: Scales) -> torch.Tensor:
    low = name.lower()
    if _is_gain(low, noise):
        base = 0.0 if any(re.search(pattern, name) for pattern in scales.zero_gains) else 1.0
        last = scales.last_gain if name == "model.language_model.norm.weight" else 0.0
        values = base + 0.2 * noise + last
    elif "lambda_" in name:
        values = 0.6 + 0.1 * noise
    elif noise.ndim == 1:
        values = 0.1 * noise
    elif "embed_tokens" in name:
        values = (scales.words or (0.2 if tied else 0.5)) * noise
    elif ("pos" in low and "emb" in low) or "cls_token" in name:
        values = 0.3 * noise
    elif "mm_input_projection_weight" in name:
        values = noise / noise.shape[0] ** 0.5
    else:
        values = 0.9 * noise / float(prod(noise.shape[1:])) ** 0.5
    # The first layers of the vision tower have small weights, so that the epsilon of the first norm matters.
    if "vis" in low and any(part in low for part in FIRST_LAYERS):
        values = 0.05 * values
    return values


def _is_gain(low: str, values: torch.Tensor) -> bool:
    if low.endswith("ln_q.weight"):
        return True
    return values.ndim == 1 and low.endswith(".weight") and "norm" in low.rsplit(".", 2)[-2]


def stored(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """Returns all tensors of a checkpoint under module names. A tied head is left out."""
    tied = getattr(model.config, "tie_word_embeddings", False)
    return {
        name: value.detach().clone().contiguous()
        for name, value in model.state_dict().items()
        if not (tied and name == "lm_head.weight")
    }


def save_both_layouts(
    model: PreTrainedModel, out: Path, config: dict, released: list[tuple[str, str]]
) -> dict[str, str]:
    """Writes `model/` with the tensor names of released checkpoints and `model-modules/` with module names.

    `released` holds (regular expression, replacement); the first match renames. Returns {released name: module name}.
    """
    tensors = stored(model)
    names = {_renamed(name, released): name for name in tensors}
    assert len(names) == len(tensors), "two tensors have the same released name"
    (out / "model-modules").mkdir()
    released_tensors = {name: tensors[module] for name, module in names.items()}
    for folder, values in (("model", released_tensors), ("model-modules", tensors)):
        save_file(values, out / folder / "model.safetensors", metadata={"format": "pt"})
        environment.write_json(out / folder / "config.json", config)
    return names


def _renamed(name: str, released: list[tuple[str, str]]) -> str:
    for pattern, replacement in released:
        if re.match(pattern, name):
            return re.sub(pattern, replacement, name, count=1)
    return name
