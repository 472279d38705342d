"""Makes the folder that both sides load: `model/` (random weights) and `adapter/` (the LoRA both start from).

    python make_work.py --from FOLDER --out WORK                                  # FOLDER: an Idefics3 folder
    python make_work.py --from FOLDER --shape shapes/smolvlm-256m.json --out WORK # its tokenizer, another model's sizes
    python make_work.py --from FOLDER --must-be shapes/smolvlm-256m.json --out WORK

Only configuration, tokenizer and processor of FOLDER are used. Running it again gives the same bytes.
"""

import argparse
import json
import os
import shutil
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch  # noqa: E402  (the variable above is read on import)
import transformers  # noqa: E402
from peft import LoraConfig, get_peft_model  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from transformers import AutoConfig, PreTrainedModel  # noqa: E402

COPIED = ("tokenizer.json", "chat_template.json", "generation_config.json")
DECODER_LINEARS = r".*text_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
RANK, ALPHA = 8, 16
# What Idefics3 has where a configuration does not say.
DEFAULTS = {("vision_config", "intermediate_size"): 3072}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="source", type=Path, required=True, metavar="FOLDER")
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--shape", type=Path, metavar="JSON", help="sizes that replace the folder's")
    shape.add_argument("--must-be", type=Path, metavar="JSON", help="sizes that the folder must have")
    parser.add_argument("--out", type=Path, required=True, metavar="WORK")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--draw-on", default="cpu", metavar="DEVICE", help="cuda draws large models faster, other values")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32", help="type of the stored weights")
    arguments = parser.parse_args()

    config = json.loads((arguments.source / "config.json").read_text())
    if arguments.must_be:
        check_shape(config, json.loads(arguments.must_be.read_text()), arguments.source)
    if arguments.shape:
        config = reshaped(config, json.loads(arguments.shape.read_text()))
    model_folder, adapter_folder = arguments.out / "model", arguments.out / "adapter"
    for folder in (model_folder, adapter_folder):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    write_configuration(arguments.source, model_folder, config)
    write_weights(model_folder, arguments.seed, getattr(torch, arguments.dtype), arguments.draw_on)
    write_adapter(empty(model_folder), DECODER_LINEARS, adapter_folder, arguments.seed + 1)


def check_shape(config: dict, shape: dict, folder: Path) -> None:
    for part, wanted in shape.items():
        for name, value in wanted.items() if isinstance(wanted, dict) else ():
            found = config[part].get(name, DEFAULTS.get((part, name)))
            if found != value:
                raise SystemExit(f"{folder}: {part}.{name} is {found}, the shape asked for has {value}")
        if not isinstance(wanted, dict) and config[part] != wanted:
            raise SystemExit(f"{folder}: {part} is {config[part]}, the shape asked for has {wanted}")


def reshaped(config: dict, shape: dict) -> dict:
    parts = {part: {**config[part], **value} if isinstance(value, dict) else value for part, value in shape.items()}
    return config | parts


def write_configuration(source: Path, folder: Path, config: dict) -> None:
    """The source's files, with one tile an image, the processor's sizes following the model's, f32, and a tokenizer class
    that reads tokenizer.json as it stands (GPT2Tokenizer, which the real folder names, loses a pre-tokenizer in
    transformers 5)."""
    for name in COPIED:
        shutil.copyfile(source / name, folder / name)
    config["torch_dtype"] = "float32"
    config["text_config"]["torch_dtype"] = "float32"
    vision = config["vision_config"]
    tile = {"longest_edge": vision["image_size"]}
    preprocessor = json.loads((source / "preprocessor_config.json").read_text())
    # The picture goes straight to one tile where the folder's own sizes were those of another model.
    size = preprocessor["size"] if preprocessor["max_image_size"] == tile else tile
    preprocessor |= {"do_image_splitting": False, "max_image_size": tile, "size": size}
    tokens = (vision["image_size"] // vision["patch_size"] // config["scale_factor"]) ** 2
    processor = json.loads((source / "processor_config.json").read_text()) | {"image_seq_len": tokens}
    tokenizer = json.loads((source / "tokenizer_config.json").read_text())
    tokenizer["tokenizer_class"] = "PreTrainedTokenizerFast"
    written = {
        "config.json": config,
        "preprocessor_config.json": preprocessor,
        "processor_config.json": processor,
        "tokenizer_config.json": tokenizer,
    }
    for name, value in written.items():
        (folder / name).write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def empty(folder: Path) -> PreTrainedModel:
    """Model without values, of the class that the folder names."""
    config = AutoConfig.from_pretrained(folder)
    with torch.device("meta"):
        return getattr(transformers, config.architectures[0])(config)


def write_weights(folder: Path, seed: int, dtype: torch.dtype, device: str) -> None:
    """Every tensor from one generator, in the order of the sorted names, at the scale of its inputs."""
    shapes = {name: tensor.shape for name, tensor in empty(folder).state_dict().items()}
    generator = torch.Generator(device).manual_seed(seed)
    weights = {name: draw(name, shapes[name], generator).to("cpu", dtype) for name in sorted(shapes)}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def draw(name: str, shape: torch.Size, generator: torch.Generator) -> torch.Tensor:
    noise = torch.randn(shape, generator=generator, device=generator.device)
    if name.endswith("bias"):
        return 0.02 * noise
    if len(shape) == 1:
        return 1.0 + 0.02 * noise
    if "embed_tokens" in name or "position_embedding" in name:
        return 0.7 * noise
    return shape[1:].numel() ** -0.5 * noise


def write_adapter(model: PreTrainedModel, decoder_linears: str | list[str], folder: Path, seed: int) -> None:
    """LoRA on every linear of the decoder: A seeded (PEFT's default distribution), B zero. `model` has no values."""
    config = LoraConfig(
        r=RANK, lora_alpha=ALPHA, lora_dropout=0.0, target_modules=decoder_linears, task_type="CAUSAL_LM"
    )
    with torch.device("meta"):
        model = get_peft_model(model, config)
    generator = torch.Generator().manual_seed(seed)
    adapter = {}
    for name, parameter in sorted(model.named_parameters()):
        if "lora_" in name:
            adapter[name] = torch.zeros(parameter.shape)
        if "lora_A" in name:
            bound = parameter.shape[1] ** -0.5
            adapter[name].uniform_(-bound, bound, generator=generator)
    model.peft_config["default"].base_model_name_or_path = "model"
    model.save_pretrained(folder, state_dict=adapter)
    (folder / "README.md").unlink(missing_ok=True)


if __name__ == "__main__":
    main()
