"""Shows how far the logits of each fixture move under well-known mistakes in an implementation.

    python -m families.check_mistakes [FIXTURES]

A fixture proves nothing about a part whose mistake moves the logits by less than the tolerance of the tests. The last
column is the movement divided by the largest logit.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import transformers
from PIL import Image
from safetensors.torch import load_file
from transformers import AutoConfig, BatchFeature, PretrainedConfig, PreTrainedModel

from .family import Conversation, load_processor
from .inputs import run
from .options import Options

HERE = Path(__file__).resolve().parent


@dataclass
class Mistake:
    """A change of the configuration, of the loaded model or of the inputs, for the conversation `sample`."""

    what: str
    config: Callable[[PretrainedConfig], None] | None = None
    model: Callable[[PreTrainedModel], None] | None = None
    inputs: Callable[[BatchFeature], dict] = lambda inputs: {}
    sample: str = "img0"


def vision(**values: object) -> Callable[[PretrainedConfig], None]:
    return lambda config: [setattr(config.vision_config, name, value) for name, value in values.items()]


def text(**values: object) -> Callable[[PretrainedConfig], None]:
    return lambda config: [setattr(config.text_config, name, value) for name, value in values.items()]


def top(**values: object) -> Callable[[PretrainedConfig], None]:
    return lambda config: [setattr(config, name, value) for name, value in values.items()]


def sections(config: PretrainedConfig) -> None:
    widths = config.text_config.rope_parameters["mrope_section"]
    config.text_config.rope_parameters["mrope_section"] = [widths[0] - 1, widths[1] + 1, widths[2]]


def rope(kind: str, **values: object) -> Callable[[PretrainedConfig], None]:
    return lambda config: config.text_config.rope_parameters.update({kind: {"rope_type": "default", **values}})


def layers(model: PreTrainedModel) -> torch.nn.ModuleList:
    return model.model.language_model.layers


def no_key_bias(model: PreTrainedModel) -> None:
    for layer in layers(model):
        layer.self_attn.k_proj.bias.data.zero_()


def no_query_gain(model: PreTrainedModel) -> None:
    for layer in layers(model):
        layer.self_attn.q_norm.weight.data.fill_(1.0)


def sections_in_chunks(model: PreTrainedModel) -> None:
    embedding = model.model.language_model.rotary_emb
    widths = embedding.mrope_section

    def chunks(frequencies: torch.Tensor) -> torch.Tensor:
        parts = frequencies.split(widths, dim=-1)
        half = torch.cat([part[place % 3] for place, part in enumerate(parts)], -1)
        return torch.cat([half, half], -1)

    embedding.recomposition_frequencies = chunks


def no_deepstack(model: PreTrainedModel) -> None:
    model.model.language_model._deepstack_process = lambda hidden, *others: hidden


def no_second_deepstack(model: PreTrainedModel) -> None:
    for value in model.model.visual.deepstack_merger_list[1].linear_fc2.parameters():
        value.data.zero_()


def corners_not_aligned(model: PreTrainedModel) -> None:
    model.model.visual.interpolation_align_corners = False


def words_not_scaled(model: PreTrainedModel) -> None:
    model.model.language_model.embed_tokens.embed_scale.fill_(1.0)


def no_newline(model: PreTrainedModel) -> None:
    model.model.image_newline.data.zero_()


def no_layer_scale(model: PreTrainedModel) -> None:
    for layer in model.model.vision_tower.encoder.layer:
        layer.lambda_1.data.fill_(1.0)


def plain_positions(inputs: BatchFeature) -> dict:
    places = torch.arange(inputs["input_ids"].shape[1])
    return {"position_ids": places[None, None].expand(3, 1, -1)}


def colours_reversed(inputs: BatchFeature) -> dict:
    patches = inputs["pixel_values"]
    return {"pixel_values": patches.reshape(patches.shape[0], 3, -1).flip(1).reshape(patches.shape)}


NOTHING = Mistake("nothing changed")
MISTAKES = {
    "qwen2_5_vl": (
        Mistake("positions 0, 1, 2, ... on all axes", inputs=plain_positions),
        Mistake("every vision layer full", config=vision(fullatt_block_indexes=[0, 1, 2])),
        Mistake("every vision layer in windows", config=vision(fullatt_block_indexes=[])),
        Mistake("other sections of the frequencies", config=sections),
        Mistake("no bias of k", model=no_key_bias),
        Mistake("colours reversed", inputs=colours_reversed),
    ),
    "qwen3_vl": (
        Mistake("sections in chunks instead of interleaved", model=sections_in_chunks),
        Mistake("no deepstack", model=no_deepstack),
        Mistake("no second set of deepstack features", model=no_second_deepstack),
        Mistake("positions interpolated without aligned corners", model=corners_not_aligned),
        Mistake("q norm without its gain", model=no_query_gain),
        Mistake("exact GELU in the tower", config=vision(hidden_act="gelu")),
    ),
    "gemma3": (
        Mistake("image tokens causal", inputs=lambda inputs: {"token_type_ids": 0 * inputs["token_type_ids"]}),
        Mistake("no sliding window", config=text(sliding_window=4096), sample="img1"),
        Mistake("window one shorter", config=text(sliding_window=23), sample="img1"),
        Mistake("global angles without their factor", config=rope("full_attention", rope_theta=1e6)),
        Mistake("local layers with the global theta", config=rope("sliding_attention", rope_theta=1e6)),
        Mistake(
            "scores scaled by the head's width",
            config=lambda config: text(query_pre_attn_scalar=config.text_config.head_dim)(config),
        ),
        Mistake("words not scaled", model=words_not_scaled),
        Mistake("exact GELU in the decoder", config=text(hidden_activation="gelu")),
    ),
    "llava": (
        Mistake("last layer instead of the one before", config=top(vision_feature_layer=-1)),
        Mistake("tanh GELU in the projector", config=top(projector_hidden_act="gelu_pytorch_tanh")),
        Mistake("GELU instead of quick GELU in the tower", config=vision(hidden_act="gelu")),
        Mistake("epsilon 1e-6 instead of 1e-5 in the tower", config=vision(layer_norm_eps=1e-6)),
        Mistake("theta 1e6", config=lambda config: config.text_config.rope_parameters.update(rope_theta=1e6)),
    ),
    "llava_next": (Mistake("no newline", model=no_newline),),
    "internvl": (Mistake("no layer scale", model=no_layer_scale),),
}


def main() -> None:
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "fixtures"
    for name, mistakes in MISTAKES.items():
        for mistake in (NOTHING, *mistakes):
            moved, largest = movement(root / name, mistake)
            print(f"{name:12} {mistake.what:50} {moved:.2e} {moved / largest:.2e}")


def movement(folder: Path, mistake: Mistake) -> tuple[float, float]:
    """Returns the largest movement of a recorded logit under a mistake, and the largest recorded logit."""
    recorded = load_file(folder / "io.safetensors")
    config = AutoConfig.from_pretrained(folder / "model")
    if mistake.config:
        mistake.config(config)
    model_class = getattr(transformers, config.architectures[0])
    model = model_class.from_pretrained(
        folder / "model", config=config, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    if mistake.model:
        mistake.model(model)
    inputs = inputs_of(folder, mistake.sample)
    with torch.no_grad():
        logits = model(**(inputs | mistake.inputs(inputs))).logits
    rows = recorded.get(f"{mistake.sample}.logit_rows")
    expected = recorded[f"{mistake.sample}.logits"]
    found = logits if rows is None else logits[:, rows.long()]
    return float((found - expected).abs().max()), float(expected.abs().max())


def inputs_of(folder: Path, sample: str, text: str = "text") -> dict:
    """Inputs of a conversation; `text` is `text`, with the answer, or `prompt`, without it."""
    facts = json.loads((folder / "meta.json").read_text())["samples"][sample]
    image = Image.open(folder / f"picture{sample.removeprefix('img')}.png").convert("RGB")
    conversation = Conversation(sample, [image], facts["question"], facts["answer"])
    processor = load_processor(Options(models=folder, images=[], out=folder))
    return dict(run(processor, facts[text], conversation))


if __name__ == "__main__":
    main()
