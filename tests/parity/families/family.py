"""What a family maker builds, and the conversations that are recorded for every family."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoProcessor, BatchFeature, PreTrainedModel, ProcessorMixin

from .options import Options

QUESTIONS = (
    ("Which view of the chest is this?", "PA."),
    ("Is there consolidation in the left lung?", "Yes, at the base."),
)
SYSTEM = "Answer briefly."
DECODER_LINEARS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@dataclass
class Conversation:
    """One question with its answer. `settings` are further arguments of the processor."""

    key: str
    images: list[Image.Image]
    question: str
    answer: str
    system: bool = False
    settings: dict = field(default_factory=dict)

    def messages(self, answered: bool, with_images: bool = False) -> list[dict]:
        """Returns the messages of a chat template, with or without the answer, optionally with the images inside."""
        shown = [{"type": "image", "image": image} if with_images else {"type": "image"} for image in self.images]
        messages = [_turn("system", SYSTEM)] if self.system else []
        messages.append({"role": "user", "content": [*shown, {"type": "text", "text": self.question}]})
        return [*messages, _turn("assistant", self.answer)] if answered else messages


def _turn(role: str, text: str) -> dict:
    return {"role": role, "content": [{"type": "text", "text": text}]}


def conversations(images: list[Image.Image], system: bool) -> list[Conversation]:
    """Returns the conversations of every family: one image each, two images, none.

    With `system`, the second conversation has a system turn.
    """
    single = [
        Conversation(f"img{place}", [image], *QUESTIONS[place % 2], system=system and place == 1)
        for place, image in enumerate(images)
    ]
    two = Conversation("two", images[:2], "Compare the pictures.", "They differ.")
    return [*single, two, Conversation("text", [], "What is a lung?", "An organ.")]


def no_positions(model: PreTrainedModel, inputs: BatchFeature) -> dict[str, torch.Tensor]:
    return {}


@dataclass
class Family:
    """A tiny model with its processor, and how its values are recorded.

    - `points`: label of an activation -> path of the module whose output is recorded.
    - `conversations`: makes the conversations from the images.
    - `unit_pixels`: from the inputs of a conversation to the pixels in 0..1 of its first image, and the function from
      these pixels to `pixel_values`.
    - `positions`: further integer or float tensors of a conversation (positions, window order, packed features).
    - `decoder`: path of the decoder, whose inputs are recorded and whose linear layers get an adapter.
    - `facts`: further entries of `meta.json`.
    """

    name: str
    model: PreTrainedModel
    processor: ProcessorMixin
    names: dict[str, str]
    points: dict[str, str]
    conversations: Callable[[list[Image.Image]], list[Conversation]]
    unit_pixels: Callable[[BatchFeature], tuple[torch.Tensor, Callable[[torch.Tensor], torch.Tensor]]]
    positions: Callable[[PreTrainedModel, BatchFeature], dict[str, torch.Tensor]] = no_positions
    decoder: str = "model.language_model"
    facts: dict = field(default_factory=dict)

    def decoder_linears(self) -> str:
        """Regular expression of the linear layers of the decoder, as saved in `adapter/adapter_config.json`."""
        return rf".*{self.decoder.rpartition('.')[2]}.*\.({'|'.join(DECODER_LINEARS)})$"


def load_processor(options: Options, backend: str = "pil") -> ProcessorMixin:
    """Loads the processor of `model/`. Pillow processes the pixels, unless `backend` is torchvision."""
    processor = AutoProcessor.from_pretrained(options.model)
    processor.image_processor = AutoImageProcessor.from_pretrained(options.model, backend=backend)
    return processor


def normalised_pixels(processor: ProcessorMixin) -> Callable:
    """Returns `unit_pixels` of families whose `pixel_values` are images: only mean and deviation are undone."""
    mean = torch.tensor(processor.image_processor.image_mean)[:, None, None]
    deviation = torch.tensor(processor.image_processor.image_std)[:, None, None]

    def unit_pixels(inputs: BatchFeature) -> tuple[torch.Tensor, Callable[[torch.Tensor], torch.Tensor]]:
        return inputs["pixel_values"] * deviation + mean, lambda unit: (unit - mean) / deviation

    return unit_pixels


def layer_points(tower: str, blocks: str, depth: int, layers: int) -> dict[str, str]:
    """Returns the points of tower blocks and decoder layers, in the order of the computation."""
    vision = {f"vis_block{place}": f"{tower}.{blocks}.{place}" for place in range(depth)}
    text = {f"layer{place}": f"model.language_model.layers.{place}" for place in range(layers)}
    return vision | text | {"text_out": "model.language_model"}
