"""Vision tower: tiles that are not square or partly padded, and the rule for position ids."""

import torch
from transformers import Idefics3ForConditionalGeneration

# Positions per side: 4 (tiny tower), 32 (real tower), and two that are not powers of two.
SIDES = (4, 7, 27, 32)


@torch.no_grad()
def record(model: Idefics3ForConditionalGeneration, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Records outputs for non-square and for partly padded tiles.

    `nonsquare` has the upper 48 rows of single.pixel_values; every patch is real. `padded` has two_images.pixel_values; the
    first tile has 3 x 4 real patches and the second 2 x 3. Outputs at padding are not meaningful.
    """
    nonsquare = tensors["single.pixel_values"][:, :, :48, :]
    mask = torch.zeros(2, 4, 4, dtype=torch.bool)
    mask[0, :3, :4] = True
    mask[1, :2, :3] = True
    padded = tensors["two_images.pixel_values"]
    tower = model.model.vision_model
    return {
        "nonsquare.output": tower(nonsquare).last_hidden_state,
        "padded.patch_attention_mask": mask.to(torch.uint8),
        "padded.output": tower(padded, patch_attention_mask=mask).last_hidden_state,
    }


def position_buckets(model: Idefics3ForConditionalGeneration) -> dict:
    """Position of each patch, for each side and each number of real patches along it.

    Positions are read from the model's embedding layer: row i of the position table holds i, and patches are zero.
    """
    return {str(side): [_buckets(model, side, real) for real in range(1, side + 1)] for side in SIDES}


@torch.no_grad()
def _buckets(model: Idefics3ForConditionalGeneration, side: int, real: int) -> list[int]:
    config = model.config.vision_config.__class__(
        **{**model.config.vision_config.to_dict(), "image_size": side, "patch_size": 1, "hidden_size": 2}
    )
    layer = type(model.model.vision_model.embeddings)(config)
    torch.nn.init.zeros_(layer.patch_embedding.bias)
    layer.position_embedding.weight.copy_(torch.arange(side * side)[:, None].expand(-1, 2))
    pixels = torch.zeros(1, config.num_channels, side, side)
    mask = torch.zeros(1, side, side, dtype=torch.bool)
    mask[:, :1, :real] = True
    return layer(pixels, mask)[0, :real, 0].long().tolist()
