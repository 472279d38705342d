"""`fixtures.safetensors` and `fixtures.json`: reference values of the tiny model."""

from pathlib import Path

import torch
from safetensors.torch import save_file

from . import batching, conversations, encoding, environment, full, lora, targets, tiny_folder, tower, trace

# Conversations whose pixel gradient is recorded. More would only enlarge the file.
PIXEL_GRADIENTS = {"single", "split", "two_images", "multi_turn"}
# The conversation for training: an image, a system turn and two supervised answers.
TRAINED = "multi_turn"
# A shorter conversation, for the adapter on every linear layer and for cases that record only logits.
SHORT = "single"
# Micro-batches with different numbers of supervised tokens.
ACCUMULATED = ["multi_turn", "two_images"]


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
        turns = case["messages"]
        answered[name] = encoding.encode(processor, images, case, turns, generation_prompt=False)
        prompt = encoding.encode(processor, images, case, turns[:-1], generation_prompt=True)
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

    facts["batches"] = batching.record(model, processor, images, answered)
    tensors |= _prefixed("tower", tower.record(model, tensors))
    facts["position_buckets"] = tower.position_buckets(model)
    recorded, facts["training"] = _training(here, folder, answered)
    tensors |= recorded
    facts["target_modules"] = targets.record(folder)

    save_file({name: value.contiguous() for name, value in tensors.items()}, here / "fixtures.safetensors")
    environment.write_json(here / "fixtures.json", facts)


def _training(here: Path, folder: Path, answered: dict[str, encoding.Encoded]) -> tuple[dict, dict]:
    trained, other = answered[TRAINED], answered[SHORT]
    tensors: dict[str, torch.Tensor] = {}
    facts: dict[str, dict] = {"adamw": lora.ADAMW | {"betas": list(lora.ADAMW["betas"])}}

    def keep(name: str, conversation: str | list[str], recorded: dict, found: dict) -> None:
        tensors.update(_prefixed(name, recorded))
        facts[name] = {"conversation": conversation, **found}

    keep("lora", TRAINED, *lora.record(folder, trained, lora.DECODER_LINEARS, here / "tiny-lora"))
    keep("lora_all", SHORT, *lora.record(folder, other, "all-linear", here / "tiny-lora-all"))
    keep("rslora", SHORT, {"logits": lora.rslora(folder, other, here / "tiny-lora-rslora")}, {})
    keep("accumulated", ACCUMULATED, *lora.accumulated(folder, [answered[name] for name in ACCUMULATED]))
    keep("full", TRAINED, *full.record(folder, trained))
    keep("tied", SHORT, {"logits": full.tied_logits(folder, other)}, {})
    return tensors, facts


def _sequence(encoded: encoding.Encoded) -> dict:
    mask = encoded.pixel_attention_mask
    assert encoded.attention_mask.all() and (mask is None or mask.all()), "one conversation alone has no padding"
    return {
        "text": encoded.text,
        "input_ids": encoded.input_ids[0].tolist(),
        "supervised": encoded.supervised(),
    }


def _prefixed(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {f"{prefix}.{name}": value for name, value in tensors.items()}
