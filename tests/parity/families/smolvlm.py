"""Tiny random SmolVLM2: the tiny Idefics3 of this repository under SmolVLM2's model type and processor class.

The sizes are fixed: the options that change sizes have no effect.
"""

import copy
import json

from transformers import SmolVLMConfig, SmolVLMForConditionalGeneration

from maker import tiny_folder
from maker.environment import write_json

from . import weights
from .family import Family, conversations, load_processor, normalised_pixels
from .options import Options

# Side of a tile in pixels, and in patches.
TILE, PATCHES = 32, 4
CLASSES = {"processor_class": "SmolVLMProcessor"}


def build(options: Options) -> Family:
    _write_folder(options)
    config = json.loads((options.model / "config.json").read_text())
    typed = SmolVLMConfig(**copy.deepcopy(config))
    model = SmolVLMForConditionalGeneration._from_config(typed, attn_implementation="eager").float()
    weights.fill(model, options.seed)
    names = weights.save_both_layouts(model, options.out, config, [])
    processor = load_processor(options)
    blocks = {f"vis_block{place}": f"model.vision_model.encoder.layers.{place}" for place in range(2)}
    layers = {f"layer{place}": f"model.text_model.layers.{place}" for place in range(2)}
    points = {"vis_emb": "model.vision_model.embeddings", "projected": "model.connector", "text_out": "model.text_model"}
    return Family(
        name="smolvlm",
        model=model,
        processor=processor,
        names=names,
        points=points | blocks | layers,
        conversations=lambda images: conversations(images, system=True),
        unit_pixels=normalised_pixels(processor),
        decoder="model.text_model",
    )


def _write_folder(options: Options) -> None:
    """Writes the folder of the tiny Idefics3 with smaller tiles, and replaces its class names."""
    folder = options.model
    tiny_folder.build(options.models / "smolvlm-256m-instruct", folder, options.out / "new-layout")
    sizes = {"max_image_size": {"longest_edge": TILE}, "size": {"longest_edge": 2 * TILE}}
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "smolvlm", "architectures": ["SmolVLMForConditionalGeneration"]}
    tile = {"model_type": "smolvlm_vision", "image_size": TILE, "patch_size": TILE // PATCHES}
    config["vision_config"] |= sizes | tile
    write_json(folder / "config.json", config)
    changes = {
        "preprocessor_config.json": CLASSES | sizes | {"image_processor_type": "SmolVLMImageProcessor"},
        "processor_config.json": CLASSES,
        "tokenizer_config.json": CLASSES,
    }
    for file, change in changes.items():
        write_json(folder / file, json.loads((folder / file).read_text()) | change)
