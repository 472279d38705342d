"""Makes the folder that both sides of `family` load: `model/` (random weights) and `adapter/` (the LoRA both start from).

    python make_family_work.py --from FOLDER --shape shapes/qwen2.5-vl-3b.json --side 448 --out WORK

FOLDER is a model folder of the family, such as tests/parity/families/fixtures/qwen2_5_vl/model: its processor, tokenizer
and the keys of its configuration that the shape does not replace are used. Images are resized to SIDE x SIDE pixels.
Running it again gives the same bytes.
"""

import argparse
import json
import os
import shutil
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch  # noqa: E402  (the variable above is read on import)
from safetensors.torch import save_file  # noqa: E402

from make_work import draw, empty, reshaped, write_adapter  # noqa: E402

WRITTEN = ("config.json", "preprocessor_config.json", "model.safetensors")
DECODER_LINEARS = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="source", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--shape", type=Path, required=True, metavar="JSON", help="sizes that replace the folder's")
    parser.add_argument("--side", type=int, default=448, help="side of the resized images, in pixels")
    parser.add_argument("--out", type=Path, required=True, metavar="WORK")
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()

    model_folder, adapter_folder = arguments.out / "model", arguments.out / "adapter"
    shutil.rmtree(arguments.out, ignore_errors=True)
    shutil.copytree(arguments.source, model_folder, ignore=shutil.ignore_patterns(*WRITTEN))
    config = reshaped(json.loads((arguments.source / "config.json").read_text()), json.loads(arguments.shape.read_text()))
    write_json(model_folder / "config.json", config)
    preprocessor = json.loads((arguments.source / "preprocessor_config.json").read_text())
    pixels = arguments.side**2
    preprocessor |= {"min_pixels": pixels, "max_pixels": pixels, "patch_size": config["vision_config"]["patch_size"]}
    write_json(model_folder / "preprocessor_config.json", preprocessor)
    write_weights(model_folder, arguments.seed)
    write_adapter(empty(model_folder), DECODER_LINEARS, adapter_folder, arguments.seed + 1)


def write_json(path: Path, value: dict) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def write_weights(folder: Path, seed: int) -> None:
    """Every tensor from one generator, in the order of the sorted names, at the scale of its inputs. A tied head is left
    out, as in released folders."""
    shapes = {name: tensor.shape for name, tensor in empty(folder).state_dict().items()}
    if json.loads((folder / "config.json").read_text())["tie_word_embeddings"]:
        del shapes["lm_head.weight"]
    generator = torch.Generator().manual_seed(seed)
    weights = {name: draw(name, shapes[name], generator) for name in sorted(shapes)}
    # The head reads the table of words too, so its values are small.
    weights = {name: 0.03 * value if "embed_tokens" in name else value for name, value in weights.items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


if __name__ == "__main__":
    main()
