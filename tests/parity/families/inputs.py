"""Conversations as a processor gives them: ids, labels and pixels."""

from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from transformers import BatchFeature, ProcessorMixin

from .family import SYSTEM, Conversation


def save_images(sources: list[Path], side: int, folder: Path) -> list[Image.Image]:
    """Writes the images as picture0.png, ..., at most `side` pixels wide and high, every second one cropped to 3/5 of
    its width, so that shapes differ. Returns the written images in RGB.
    """
    images = []
    for place, source in enumerate(sources):
        image = Image.open(source).convert("RGB")
        if place % 2:
            image = image.crop((0, 0, int(0.6 * image.width), image.height))
        image.thumbnail((side, side))
        image.save(folder / f"picture{place}.png", optimize=True)
        images.append(image)
    return images


@dataclass
class Encoded:
    """Inputs of a conversation with its answer (`full`) and without it (`prompt`).

    `labels` `[1, tokens]` are -100 outside the answer. `facts` is the entry of the conversation in `meta.json`.
    """

    key: str
    full: BatchFeature
    prompt: BatchFeature
    labels: torch.Tensor
    facts: dict

    @property
    def supervised(self) -> list[int]:
        return (self.labels[0] >= 0).nonzero().flatten().tolist()


def encode(processor: ProcessorMixin, conversation: Conversation) -> Encoded:
    text = processor.apply_chat_template(conversation.messages(answered=True), add_generation_prompt=False)
    asked = processor.apply_chat_template(conversation.messages(answered=False), add_generation_prompt=True)
    full, prompt = run(processor, text, conversation), run(processor, asked, conversation)
    ids, start = full["input_ids"][0].tolist(), prompt["input_ids"][0].tolist()
    if not conversation.settings:
        assert _ids_in_one_call(processor, conversation) == ids, f"{conversation.key}: ids of apply_chat_template"
    common = next((place for place in range(len(start)) if start[place] != ids[place]), len(start))
    supervised = list(range(common, len(ids)))
    # White space after the answer, such as the newline after the end of the turn, is not supervised.
    while processor.tokenizer.decode([ids[supervised[-1]]]).strip() == "":
        supervised.pop()
    labels = torch.full_like(full["input_ids"], -100)
    labels[0, supervised] = full["input_ids"][0, supervised]
    facts = {
        "text": text,
        "prompt": asked,
        "sizes": [list(image.size) for image in conversation.images],
        "tokens": len(ids),
        "prompt_is_prefix": common == len(start),
        "first_supervised": supervised[0],
        "last_supervised": supervised[-1],
        "question": conversation.question,
        "answer": conversation.answer,
        "system": SYSTEM if conversation.system else None,
        "processor_settings": conversation.settings,
    }
    return Encoded(conversation.key, full, prompt, labels, facts)


def run(processor: ProcessorMixin, text: str, conversation: Conversation) -> BatchFeature:
    """Runs the processor. If the template writes the first special token, the tokenizer must not add it again."""
    first = processor.tokenizer.bos_token
    settings = dict(conversation.settings)
    if first and text.startswith(first):
        settings["text_kwargs"] = {"add_special_tokens": False}
    images = [conversation.images] if conversation.images else None
    return processor(text=[text], images=images, return_tensors="pt", **settings)


def _ids_in_one_call(processor: ProcessorMixin, conversation: Conversation) -> list[int]:
    encoded = processor.apply_chat_template(
        conversation.messages(answered=True, with_images=True),
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        add_generation_prompt=False,
    )
    return encoded["input_ids"][0].tolist()
