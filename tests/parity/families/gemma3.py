"""Tiny random Gemma 3 with images. MedGemma has the same model type."""

import copy

import torch
from PIL import Image
from transformers import BatchFeature, Gemma3Config, Gemma3ForConditionalGeneration, PreTrainedModel

from maker.environment import write_json

from . import cut_tokenizer, own_tokenizer, templates, weights
from .family import QUESTIONS, Conversation, Family, conversations, layer_points, load_processor, normalised_pixels
from .options import Options

RELEASED = [
    (r"^model\.language_model\.", "language_model.model."),
    (r"^lm_head\.", "language_model.lm_head."),
    (r"^model\.vision_tower\.(?!vision_model)", "vision_tower.vision_model."),
    (r"^model\.", ""),
]
# The text norms and the norm before the projection add 1 to the stored gain. Words are multiplied by the root of the
# width when they are read, so the table is small.
SCALES = weights.Scales(
    zero_gains=(r"model\.language_model\.", r"model\.multi_modal_projector\.mm_soft_emb_norm"),
    words=0.08,
    last_gain=2.0,
)
# An image has 16 x 16 patches, of which each 4 x 4 are averaged, as in the real model: 16 tokens.
PATCHES, TOKENS, VISION_LAYERS = 16, 16, 2


def build(options: Options) -> Family:
    patch = options.patch or 6
    ids = _processor_files(options, PATCHES * patch)
    config = _config(options, ids, patch)
    typed = Gemma3Config(**copy.deepcopy(config))
    model = Gemma3ForConditionalGeneration._from_config(typed, attn_implementation="eager").float()
    weights.fill(model, options.seed, SCALES)
    names = weights.save_both_layouts(model, options.out, config, RELEASED)
    processor = load_processor(options)
    tower, projector = "model.vision_tower", "model.multi_modal_projector"
    points = {
        "vis_emb": f"{tower}.embeddings",
        "vis_out": tower,
        "pooled_normed": f"{projector}.mm_soft_emb_norm",
        "projected": projector,
    }
    return Family(
        name="gemma3",
        model=model,
        processor=processor,
        names=names,
        points=points | layer_points(tower, "encoder.layers", VISION_LAYERS, options.layers),
        conversations=lambda images: _conversations(images, 8 * patch),
        unit_pixels=normalised_pixels(processor),
        positions=_without_token_types,
        facts={"layer_types": typed.text_config.layer_types, "rope_parameters": typed.text_config.rope_parameters},
    )


def _conversations(images: list[Image.Image], smallest_crop: int) -> list[Conversation]:
    """The usual conversations and a wide image with crops (pan and scan)."""
    wide = images[0].resize((images[0].width, images[0].width * 3 // 8))
    crops = {
        "do_pan_and_scan": True,
        "pan_and_scan_min_crop_size": min(smallest_crop, images[0].width // 4),
        "pan_and_scan_max_num_crops": 4,
        "pan_and_scan_min_ratio_to_activate": 1.2,
    }
    return [
        *conversations(images, system=True),
        Conversation("crops", [wide], *QUESTIONS[0], settings={"images_kwargs": crops}),
    ]


def _without_token_types(model: PreTrainedModel, inputs: BatchFeature) -> dict[str, torch.Tensor]:
    """Logits `[1, tokens, vocabulary]` without `token_type_ids`: the tokens of an image are then read causally."""
    if "pixel_values" not in inputs:
        return {}
    with torch.no_grad():
        output = model(**{name: value for name, value in inputs.items() if name != "token_type_ids"})
    return {"logits_without_token_types": output.logits}


def _processor_files(options: Options, side: int) -> dict[str, int]:
    """Writes all files but configuration and weights. Returns the id of every token."""
    folder = options.model
    tokenizer, ids = own_tokenizer.gemma(options.merges)
    named = {
        "boi_token": "<start_of_image>",
        "eoi_token": "<end_of_image>",
        "image_token": "<image_soft_token>",
    }
    settings = own_tokenizer.settings(tokenizer) | {
        **named,
        "bos_token": "<bos>",
        "eos_token": "<end_of_turn>",
        "extra_special_tokens": named,
        "processor_class": "Gemma3Processor",
        "spaces_between_special_tokens": False,
        "tokenizer_class": "GemmaTokenizer",
    }
    cut_tokenizer.write(folder, tokenizer, ids, settings)
    templates.compare("gemma3", options.models / "gemma-3-4b-it/tokenizer_config.json", bos_token="<bos>")
    templates.write("gemma3", folder)
    preprocessor = {
        "do_convert_rgb": None,
        "do_normalize": True,
        "do_pan_and_scan": None,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": [0.5] * 3,
        "image_processor_type": "Gemma3ImageProcessor",
        "image_seq_length": TOKENS,
        "image_std": [0.5] * 3,
        "pan_and_scan_max_num_crops": None,
        "pan_and_scan_min_crop_size": None,
        "pan_and_scan_min_ratio_to_activate": None,
        "processor_class": "Gemma3Processor",
        "resample": 2,
        "rescale_factor": 1 / 255,
        "size": {"height": side, "width": side},
    }
    write_json(folder / "preprocessor_config.json", preprocessor)
    write_json(folder / "processor_config.json", {"image_seq_length": TOKENS, "processor_class": "Gemma3Processor"})
    generation = {
        "bos_token_id": ids["<bos>"],
        "pad_token_id": ids["<pad>"],
        "eos_token_id": [ids["<eos>"], ids["<end_of_turn>"]],
        "do_sample": True,
        "top_k": 64,
        "top_p": 0.95,
        "cache_implementation": "hybrid",
    }
    write_json(folder / "generation_config.json", generation)
    return ids


def _config(options: Options, ids: dict[str, int], patch: int) -> dict:
    """Writes out the values that the released configuration leaves to transformers.

    The score scale (`query_pre_attn_scalar`) differs from the width of a head.
    """
    text = {
        "model_type": "gemma3_text",
        "attention_bias": False,
        "attn_logit_softcapping": None,
        "final_logit_softcapping": None,
        "hidden_activation": "gelu_pytorch_tanh",
        "hidden_size": options.hidden,
        "intermediate_size": 2 * options.hidden + 12,
        "num_hidden_layers": options.layers,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": options.hidden // 4 + 8,
        "query_pre_attn_scalar": options.hidden // 4 + 3,
        "rms_norm_eps": 1e-6,
        "rope_local_base_freq": 10000.0,
        "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
        "rope_theta": 1000000.0,
        "sliding_window": options.extra.get("window", 24),
        "sliding_window_pattern": options.extra.get("pattern", 3),
        "vocab_size": cut_tokenizer.table_rows(ids),
        "max_position_embeddings": 2048,
        "torch_dtype": "float32",
    }
    vision = {
        "model_type": "siglip_vision_model",
        "hidden_act": "gelu_pytorch_tanh",
        "hidden_size": options.hidden // 2,
        "intermediate_size": options.hidden + 6,
        "num_hidden_layers": VISION_LAYERS,
        "num_attention_heads": 2,
        "num_channels": 3,
        "image_size": PATCHES * patch,
        "patch_size": patch,
        "layer_norm_eps": 1e-6,
        "vision_use_head": False,
        "torch_dtype": "float32",
    }
    config = {
        "architectures": ["Gemma3ForConditionalGeneration"],
        "model_type": "gemma3",
        "boi_token_index": ids["<start_of_image>"],
        "eoi_token_index": ids["<end_of_image>"],
        "image_token_index": ids["<image_soft_token>"],
        "bos_token_id": ids["<bos>"],
        "eos_token_id": ids["<end_of_turn>"],
        "pad_token_id": ids["<pad>"],
        "mm_tokens_per_image": TOKENS,
        "text_config": text,
        "vision_config": vision,
        "torch_dtype": "float32",
    }
    if options.tie is not None:
        config["tie_word_embeddings"] = text["tie_word_embeddings"] = options.tie
    return config
