"""The model of a work folder, and the frozen part of it."""

from pathlib import Path

import torch
from peft import PeftModel
from transformers import Idefics3ForConditionalGeneration
from transformers.modeling_outputs import BaseModelOutputWithPooling

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def base(work: Path, dtype: str, device: torch.device) -> Idefics3ForConditionalGeneration:
    model = Idefics3ForConditionalGeneration.from_pretrained(
        work / "model", attn_implementation="sdpa", dtype=DTYPES[dtype]
    )
    return model.to(device).eval()


def adapted(work: Path, dtype: str, device: torch.device) -> PeftModel:
    """Base frozen, adapter learning. PEFT keeps adapters in f32 whatever the base's type."""
    model = PeftModel.from_pretrained(base(work, dtype, device), work / "adapter", is_trainable=True)
    return model.to(device)


def merged(work: Path, dtype: str, device: torch.device) -> Idefics3ForConditionalGeneration:
    """For answering: the adapter costs nothing once it is added to the weights."""
    return adapted(work, dtype, device).merge_and_unload().eval()


@torch.no_grad()
def features(model: Idefics3ForConditionalGeneration, pixels: torch.Tensor) -> torch.Tensor:
    """Tower and connector, both frozen, on tiles `[T, 3, side, side]`: `[T, tokens, hidden]`."""
    return torch.stack(model.get_image_features(pixel_values=pixels[:, None], return_dict=True).pooler_output)


def shown(image_features: torch.Tensor) -> dict:
    """Ready features as `forward` takes them in place of pixels."""
    return {"mm_encoder_outputs": {"image": BaseModelOutputWithPooling(pooler_output=list(image_features))}}
