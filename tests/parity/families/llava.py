"""Tiny random LLaVA-1.5.

`tower` clip (class token, features of layer -2) or siglip (no class token, all features of layer -1); `text` llama
(Vicuna), mistral or qwen2.
"""

import copy

from transformers import LlavaConfig, LlavaForConditionalGeneration

from maker.environment import write_json

from . import cut_tokenizer, own_tokenizer, templates, weights
from .family import Family, conversations, layer_points, load_processor, normalised_pixels
from .options import Options

RELEASED = [
    (r"^model\.language_model\.", "language_model.model."),
    (r"^lm_head\.", "language_model.lm_head."),
    (r"^model\.vision_tower\.(?!vision_model)", "vision_tower.vision_model."),
    (r"^model\.", ""),
]
# Patches in a side of the image.
SIDE = 4
VISION_LAYERS = 3
# name of the template -> file with the released template
TEMPLATES = {
    "llava": "llava-1.5-7b-hf/chat_template.json",
    "llava_mistral": "llava-v1.6-mistral-7b-hf/chat_template.json",
}
# Mean and standard deviation of CLIP.
MEAN, DEVIATION = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]


def build(options: Options) -> Family:
    patch = options.patch or 14
    siglip = options.extra.get("tower", "clip") == "siglip"
    text = options.extra.get("text", "llama")
    ids = _processor_files(options, patch, siglip, text == "mistral")
    config = _config(options, ids, patch, siglip, text)
    typed = LlavaConfig(**copy.deepcopy(config))
    model = LlavaForConditionalGeneration._from_config(typed, attn_implementation="eager").float()
    weights.fill(model, options.seed)
    names = weights.save_both_layouts(model, options.out, config, RELEASED)
    processor = load_processor(options)
    tower, projector = "model.vision_tower", "model.multi_modal_projector"
    points = {
        "vis_emb": f"{tower}.embeddings",
        "linear_1": f"{projector}.linear_1",
        "projected": projector,
    }
    if not siglip:
        points["vis_pre_norm"] = f"{tower}.pre_layrnorm"
    return Family(
        name=f"llava-{'siglip' if siglip else 'clip'}-{text}",
        model=model,
        processor=processor,
        names=names,
        points=points | layer_points(tower, "encoder.layers", VISION_LAYERS, options.layers),
        conversations=lambda images: conversations(images, system=False),
        unit_pixels=normalised_pixels(processor),
    )


def write_words(options: Options, processor_class: str, template: str) -> dict[str, int]:
    """Writes the tokenizer, the template and generation_config.json. Returns the id of every token."""
    folder = options.model
    tokenizer, ids = own_tokenizer.llama(options.merges)
    settings = own_tokenizer.settings(tokenizer) | {
        "add_prefix_space": None,
        "bos_token": "<s>",
        "eos_token": "</s>",
        "extra_special_tokens": {"image_token": "<image>"},
        "image_token": "<image>",
        "legacy": False,
        "processor_class": processor_class,
        "tokenizer_class": "LlamaTokenizer",
    }
    cut_tokenizer.write(folder, tokenizer, ids, settings)
    templates.compare(template, options.models / TEMPLATES[template])
    templates.write(template, folder)
    ends = {"bos_token_id": ids["<s>"], "eos_token_id": ids["</s>"], "pad_token_id": ids["<pad>"]}
    write_json(folder / "generation_config.json", ends)
    return ids


def clip_files(side: int, patch: int, processor_class: str) -> tuple[dict, dict]:
    """Returns preprocessor_config.json and processor_config.json with CLIP's images. `side` is in pixels."""
    preprocessor = {
        "crop_size": {"height": side, "width": side},
        "do_center_crop": True,
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": MEAN,
        "image_processor_type": "CLIPImageProcessor",
        "image_std": DEVIATION,
        "processor_class": processor_class,
        "resample": 3,
        "rescale_factor": 1 / 255,
        "size": {"shortest_edge": side},
    }
    processor = {
        "image_token": "<image>",
        "num_additional_image_tokens": 1,
        "patch_size": patch,
        "processor_class": processor_class,
        "vision_feature_select_strategy": "default",
    }
    return preprocessor, processor


def _processor_files(options: Options, patch: int, siglip: bool, mistral: bool) -> dict[str, int]:
    """Writes all files but configuration and weights. Returns the id of every token."""
    folder, side = options.model, SIDE * patch
    ids = write_words(options, "LlavaProcessor", "llava_mistral" if mistral else "llava")
    preprocessor, processor = clip_files(side, patch, "LlavaProcessor")
    if siglip:
        del preprocessor["crop_size"]
        preprocessor |= {
            "size": {"height": side, "width": side},
            "do_center_crop": False,
            "image_mean": [0.5] * 3,
            "image_std": [0.5] * 3,
            "image_processor_type": "SiglipImageProcessor",
        }
        processor |= {"num_additional_image_tokens": 0, "vision_feature_select_strategy": "full"}
    write_json(folder / "preprocessor_config.json", preprocessor)
    write_json(folder / "processor_config.json", processor)
    return ids


def _config(options: Options, ids: dict[str, int], patch: int, siglip: bool, text: str) -> dict:
    words = cut_tokenizer.table_rows(ids)
    if text == "mistral":
        decoder = mistral_text(options, words) | {"head_dim": options.hidden // 4 + 8}
    elif text == "qwen2":
        grouped = {"num_key_value_heads": 2, "rope_theta": 1000000.0}
        decoder = {"model_type": "qwen2"} | grouped | text_sizes(options, words)
    else:
        decoder = {"model_type": "llama", "num_key_value_heads": 4, **text_sizes(options, words)}
    if siglip:
        vision = {"model_type": "siglip_vision_model", "vision_use_head": False}
    else:
        vision = {"model_type": "clip_vision_model", "projection_dim": 24}
    return {
        "architectures": ["LlavaForConditionalGeneration"],
        "ignore_index": -100,
        "image_token_index": ids["<image>"],
        "model_type": "llava",
        "pad_token_id": ids["<pad>"],
        "projector_hidden_act": "gelu",
        "text_config": decoder,
        "tie_word_embeddings": bool(options.tie),
        "torch_dtype": "float32",
        "vision_config": vision | vision_sizes(options, SIDE * patch, patch),
        "vision_feature_layer": -1 if siglip else -2,
        "vision_feature_select_strategy": "full" if siglip else "default",
        "vocab_size": words,
    }


def mistral_text(options: Options, words: int) -> dict:
    kind = {"model_type": "mistral", "num_key_value_heads": 2, "rope_theta": 1000000.0, "sliding_window": None}
    return kind | text_sizes(options, words)


def text_sizes(options: Options, words: int) -> dict:
    return {
        "hidden_size": options.hidden,
        "intermediate_size": 2 * options.hidden + 12,
        "num_hidden_layers": options.layers,
        "num_attention_heads": 4,
        "rms_norm_eps": 1e-5,
        "vocab_size": words,
        "max_position_embeddings": 2048,
        "torch_dtype": "float32",
    }


def vision_sizes(options: Options, side: int, patch: int) -> dict:
    return {
        "hidden_size": options.hidden // 2,
        "intermediate_size": options.hidden + 6,
        "num_hidden_layers": VISION_LAYERS,
        "num_attention_heads": 2,
        "image_size": side,
        "patch_size": patch,
    }
