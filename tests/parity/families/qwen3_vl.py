"""Tiny random dense Qwen3-VL: `size` 4b (tied head, as released) or 8b (a head of its own)."""

import copy
import json
import shutil
from pathlib import Path

import torch
from transformers import BatchFeature, PreTrainedModel, Qwen3VLConfig, Qwen3VLForConditionalGeneration
from transformers.vision_utils import get_vision_interpolation_indices_and_weights

from maker.environment import write_json

from . import cut_tokenizer, qwen_vision, weights
from .family import Family, conversations, layer_points, load_processor
from .options import Options

IDS = ["image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id"]
# Positions in a side of the table that is interpolated.
TABLE_SIDE = 6


def build(options: Options) -> Family:
    patch = options.patch or 8
    real = options.models / f"qwen3-vl-{options.extra.get('size', '4b')}-instruct"
    ids = _processor_files(options, real, patch)
    config = json.loads((real / "config.json").read_text())
    depth = options.layers
    _reduce(config, options, ids, depth, patch)
    typed = Qwen3VLConfig(**copy.deepcopy(config))
    model = Qwen3VLForConditionalGeneration._from_config(typed, attn_implementation="eager").float()
    weights.fill(model, options.seed)
    # Released under the names of the modules.
    names = weights.save_both_layouts(model, options.out, config, [])
    processor = load_processor(options)
    first = {"vis_patches": "model.visual.patch_embed", "merged": "model.visual.merger"}
    deep = {f"deepstack{place}": f"model.visual.deepstack_merger_list.{place}" for place in range(2)}
    return Family(
        name="qwen3_vl",
        model=model,
        processor=processor,
        names=names,
        points=first | deep | layer_points("model.visual", "blocks", depth, options.layers),
        conversations=lambda images: conversations(images, system=True),
        unit_pixels=qwen_vision.unit_pixels(processor, patch),
        positions=_positions,
    )


def _positions(model: PreTrainedModel, inputs: BatchFeature) -> dict[str, torch.Tensor]:
    found = qwen_vision.positions(model, inputs)
    if found:
        indices, shares = get_vision_interpolation_indices_and_weights(
            inputs["image_grid_thw"],
            TABLE_SIDE,
            mode="bilinear",
            align_corners=True,
            spatial_merge_size=qwen_vision.MERGE,
        )
        found |= {"interpolation_indices": indices, "interpolation_weights": shares}
    return found


def _processor_files(options: Options, real: Path, patch: int) -> dict[str, int]:
    """Writes all files but configuration and weights. Returns the id of every token."""
    words, folder = options.models / "qwen3-text-tokenizer", options.model
    tokenizer, ids = cut_tokenizer.cut(json.loads((words / "tokenizer.json").read_text()), options.merges)
    settings = json.loads((words / "tokenizer_config.json").read_text())
    settings.pop("chat_template", None)
    cut_tokenizer.write(folder, tokenizer, ids, settings)
    shutil.copyfile(real / "chat_template.jinja", folder / "chat_template.jinja")
    preprocessor = json.loads((real / "preprocessor_config.json").read_text())
    size = {"shortest_edge": 16 * patch**2, "longest_edge": options.grid * 4 * patch**2}
    write_json(folder / "preprocessor_config.json", preprocessor | {"size": size, "patch_size": patch})
    end = ids["<|endoftext|>"]
    generation = {"bos_token_id": end, "pad_token_id": end, "eos_token_id": [ids["<|im_end|>"], end]}
    sampling = {"do_sample": True, "temperature": 0.7, "top_p": 0.8, "top_k": 20}
    write_json(folder / "generation_config.json", generation | sampling)
    return ids


def _reduce(config: dict, options: Options, ids: dict[str, int], depth: int, patch: int) -> None:
    """Replaces the sizes and ids of the released configuration. Head width times heads differs from the width."""
    head_dim = options.hidden // 4 + 8
    half = head_dim // 2
    side = 5 * half // 16
    config |= qwen_vision.multimodal_ids(IDS, ids) | {"torch_dtype": "float32"}
    if options.tie is not None:
        config["tie_word_embeddings"] = options.tie
    text = config["text_config"]
    for name in ("dtype", "tie_word_embeddings"):
        text.pop(name, None)
    text |= {
        "hidden_size": options.hidden,
        "intermediate_size": 2 * options.hidden + 12,
        "num_hidden_layers": options.layers,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": head_dim,
        "vocab_size": cut_tokenizer.table_rows(ids),
        "max_position_embeddings": 2048,
        "bos_token_id": ids["<|endoftext|>"],
        "eos_token_id": ids["<|im_end|>"],
        "rope_scaling": {
            "mrope_interleaved": True,
            "mrope_section": [half - 2 * side, side, side],
            "rope_type": "default",
        },
    }
    config["vision_config"] |= {
        "depth": depth,
        "hidden_size": options.hidden // 2,
        "intermediate_size": options.hidden + 6,
        "num_heads": 2,
        "out_hidden_size": options.hidden,
        "num_position_embeddings": TABLE_SIDE**2,
        "deepstack_visual_indexes": [0, depth - 1],
        "patch_size": patch,
    }
