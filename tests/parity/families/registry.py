"""The committed fixtures: maker of the family, its variant, and the sizes of the committed form."""

from collections.abc import Callable

from . import gemma3, internvl, llava, llava_next, qwen2_vl, qwen3_vl, smolvlm
from .family import Family
from .options import Options

# What the encoder of InternVL3 with 6 billion parameters has, and a norm after the last layer.
OTHER_INTERNVIT = {"attention_bias": False, "norm_type": "rms_norm", "use_mean_pooling": False, "use_qk_norm": True}

# name -> maker, options that select the variant, options of the committed size
FIXTURES: dict[str, tuple[Callable[[Options], Family], dict, dict]] = {
    "qwen2_5_vl": (qwen2_vl.build, {}, {"patch": 4}),
    "qwen2_vl": (qwen2_vl.build, {"variant": "qwen2_vl"}, {"patch": 4}),
    "qwen3_vl": (qwen3_vl.build, {}, {"patch": 4, "layers": 3, "grid": 20}),
    "qwen3_vl-untied": (qwen3_vl.build, {"size": "8b"}, {"patch": 4, "layers": 3, "grid": 20, "seed": 1}),
    "gemma3": (gemma3.build, {}, {"patch": 3, "layers": 3}),
    "llava": (llava.build, {}, {"patch": 7}),
    "llava-siglip-mistral": (llava.build, {"tower": "siglip", "text": "mistral"}, {"patch": 7}),
    "llava-siglip-qwen2": (llava.build, {"tower": "siglip", "text": "qwen2"}, {"patch": 7, "seed": 1}),
    "llava_next": (llava_next.build, {}, {"patch": 7}),
    "llava_next-layers": (llava_next.build, {"vision_feature_layer": [-2, 0]}, {"patch": 4, "seed": 1}),
    "internvl": (internvl.build, {}, {"patch": 3}),
    "internvl-qk-norm": (internvl.build, OTHER_INTERNVIT, {"patch": 2, "seed": 1}),
    "smolvlm": (smolvlm.build, {}, {}),
}
SMALL = {"hidden": 32, "merges": 60, "image_side": 64}
