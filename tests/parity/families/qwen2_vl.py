"""Tiny random Qwen2.5-VL and Qwen2-VL (`variant` qwen2_vl)."""

import json
import shutil

import torch
from transformers import (
    BatchFeature,
    PreTrainedModel,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
)
from transformers.vision_utils import get_vision_window_index

from maker.environment import write_json

from . import cut_tokenizer, qwen_vision, weights
from .family import Family, conversations, layer_points, load_processor
from .options import Options

RELEASED = [(r"^model\.visual\.", "visual."), (r"^model\.language_model\.", "model.")]
IDS = ["image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id", "vision_token_id"]
# Patches in a side of an attention window.
WINDOW = 8


def build(options: Options) -> Family:
    windows = options.extra.get("variant", "qwen2_5_vl") == "qwen2_5_vl"
    patch = options.patch or 8
    ids = _processor_files(options, patch, windows)
    config = _config(options, ids)
    depth = options.layers + 1
    if windows:
        config["vision_config"] |= _vision_2_5(options, depth, patch)
        model_class, typed = Qwen2_5_VLForConditionalGeneration, Qwen2_5_VLConfig(**config)
    else:
        config |= {"architectures": ["Qwen2VLForConditionalGeneration"], "model_type": "qwen2_vl"}
        config["vision_config"] = _vision_2(options, depth, patch)
        model_class, typed = Qwen2VLForConditionalGeneration, Qwen2VLConfig(**config)
    model = model_class._from_config(typed, attn_implementation="eager").float()
    weights.fill(model, options.seed)
    names = weights.save_both_layouts(model, options.out, config, RELEASED)
    processor = load_processor(options)

    def positions(model: PreTrainedModel, inputs: BatchFeature) -> dict[str, torch.Tensor]:
        found = qwen_vision.positions(model, inputs)
        if found and windows:
            index, ends = get_vision_window_index(inputs["image_grid_thw"], qwen_vision.MERGE, WINDOW * patch, patch)
            found |= {"window_index": index, "cu_window_seqlens": ends}
        return found

    blocks = layer_points("model.visual", "blocks", depth, options.layers)
    return Family(
        name="qwen2_5_vl" if windows else "qwen2_vl",
        model=model,
        processor=processor,
        names=names,
        points={"vis_patches": "model.visual.patch_embed", "merged": "model.visual.merger"} | blocks,
        conversations=lambda images: conversations(images, system=True),
        unit_pixels=qwen_vision.unit_pixels(processor, patch),
        positions=positions,
    )


def _processor_files(options: Options, patch: int, windows: bool) -> dict[str, int]:
    """Writes all files but configuration and weights. Returns the id of every token."""
    real, folder = options.models / "qwen2.5-vl-7b-instruct", options.model
    tokenizer, ids = cut_tokenizer.cut(cut_tokenizer.qwen2_5(options.models), options.merges)
    cut_tokenizer.write(folder, tokenizer, ids, json.loads((real / "tokenizer_config.json").read_text()))
    shutil.copyfile(real / "chat_template.json", folder / "chat_template.json")
    preprocessor = json.loads((real / "preprocessor_config.json").read_text())
    preprocessor |= {"min_pixels": 16 * patch**2, "max_pixels": options.grid * 4 * patch**2, "patch_size": patch}
    if not windows:
        preprocessor["processor_class"] = "Qwen2VLProcessor"
    write_json(folder / "preprocessor_config.json", preprocessor)
    end = ids["<|endoftext|>"]
    generation = json.loads((real / "generation_config.json").read_text())
    generation |= {"bos_token_id": end, "pad_token_id": end, "eos_token_id": [ids["<|im_end|>"], end]}
    write_json(folder / "generation_config.json", generation)
    return ids


def _config(options: Options, ids: dict[str, int]) -> dict:
    """The flat form of the released configuration: decoder entries at the top."""
    config = json.loads((options.models / "qwen2.5-vl-7b-instruct/config.json").read_text())
    heads = 4
    half = options.hidden // heads // 2
    side = 3 * half // 8
    config |= qwen_vision.multimodal_ids(IDS, ids) | {
        "hidden_size": options.hidden,
        "intermediate_size": 2 * options.hidden + 12,
        "num_hidden_layers": options.layers,
        "max_window_layers": options.layers,
        "num_attention_heads": heads,
        "num_key_value_heads": 2,
        "vocab_size": cut_tokenizer.table_rows(ids),
        "max_position_embeddings": 2048,
        "torch_dtype": "float32",
        "rope_scaling": {"mrope_section": [half - 2 * side, side, side], "rope_type": "mrope", "type": "mrope"},
        "bos_token_id": ids["<|endoftext|>"],
        "eos_token_id": ids["<|im_end|>"],
    }
    if options.tie is not None:
        config["tie_word_embeddings"] = options.tie
    return config


def _vision_2_5(options: Options, depth: int, patch: int) -> dict:
    return {
        "depth": depth,
        "hidden_size": options.hidden // 2,
        "intermediate_size": options.hidden + 6,
        "num_heads": 2,
        "out_hidden_size": options.hidden,
        "fullatt_block_indexes": [1],
        "tokens_per_second": 2,
        "patch_size": patch,
        "spatial_patch_size": patch,
        "window_size": WINDOW * patch,
    }


def _vision_2(options: Options, depth: int, patch: int) -> dict:
    return {
        "depth": depth,
        "embed_dim": options.hidden // 2,
        "mlp_ratio": 4,
        "num_heads": 2,
        "in_chans": 3,
        "hidden_size": options.hidden,
        "patch_size": patch,
        "spatial_merge_size": 2,
        "spatial_patch_size": patch,
        "temporal_patch_size": 2,
    }
