"""Encodes conversations as model inputs: rendered text, ids, tiles, supervised tokens."""

from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import Idefics3ImageProcessor, Idefics3Processor

from . import pictures

IGNORED = -100
# Ends every turn in the chat template. It is supervised with the answer.
END_OF_TURN = "<end_of_utterance>"


@dataclass
class Encoded:
    """One conversation, encoded as a batch of one."""

    text: str
    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    pixel_values: torch.Tensor | None
    pixel_attention_mask: torch.Tensor | None
    labels: torch.Tensor
    grid: list[list[int]]

    def inputs(self) -> dict[str, torch.Tensor]:
        """Returns the arguments of `forward` and `generate`."""
        named = {
            "input_ids": self.input_ids,
            "attention_mask": self.attention_mask,
            "pixel_values": self.pixel_values,
            "pixel_attention_mask": self.pixel_attention_mask,
        }
        return {name: value for name, value in named.items() if value is not None}

    def supervised(self) -> list[int]:
        """Returns the indices of the tokens in the loss."""
        return (self.labels[0] != IGNORED).nonzero()[:, 0].tolist()


def render(processor: Idefics3Processor, messages: list[dict], generation_prompt: bool) -> str:
    return processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=generation_prompt)


def encode(
    processor: Idefics3Processor, images: Path, case: dict, messages: list[dict], generation_prompt: bool
) -> Encoded:
    """Encodes `messages` (some or all of the case) with the images of the case."""
    text = render(processor, messages, generation_prompt)
    loaded = [pictures.load(images, name) for name in case["images"]] or None
    options = image_options(case)
    made = processor(text=text, images=loaded, return_tensors="pt", **(options if loaded else {}))
    grid = []
    if loaded:
        tiles = processor.image_processor(loaded, return_row_col_info=True, **options)
        grid = [list(pair) for pair in zip(tiles["rows"][0], tiles["cols"][0], strict=True)]
    ids = made["input_ids"]
    return Encoded(
        text=text,
        input_ids=ids,
        attention_mask=made["attention_mask"],
        pixel_values=made.get("pixel_values"),
        pixel_attention_mask=made.get("pixel_attention_mask"),
        labels=supervised_labels(processor, messages, ids),
        grid=grid,
    )


def image_options(case: dict) -> dict:
    options = {"do_image_splitting": case["do_image_splitting"]}
    return options | ({"size": case["size"]} if "size" in case else {})


def supervised_labels(processor: Idefics3Processor, messages: list[dict], ids: torch.Tensor) -> torch.Tensor:
    """Labels of each supervised answer, from the space after `Assistant:` through the end of its turn."""
    tokenizer = processor.tokenizer
    expanded = tokenizer.decode(ids[0], skip_special_tokens=False, clean_up_tokenization_spaces=False)
    again = tokenizer(expanded, return_offsets_mapping=True)
    assert again["input_ids"] == ids[0].tolist(), "decoding and encoding again must give the same tokens"
    labels = torch.full_like(ids, IGNORED)
    cursor = 0
    for message in messages:
        if not message["supervised"]:
            continue
        reply = f" {message['content'][0]['text']}{END_OF_TURN}"
        start = expanded.index("Assistant:" + reply, cursor) + len("Assistant:")
        cursor = start + len(reply)
        for place, (first, last) in enumerate(again["offset_mapping"]):
            if start <= first and last <= cursor:
                labels[0, place] = ids[0, place]
    return labels


def torchvision_difference(processor: Idefics3Processor, images: Path, case: dict, encoded: Encoded) -> float | None:
    """Largest difference of transformers' default (torchvision) processor from Pillow, in normalised units."""
    if not case["images"]:
        return None
    settings = processor.image_processor.to_dict()
    settings.pop("image_processor_type", None)
    default = Idefics3ImageProcessor(**settings)
    loaded = [pictures.load(images, name) for name in case["images"]]
    other = default(loaded, return_tensors="pt", **image_options(case))["pixel_values"]
    return (other - encoded.pixel_values).abs().max().item()
