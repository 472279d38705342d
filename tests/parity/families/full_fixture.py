"""Everything that is recorded of one family."""

import importlib.metadata
import shutil
from collections.abc import Callable

import torch
from safetensors.torch import save_file

from maker import environment

from . import adapters, gradients, inputs, layouts, recording
from .family import Conversation, Family, load_processor
from .options import Options


def make(build: Callable[[Options], Family], options: Options) -> None:
    """Builds a family and writes its folder `options.out`, which is emptied before."""
    shutil.rmtree(options.out, ignore_errors=True)
    options.model.mkdir(parents=True)
    torch.manual_seed(options.seed)
    images = inputs.save_images(options.images, options.image_side, options.out)
    family = build(options)
    conversations = family.conversations(images)
    encoded = [inputs.encode(family.processor, conversation) for conversation in conversations]
    tensors = {}
    for each in encoded:
        tensors |= recording.record(family, each)
    first = encoded[0]
    tensors |= gradients.record(family, first)
    tensors |= adapters.record(family, first, options.out, options.seed)
    infinite = [name for name, value in tensors.items() if not torch.isfinite(value).all()]
    assert not infinite, f"not finite: {infinite}"
    # With too few layers a part has no effect on the answer, such as deepstack features added after the last layer.
    idle = [name for name, value in tensors.items() if ".grad." in name and not value.any()]
    assert not idle, f"gradients are zero: {idle}"
    meta = {
        "family": family.name,
        "options": options.recorded(),
        "versions": {name: importlib.metadata.version(name) for name in environment.PACKAGES},
        "samples": {each.key: each.facts for each in encoded},
        "gradients_of": first.key,
        "torchvision_against_pillow": _torchvision(options, conversations[0], tensors[f"{first.key}.pixel_values"]),
        "names": family.names,
    }
    meta |= layouts.check(family, first, tensors[f"{first.key}.logits"], options.out)
    meta |= adapters.key_patterns(options.out) | family.facts
    tensors = {name: value.detach().clone().contiguous() for name, value in tensors.items()}
    save_file(tensors, options.out / "io.safetensors")
    environment.write_json(options.out / "meta.json", meta)
    _save_extra_images(conversations, images, options)


def _torchvision(options: Options, conversation: Conversation, pixels: torch.Tensor) -> dict:
    """Returns the difference of torchvision's processor from Pillow's, in normalised units."""
    processor = load_processor(options, "torchvision")
    text = processor.apply_chat_template(conversation.messages(answered=True))
    other = inputs.run(processor, text, conversation)["pixel_values"].float()
    difference = (other - pixels.float()).abs()
    return {"max": float(difference.max()), "mean": float(difference.mean())}


def _save_extra_images(conversations: list[Conversation], images: list, options: Options) -> None:
    """Writes the images that a family adds, under the key of the conversation that first shows them."""
    seen = {id(image) for image in images}
    for conversation in conversations:
        for image in conversation.images:
            if id(image) not in seen:
                seen.add(id(image))
                image.save(options.out / f"picture-{conversation.key}.png", optimize=True)
