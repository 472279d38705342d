"""Both layouts of a tiny model loaded again by transformers."""

import re
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file

from .family import Family
from .inputs import Encoded

ACCEPTED = 1e-4


def check(family: Family, encoded: Encoded, logits: torch.Tensor, out: Path) -> dict:
    """Asserts that both folders give `logits`. Returns the differences and the names under which transformers saves."""
    differences = {}
    for folder in ("model", "model-modules"):
        model = type(family.model).from_pretrained(
            out / folder, dtype=torch.float32, attn_implementation="eager"
        ).eval()
        with torch.no_grad():
            differences[folder] = float((model(**encoded.full).logits - logits).abs().max())
        assert differences[folder] < ACCEPTED, f"{folder}: logits differ by {differences[folder]}"
        if folder == "model":
            saved = _saved_names(model)
    return {"reload_difference": differences, "names_saved_by_transformers": saved}


def _saved_names(model: torch.nn.Module) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        names = load_file(Path(folder) / "model.safetensors")
    return sorted({re.sub(r"\.\d+\.", ".N.", name) for name in names})
