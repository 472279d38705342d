"""Tiny random LLaVA-NeXT: CLIP tower, Mistral decoder, tiles, padding cut off, a newline embedding after each row."""

import copy

import torch
from PIL import Image
from transformers import BatchFeature, LlavaNextConfig, LlavaNextForConditionalGeneration, PreTrainedModel

from maker.environment import write_json

from . import cut_tokenizer, weights
from .family import QUESTIONS, Conversation, Family, conversations, layer_points, load_processor, normalised_pixels
from .llava import RELEASED, SIDE, VISION_LAYERS, clip_files, mistral_text, vision_sizes, write_words
from .options import Options

# Rows and columns of tiles.
GRIDS = [(1, 2), (2, 1), (2, 2), (3, 1), (1, 3)]


def build(options: Options) -> Family:
    patch = options.patch or 14
    side = SIDE * patch
    pinpoints = [[rows * side, columns * side] for rows, columns in GRIDS]
    ids = _processor_files(options, patch, pinpoints)
    config = _config(options, ids, patch, pinpoints)
    typed = LlavaNextConfig(**copy.deepcopy(config))
    model = LlavaNextForConditionalGeneration._from_config(typed, attn_implementation="eager").float()
    weights.fill(model, options.seed)
    names = weights.save_both_layouts(model, options.out, config, RELEASED)
    processor = load_processor(options)
    tower = "model.vision_tower"
    points = {"vis_emb": f"{tower}.embeddings", "projected": "model.multi_modal_projector"}
    return Family(
        name="llava_next",
        model=model,
        processor=processor,
        names=names,
        points=points | layer_points(tower, "encoder.layers", VISION_LAYERS, options.layers),
        conversations=_conversations,
        unit_pixels=normalised_pixels(processor),
        positions=_packed_features,
    )


def _conversations(images: list[Image.Image]) -> list[Conversation]:
    """The usual conversations and a tall image, which is also the second of two."""
    first = images[0]
    tall = first.resize((first.width * 3 // 10, first.width * 3 // 4))
    usual = [each for each in conversations(images, system=False) if each.key != "two"]
    two = Conversation("two", [first, tall], "Compare the pictures.", "They differ.")
    return [*usual, Conversation("tall", [tall], *QUESTIONS[0]), two]


def _packed_features(model: PreTrainedModel, inputs: BatchFeature) -> dict[str, torch.Tensor]:
    """Features `[tokens, width]` of each image as they stand in the sequence, with newlines and without padding."""
    if "pixel_values" not in inputs:
        return {}
    with torch.no_grad():
        features = model.model.get_image_features(inputs["pixel_values"], inputs["image_sizes"]).pooler_output
    return {f"packed_features{place}": values for place, values in enumerate(features)}


def _processor_files(options: Options, patch: int, pinpoints: list[list[int]]) -> dict[str, int]:
    """Writes all files but configuration and weights. Returns the id of every token."""
    folder = options.model
    ids = write_words(options, "LlavaNextProcessor", "llava_mistral")
    preprocessor, processor = clip_files(SIDE * patch, patch, "LlavaNextProcessor")
    preprocessor |= {
        "aspect_ratio_setting": "anyres",
        "do_pad": True,
        "image_grid_pinpoints": pinpoints,
        "image_processor_type": "LlavaNextImageProcessor",
    }
    write_json(folder / "preprocessor_config.json", preprocessor)
    write_json(folder / "processor_config.json", processor)
    return ids


def _config(options: Options, ids: dict[str, int], patch: int, pinpoints: list[list[int]]) -> dict:
    words = cut_tokenizer.table_rows(ids)
    vision = {"model_type": "clip_vision_model", "projection_dim": 24}
    config = {
        "architectures": ["LlavaNextForConditionalGeneration"],
        "ignore_index": -100,
        "image_grid_pinpoints": pinpoints,
        "image_token_index": ids["<image>"],
        "model_type": "llava_next",
        "pad_token_id": ids["<pad>"],
        "projector_hidden_act": "gelu",
        "text_config": mistral_text(options, words) | {"head_dim": options.hidden // 4},
        "torch_dtype": "float32",
        "use_image_newline_parameter": True,
        "vision_config": vision | vision_sizes(options, SIDE * patch, patch),
        "vision_feature_layer": options.extra.get("vision_feature_layer", -2),
        "vision_feature_select_strategy": "default",
        "vocab_size": words,
    }
    if options.tie is not None:
        config["tie_word_embeddings"] = options.tie
    return config
