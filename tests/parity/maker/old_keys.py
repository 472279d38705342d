"""Older names of the same tensors in a checkpoint.

Transformers 5.23 has no key mapping for idefics3 and smolvlm, so the names that it saves and reads never changed. Two
kinds of checkpoints have other names: (1) checkpoints of the model without its head class, whose names lack the leading
`model.`, and (2) checkpoints from before the conversion to transformers, with decoder and projection directly under
`model`. In the second kind, embedding and head may be split in two (`additional_embedding`, `additional_fc`: rows to be
appended), and an unused vision head (`model.vision_model.head`) may be present.
"""

from pathlib import Path

from safetensors import safe_open


def record(weights: Path) -> dict:
    with safe_open(weights, "pt") as file:
        names = sorted(file.keys())
    return {
        "without_head_class": {name: name.removeprefix("model.") for name in names},
        "before_conversion": {name: _before_conversion(name) for name in names},
        "appended_rows": {
            "model.text_model.embed_tokens.weight": "model.embed_tokens.additional_embedding.weight",
            "lm_head.weight": "additional_fc.weight",
        },
        "ignored_prefixes": ["model.vision_model.head."],
    }


def _before_conversion(name: str) -> str:
    return name.replace("model.text_model.", "model.").replace("model.connector.", "model.")
