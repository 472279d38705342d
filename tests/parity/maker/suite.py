"""`fixtures.safetensors` and `fixtures.json`: every reference value of the tiny model."""

from pathlib import Path

import torch
from safetensors.torch import save_file

from . import conversations, encoding, environment, lora, tiny_folder, trace
from .encoding import IGNORED

# Where the gradient of the pixels is kept; elsewhere it would only make the file larger.
PIXEL_GRADIENTS = {"single", "split", "two_images", "multi_turn"}
# The conversation whose loss is trained on: an image, a system turn and two supervised answers.
TRAINED = "multi_turn"


def record(here: Path) -> None:
    folder, images = here / "tiny", here / "images"
    model, processor = tiny_folder.load_model(folder), tiny_folder.load_processor(folder)
    tensors: dict[str, torch.Tensor] = {}
    facts = {
        "files": {path.name: environment.sha256(path.read_bytes()) for path in sorted(folder.iterdir())},
        "conversations": {},
    }
    answered = {}
    for name, case in conversations.TINY.items():
        answered[name] = encoding.encode(processor, images, case, answered=True)
        prompt = encoding.encode(processor, images, case, answered=False)
        recorded = trace.activations(model, answered[name])
        if name not in PIXEL_GRADIENTS:
            recorded.pop("pixel_gradient", None)
        tensors |= _prefixed(name, recorded)
        facts["conversations"][name] = {
            **case,
            "grid": answered[name].grid,
            "tiles": 0 if answered[name].pixel_values is None else answered[name].pixel_values.shape[1],
            **_sequence(answered[name]),
            "loss": recorded["loss"].item(),
            "torchvision_max_abs_difference": encoding.torchvision_difference(
                processor, images, case, answered[name]
            ),
            "prompt": {
                "text": prompt.text,
                "input_ids": prompt.input_ids[0].tolist(),
                "greedy": trace.greedy(model, prompt),
                "options": trace.options(model, processor.tokenizer, prompt, conversations.OPTIONS),
            },
        }

    recorded, facts["lora"] = lora.record(folder, answered[TRAINED], lora.DECODER_LINEARS, here / "tiny-lora")
    tensors |= _prefixed("lora", recorded)
    facts["lora"] = {"conversation": TRAINED, **facts["lora"]}

    save_file({name: value.contiguous() for name, value in tensors.items()}, here / "fixtures.safetensors")
    environment.write_json(here / "fixtures.json", facts)


def _sequence(encoded: encoding.Encoded) -> dict:
    labels = encoded.labels[0]
    mask = encoded.pixel_attention_mask
    assert encoded.attention_mask.all() and (mask is None or mask.all()), "one conversation alone has no padding"
    return {
        "text": encoded.text,
        "input_ids": encoded.input_ids[0].tolist(),
        "supervised": (labels != IGNORED).nonzero()[:, 0].tolist(),
    }


def _prefixed(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {f"{prefix}.{name}": value for name, value in tensors.items()}
