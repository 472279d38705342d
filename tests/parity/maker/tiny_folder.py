"""`tiny/`: a model folder with the structure of the real configuration and small sizes."""

import json
import shutil
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from transformers import (
    AutoConfig,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3Processor,
    PreTrainedTokenizerFast,
)
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil

from . import tokenizer as tiny_tokenizer

TEXT = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 1024,
    "torch_dtype": "float32",
}
VISION = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 64,
    "patch_size": 16,
}
SCALE_FACTOR = 2
LONGEST_EDGE = 2 * VISION["image_size"]
WEIGHTS_SEED = 20240611


def build(real: Path, folder: Path, new_layout: Path) -> None:
    """Writes `folder` in the older layout, like the real folder, and `new_layout` as the installed transformers does.

    `new_layout` has no weights and no tokenizer.json, because both would be equal.
    """
    for each in (folder, new_layout):
        shutil.rmtree(each, ignore_errors=True)
        each.mkdir(parents=True)
    vocabulary = tiny_tokenizer.build(real, folder)
    _write_configuration(real, folder, vocabulary)
    _write_weights(folder)
    _write_new_layout(folder, new_layout)


def load_model(folder: Path) -> Idefics3ForConditionalGeneration:
    model = Idefics3ForConditionalGeneration.from_pretrained(
        folder, attn_implementation="eager", dtype=torch.float32
    )
    return model.eval()


def load_processor(folder: Path) -> Idefics3Processor:
    """Loads the processor with Pillow's resampling and with tokenizer.json as written.

    In transformers 5, the class named in tokenizer_config.json (GPT2Tokenizer) rebuilds the pre-tokenizer and drops
    `Digits`. The reference is the file, with which the model was trained.
    """
    template = json.loads((folder / "chat_template.json").read_text())["chat_template"]
    settings = json.loads((folder / "processor_config.json").read_text())
    return Idefics3Processor(
        image_processor=Idefics3ImageProcessorPil.from_pretrained(folder),
        tokenizer=PreTrainedTokenizerFast.from_pretrained(folder),
        image_seq_len=settings["image_seq_len"],
        chat_template=template,
    )


def _write_configuration(real: Path, folder: Path, vocabulary: Tokenizer) -> None:
    size = vocabulary.get_vocab_size()
    tile = VISION["image_size"]
    config = json.loads((real / "config.json").read_text())
    config |= {
        "image_token_id": vocabulary.token_to_id("<image>"),
        "scale_factor": SCALE_FACTOR,
        "vocab_size": size,
        "torch_dtype": "float32",
    }
    config["text_config"] |= TEXT | {"vocab_size": size, "pixel_shuffle_factor": SCALE_FACTOR}
    config["vision_config"] |= VISION | {
        "max_image_size": {"longest_edge": tile},
        "size": {"longest_edge": LONGEST_EDGE},
    }
    preprocessor = json.loads((real / "preprocessor_config.json").read_text())
    preprocessor |= {"max_image_size": {"longest_edge": tile}, "size": {"longest_edge": LONGEST_EDGE}}
    processor = json.loads((real / "processor_config.json").read_text())
    processor["image_seq_len"] = (tile // VISION["patch_size"] // SCALE_FACTOR) ** 2
    generation = json.loads((real / "generation_config.json").read_text())
    generation["eos_token_id"] = vocabulary.token_to_id("<end_of_utterance>")
    written = {
        "config.json": config,
        "preprocessor_config.json": preprocessor,
        "processor_config.json": processor,
        "generation_config.json": generation,
        "chat_template.json": json.loads((real / "chat_template.json").read_text()),
    }
    for name, value in written.items():
        (folder / name).write_text(json.dumps(value, indent=2) + "\n")


def _write_weights(folder: Path) -> None:
    """Draws every tensor from one generator, in the order of sorted names.

    Norms and biases are random, too, so that tests fail when an implementation omits one.
    """
    config: Idefics3Config = AutoConfig.from_pretrained(folder)
    model = Idefics3ForConditionalGeneration(config).to(torch.float32)
    with tempfile.TemporaryDirectory() as saved:
        model.save_pretrained(saved)
        names = load_file(Path(saved) / "model.safetensors")
    generator = torch.Generator().manual_seed(WEIGHTS_SEED)
    weights = {name: _draw(name, names[name].shape, generator) for name in sorted(names)}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def _draw(name: str, shape: torch.Size, generator: torch.Generator) -> torch.Tensor:
    noise = torch.randn(shape, generator=generator)
    if name.endswith("bias"):
        return 0.1 * noise
    if len(shape) == 1:
        return 1.0 + 0.2 * noise
    if "embed_tokens" in name or "position_embedding" in name:
        return 0.7 * noise
    fan_in = shape[1:].numel()
    gain = 1.5 if name == "lm_head.weight" else 1.2
    return gain * fan_in**-0.5 * noise


def _write_new_layout(folder: Path, new_layout: Path) -> None:
    load_model(folder).save_pretrained(new_layout)
    load_processor(folder).save_pretrained(new_layout)
    for same in ("model.safetensors", "tokenizer.json"):
        (new_layout / same).unlink()
