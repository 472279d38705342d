"""What Qwen2-VL, Qwen2.5-VL and Qwen3-VL have in common: flat patches, merged two by two, and three-axis positions."""

from collections.abc import Callable

import torch
from transformers import BatchFeature, PreTrainedModel, ProcessorMixin
from transformers.vision_utils import get_vision_position_ids

MERGE = 2
# A still image is given twice to the patch convolution, which covers two frames.
FRAMES = 2


def multimodal_ids(names: list[str], ids: dict[str, int]) -> dict[str, int]:
    """Returns configuration entries such as `image_token_id` for names such as `image_token_id`."""
    tokens = {
        "image_token_id": "<|image_pad|>",
        "video_token_id": "<|video_pad|>",
        "vision_start_token_id": "<|vision_start|>",
        "vision_end_token_id": "<|vision_end|>",
        "vision_token_id": "<|vision_pad|>",
    }
    return {name: ids[tokens[name]] for name in names}


def positions(model: PreTrainedModel, inputs: BatchFeature) -> dict[str, torch.Tensor]:
    """Returns `position_ids` `[3, tokens]`, `rope_delta` `[1, 1]` and the row and column of each patch."""
    if "image_grid_thw" not in inputs:
        return {}
    grids = inputs["image_grid_thw"]
    position_ids, delta = model.model.get_rope_index(
        inputs["input_ids"],
        inputs["mm_token_type_ids"],
        image_grid_thw=grids,
        attention_mask=inputs["attention_mask"],
    )
    return {
        "position_ids": position_ids[:, 0],
        "rope_delta": delta,
        "vision_position_ids": get_vision_position_ids(grids, MERGE),
    }


def unit_pixels(processor: ProcessorMixin, patch: int) -> Callable:
    """Returns the function from a conversation's inputs to pixels `[3, height, width]` in 0..1, and back to patches."""
    mean = torch.tensor(processor.image_processor.image_mean)[:, None, None]
    deviation = torch.tensor(processor.image_processor.image_std)[:, None, None]

    def convert(inputs: BatchFeature) -> tuple[torch.Tensor, Callable[[torch.Tensor], torch.Tensor]]:
        _, rows, columns = inputs["image_grid_thw"][0].tolist()
        cells = (rows // MERGE, columns // MERGE)
        patches = inputs["pixel_values"].reshape(*cells, MERGE, MERGE, 3, FRAMES, patch, patch)
        image = patches[:, :, :, :, :, 0].permute(4, 0, 2, 5, 1, 3, 6).reshape(3, rows * patch, columns * patch)

        def build(unit: torch.Tensor) -> torch.Tensor:
            split = ((unit - mean) / deviation).reshape(3, cells[0], MERGE, patch, cells[1], MERGE, patch)
            frame = split.permute(1, 4, 2, 5, 0, 3, 6).unsqueeze(5)
            both = frame.expand(-1, -1, -1, -1, -1, FRAMES, -1, -1)
            return both.reshape(rows * columns, 3 * FRAMES * patch * patch)

        return image * deviation + mean, build

    return convert
