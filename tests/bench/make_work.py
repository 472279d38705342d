"""Makes the folder that both sides load: `model/` (random weights) and `adapter/` (the LoRA both start from).

    python make_work.py --real FOLDER --out WORK     # FOLDER: HuggingFaceTB/SmolVLM-256M-Instruct without its weights
    python make_work.py --tiny FOLDER --out WORK     # FOLDER: any small Idefics3 folder, for a quick trial

Only configuration, tokenizer and processor of FOLDER are used. Running it again gives the same bytes.
"""

import argparse
import json
import os
import shutil
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch  # noqa: E402  (the variable above is read on import)
from peft import LoraConfig, get_peft_model  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from transformers import AutoConfig, Idefics3ForConditionalGeneration  # noqa: E402

COPIED = ("tokenizer.json", "chat_template.json", "generation_config.json", "processor_config.json")
DECODER_LINEARS = r".*text_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
RANK, ALPHA = 8, 16
# What a measurement named after the 256M model must have been taken on.
REAL_SHAPE = {
    "text_config": {"hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30, "vocab_size": 49280},
    "vision_config": {"hidden_size": 768, "num_hidden_layers": 12, "image_size": 512, "patch_size": 16},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--real", type=Path, metavar="FOLDER")
    source.add_argument("--tiny", type=Path, metavar="FOLDER")
    parser.add_argument("--out", type=Path, required=True, metavar="WORK")
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()

    config = json.loads(((arguments.real or arguments.tiny) / "config.json").read_text())
    if arguments.real:
        check_shape(config, arguments.real)
    model_folder, adapter_folder = arguments.out / "model", arguments.out / "adapter"
    for folder in (model_folder, adapter_folder):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    write_configuration(arguments.real or arguments.tiny, model_folder, config)
    write_weights(model_folder, arguments.seed)
    write_adapter(model_folder, adapter_folder, arguments.seed + 1)


def check_shape(config: dict, folder: Path) -> None:
    for part, wanted in REAL_SHAPE.items():
        for name, value in wanted.items():
            if config[part].get(name) != value:
                raise SystemExit(f"{folder}: {part}.{name} is {config[part].get(name)}, SmolVLM-256M has {value}")


def write_configuration(source: Path, folder: Path, config: dict) -> None:
    """The source's files, with one tile an image, f32, and a tokenizer class that reads tokenizer.json as it stands
    (GPT2Tokenizer, which the real folder names, loses a pre-tokenizer in transformers 5)."""
    for name in COPIED:
        shutil.copyfile(source / name, folder / name)
    config["torch_dtype"] = "float32"
    config["text_config"]["torch_dtype"] = "float32"
    preprocessor = json.loads((source / "preprocessor_config.json").read_text()) | {"do_image_splitting": False}
    tokenizer = json.loads((source / "tokenizer_config.json").read_text())
    tokenizer["tokenizer_class"] = "PreTrainedTokenizerFast"
    written = {"config.json": config, "preprocessor_config.json": preprocessor, "tokenizer_config.json": tokenizer}
    for name, value in written.items():
        (folder / name).write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def write_weights(folder: Path, seed: int) -> None:
    """Every tensor from one generator, in the order of the sorted names, at the scale of its inputs."""
    with torch.device("meta"):
        model = Idefics3ForConditionalGeneration(AutoConfig.from_pretrained(folder))
    shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
    generator = torch.Generator().manual_seed(seed)
    weights = {name: draw(name, shapes[name], generator) for name in sorted(shapes)}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def draw(name: str, shape: torch.Size, generator: torch.Generator) -> torch.Tensor:
    noise = torch.randn(shape, generator=generator)
    if name.endswith("bias"):
        return 0.02 * noise
    if len(shape) == 1:
        return 1.0 + 0.02 * noise
    if "embed_tokens" in name or "position_embedding" in name:
        return 0.7 * noise
    return shape[1:].numel() ** -0.5 * noise


def write_adapter(model_folder: Path, folder: Path, seed: int) -> None:
    """LoRA on every linear of the decoder: A seeded (PEFT's default distribution), B zero."""
    config = LoraConfig(
        r=RANK, lora_alpha=ALPHA, lora_dropout=0.0, target_modules=DECODER_LINEARS, task_type="CAUSAL_LM"
    )
    model = get_peft_model(Idefics3ForConditionalGeneration.from_pretrained(model_folder), config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            if "lora_A" in name:
                bound = parameter.shape[1] ** -0.5
                parameter.uniform_(-bound, bound, generator=generator)
    model.peft_config["default"].base_model_name_or_path = "model"
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)


if __name__ == "__main__":
    main()
