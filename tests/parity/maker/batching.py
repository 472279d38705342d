"""Several conversations in one padded batch: the padded inputs, and the effect of padding on logits."""

from pathlib import Path

import torch
from transformers import Idefics3ForConditionalGeneration, Idefics3Processor

from . import conversations, encoding, pictures
from .encoding import IGNORED, Encoded

# One batch mixes numbers of images, zero included; the other mixes numbers of tiles.
BATCHES = {
    "images": ["single", "two_images", "text_only", "multi_turn"],
    "tiles": ["split", "strip"],
}


@torch.no_grad()
def record(
    model: Idefics3ForConditionalGeneration, processor: Idefics3Processor, images: Path, alone: dict[str, Encoded]
) -> dict:
    return {name: _batch(model, processor, images, members, alone) for name, members in BATCHES.items()}


def _batch(
    model: Idefics3ForConditionalGeneration,
    processor: Idefics3Processor,
    images: Path,
    members: list[str],
    alone: dict[str, Encoded],
) -> dict:
    cases = [conversations.TINY[name] for name in members]
    made = processor(
        text=[alone[name].text for name in members],
        images=[[pictures.load(images, picture) for picture in case["images"]] for case in cases],
        padding=True,
        return_tensors="pt",
        **encoding.image_options(cases[0]),
    )
    labels = torch.full_like(made["input_ids"], IGNORED)
    for row, name in enumerate(members):
        labels[row, : alone[name].labels.shape[1]] = alone[name].labels[0]
    output = model(**made, labels=labels, use_cache=False)
    difference = max(
        (output.logits[row, : alone[name].input_ids.shape[1]] - model(**alone[name].inputs()).logits[0]).abs().max()
        for row, name in enumerate(members)
    )
    return {
        "members": members,
        "input_ids": made["input_ids"].tolist(),
        "attention_mask": made["attention_mask"].tolist(),
        "pixel_values_shape": list(made["pixel_values"].shape),
        "real_tiles": made["pixel_attention_mask"].flatten(2).any(-1).sum(-1).tolist(),
        "loss": output.loss.item(),
        "max_abs_logit_difference_to_single": difference.item(),
    }
