"""Tiny random InternVL3 in the -hf form: InternViT with layer scale, pixel shuffle, Qwen2 decoder with biases."""

import copy
import json

from PIL import Image
from transformers import InternVLConfig, InternVLForConditionalGeneration

from maker.environment import write_json

from . import cut_tokenizer, templates, weights
from .family import QUESTIONS, Conversation, Family, conversations, layer_points, load_processor, normalised_pixels
from .options import Options

RELEASED = [
    (r"^model\.language_model\.", "language_model.model."),
    (r"^lm_head\.", "language_model.lm_head."),
    (r"^model\.", ""),
]
# Patches in a side of a tile. Each 2 x 2 become one token.
SIDE, TOKENS, VISION_LAYERS = 8, 16, 2
MEAN, DEVIATION = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
NAMED_TOKENS = {
    "start_image_token": "<img>",
    "end_image_token": "</img>",
    "context_image_token": "<IMG_CONTEXT>",
    "video_token": "<video>",
}
OTHER_TOKENS = ("<quad>", "</quad>", "<ref>", "</ref>", "<box>", "</box>")


def build(options: Options) -> Family:
    patch = options.patch or 6
    ids = write_words(options)
    _write_processor(options, SIDE * patch)
    config = _config(options, ids, patch)
    typed = InternVLConfig(**copy.deepcopy(config))
    model = InternVLForConditionalGeneration._from_config(typed, attn_implementation="eager").float()
    weights.fill(model, options.seed)
    names = weights.save_both_layouts(model, options.out, config, RELEASED)
    processor = load_processor(options)
    tower, projector = "model.vision_tower", "model.multi_modal_projector"
    points = {
        "vis_emb": f"{tower}.embeddings",
        "projected_norm": f"{projector}.layer_norm",
        "projected": projector,
    }
    return Family(
        name="internvl",
        model=model,
        processor=processor,
        names=names,
        points=points | layer_points(tower, "encoder.layer", VISION_LAYERS, options.layers),
        conversations=_conversations,
        unit_pixels=normalised_pixels(processor),
    )


def _conversations(images: list[Image.Image]) -> list[Conversation]:
    """The usual conversations, whose images are cut into tiles, and an image in one tile."""
    whole = {"images_kwargs": {"crop_to_patches": False}}
    return [
        *conversations(images, system=True),
        Conversation("one-tile", images[:1], *QUESTIONS[0], settings=whole),
    ]


def write_words(options: Options) -> dict[str, int]:
    """Writes generation_config.json and Qwen2.5's cut tokenizer with InternVL's tokens. Returns all ids by token."""
    tokenizer = cut_tokenizer.qwen2_5(options.models)
    settings = json.loads((options.models / "qwen2.5-vl-7b-instruct/tokenizer_config.json").read_text())
    flags = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True}
    first = max(token["id"] for token in tokenizer["added_tokens"]) + 1
    for number, name in enumerate((*NAMED_TOKENS.values(), *OTHER_TOKENS), first):
        token = {"content": name, **flags}
        tokenizer["added_tokens"].append({"id": number, **token})
        settings["added_tokens_decoder"][str(number)] = token
    settings |= {"extra_special_tokens": NAMED_TOKENS, "processor_class": "InternVLProcessor", **NAMED_TOKENS}
    settings.pop("chat_template", None)
    tokenizer, ids = cut_tokenizer.cut(tokenizer, options.merges)
    cut_tokenizer.write(options.model, tokenizer, ids, settings)
    end = ids["<|endoftext|>"]
    generation = {"bos_token_id": end, "eos_token_id": ids["<|im_end|>"], "pad_token_id": end}
    write_json(options.model / "generation_config.json", generation)
    return ids


def _write_processor(options: Options, side: int) -> None:
    size = {"height": side, "width": side}
    preprocessor = {
        "crop_to_patches": False,
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": MEAN,
        "image_std": DEVIATION,
        "image_processor_type": "GotOcr2ImageProcessorFast",
        "max_patches": 6,
        "min_patches": 1,
        "processor_class": "InternVLProcessor",
        "resample": 3,
        "rescale_factor": 1 / 255,
        "size": size,
    }
    processor = {"image_seq_length": TOKENS, "processor_class": "InternVLProcessor"}
    video = {"video_processor_type": "InternVLVideoProcessor", "size": size}
    (options.model / "chat_template.jinja").write_text(templates.own("internvl"), encoding="utf-8")
    write_json(options.model / "preprocessor_config.json", preprocessor)
    write_json(options.model / "processor_config.json", processor)
    write_json(options.model / "video_preprocessor_config.json", video)


def _config(options: Options, ids: dict[str, int], patch: int) -> dict:
    side, tied = SIDE * patch, bool(options.tie)
    text = {
        "model_type": "qwen2",
        "hidden_act": "silu",
        "hidden_size": options.hidden,
        "intermediate_size": 2 * options.hidden + 12,
        "num_hidden_layers": options.layers,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 2048,
        "rms_norm_eps": 1e-6,
        "rope_theta": 1000000.0,
        "rope_scaling": {"factor": 2.0, "rope_type": "dynamic", "type": "dynamic"},
        "sliding_window": None,
        "use_sliding_window": False,
        "max_window_layers": 70,
        "vocab_size": cut_tokenizer.table_rows(ids),
        "bos_token_id": ids["<|endoftext|>"],
        "eos_token_id": ids["<|im_end|>"],
        "tie_word_embeddings": tied,
    }
    vision = {
        "model_type": "internvl_vision",
        "attention_bias": True,
        "hidden_act": "gelu",
        "hidden_size": options.hidden // 2,
        "image_size": [side, side],
        "intermediate_size": options.hidden + 6,
        "layer_norm_eps": 1e-6,
        "layer_scale_init_value": 0.1,
        "norm_type": "layer_norm",
        "num_attention_heads": 2,
        "num_hidden_layers": VISION_LAYERS,
        "patch_size": [patch, patch],
        "use_absolute_position_embeddings": True,
        "use_mean_pooling": True,
        "use_qk_norm": False,
    } | options.extra
    return {
        "architectures": ["InternVLForConditionalGeneration"],
        "downsample_ratio": 0.5,
        "image_seq_length": TOKENS,
        "image_token_id": ids["<IMG_CONTEXT>"],
        "model_type": "internvl",
        "projector_hidden_act": "gelu",
        "tie_word_embeddings": tied,
        "text_config": text,
        "vision_config": vision,
        "vision_feature_layer": -1,
        "vision_feature_select_strategy": "default",
        "torch_dtype": "float32",
    }
