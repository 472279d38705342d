"""Shows whether PEFT and transformers load adapters whose tensors have names of earlier versions of transformers.

    python -m families.check_adapter_names FIXTURES

FIXTURES holds full fixtures or committed ones. For each set of names the script prints the largest difference of the
logits from the recorded ones, and from those of the base model: 0 in the last column means that PEFT loaded nothing.
"""

import re
import shutil
import sys
import tempfile
from pathlib import Path

import torch
import transformers
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoConfig

from .check_mistakes import HERE, inputs_of

START = r"^base_model\.model\.model\."
OLD = "base_model.model."
# Fixture -> name of the layout -> (regular expression, replacement).
LAYOUTS = {
    "qwen2_5_vl": {
        "before 4.52": [(r"model\.language_model\.", "model."), (START + r"visual\.", OLD + "visual.")],
    },
    "gemma3": {
        "4.52 to 4.57": [(r"model\.vision_tower\.", "model.vision_tower.vision_model.")],
        "before 4.52": [
            (START + r"vision_tower\.", OLD + "vision_tower.vision_model."),
            (START + r"language_model\.", OLD + "language_model.model."),
        ],
    },
    "llava": {
        "4.52 to 4.57": [(r"model\.vision_tower\.", "model.vision_tower.vision_model.")],
        "before 4.52": [
            (START + r"vision_tower\.", OLD + "vision_tower.vision_model."),
            (START + r"multi_modal_projector\.", OLD + "multi_modal_projector."),
            (START + r"language_model\.", OLD + "language_model.model."),
        ],
    },
}


def main() -> None:
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "fixtures"
    for name, layouts in LAYOUTS.items():
        for layout, renamings in {"as saved": [], **layouts}.items():
            recorded, base = differences(root / name, renamings)
            print(f"{name:12} {layout:14} from the recorded {recorded:.1e}, from the base {base:.1e}")


def differences(folder: Path, renamings: list[tuple[str, str]]) -> tuple[float, float]:
    """Returns the differences of logits with the renamed `adapter-all`: from the recorded ones, and from the base's."""
    recorded = load_file(folder / "io.safetensors")
    rows = recorded.get("img0.logit_rows")
    model_class = getattr(transformers, AutoConfig.from_pretrained(folder / "model").architectures[0])
    model = model_class.from_pretrained(folder / "model", dtype=torch.float32, attn_implementation="eager").eval()
    inputs = inputs_of(folder, "img0")
    with torch.no_grad(), tempfile.TemporaryDirectory() as copy:
        base = model(**inputs).logits
        _renamed(folder / "adapter-all", Path(copy), renamings)
        found = PeftModel.from_pretrained(model, copy).eval()(**inputs).logits
    kept = found if rows is None else found[:, rows.long()]
    return float((kept - recorded["all.logits0"]).abs().max()), float((found - base).abs().max())


def _renamed(adapter: Path, copy: Path, renamings: list[tuple[str, str]]) -> None:
    tensors = {}
    for name, value in load_file(adapter / "adapter_model.safetensors").items():
        for pattern, replacement in renamings:
            name = re.sub(pattern, replacement, name, count=1)
        tensors[name] = value
    save_file(tensors, copy / "adapter_model.safetensors")
    shutil.copyfile(adapter / "adapter_config.json", copy / "adapter_config.json")


if __name__ == "__main__":
    main()
