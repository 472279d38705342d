"""Loads merged folders of Stepwise in transformers, and compares names of tensors and values.

    python -m families.check_exports --program STEPWISE [--fixtures FOLDER] [--out FILE] [NAME ...]

STEPWISE is the program. For each fixture (all by default), it exports `adapter-all` merged into the model, and
answers the first question with the merged folder. The script compares

- the names and shapes of the folder's tensors with those that transformers expects,
- all logits of the merged folder with the logits of the base with the adapter, both in transformers,
- the log-likelihoods of three options, as the program computes them, with those of transformers on the merged folder.

The script exits with status 1 if a name is missing or unexpected, or a value differs by more than 1e-4 of the largest.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import transformers
from peft import PeftModel
from transformers import AutoConfig, PreTrainedModel

from maker import environment

from .check_mistakes import inputs_of
from .registry import FIXTURES

HERE = Path(__file__).resolve().parent
FIRST = "img0"
ADAPTER = "adapter-all"
OPTIONS = ("PA.", "Yes, at the base.", "Lateral.")
TOLERANCE = 1e-4


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(FIXTURES), metavar="NAME", help="fixtures; all by default")
    parser.add_argument("--program", type=Path, required=True, help="the program `stepwise`")
    parser.add_argument("--fixtures", type=Path, default=HERE / "fixtures")
    parser.add_argument("--out", type=Path, help="JSON file of the results")
    given = parser.parse_args()
    environment.check_versions(HERE / "requirements.txt")
    environment.make_deterministic()
    results = {name: check(given.program.resolve(), given.fixtures / name) for name in given.names}
    for name, found in results.items():
        print(name, json.dumps(found))
    if given.out:
        environment.write_json(given.out, {"versions": environment.versions(), "exports": results})
    return 0 if all(map(agrees, results.values())) else 1


def agrees(found: dict) -> bool:
    differences = (found["logits_difference"], found["log_likelihoods_difference"])
    return not found["missing"] and not found["unexpected"] and max(differences) <= TOLERANCE


@torch.no_grad()
def check(program: Path, fixture: Path) -> dict:
    """Exports one fixture and compares. Differences are relative to the largest absolute value."""
    inputs = inputs_of(fixture, FIRST)
    base, _ = load(fixture / "model")
    expected = PeftModel.from_pretrained(base, fixture / ADAPTER).eval()(**inputs).logits
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "merged"
        export = ["export", fixture / ADAPTER, folder, "--format", "merged", "--base", fixture / "model"]
        subprocess.run([program, *export], check=True, capture_output=True)
        merged, loading = load(folder)
        logits = merged(**inputs).logits
        answer = ask(program, folder, fixture)
        own = torch.tensor([option["loglikelihood"] for option in answer["options"]])
        theirs = torch.stack([log_likelihood(merged, fixture, answer, option) for option in answer["options"]])
    return {
        "tensors": len(merged.state_dict()),
        "missing": sorted(loading["missing_keys"]),
        "unexpected": sorted(loading["unexpected_keys"]),
        "logits": list(logits.shape),
        "logits_difference": relative(logits, expected),
        "options": len(OPTIONS),
        "log_likelihoods_difference": relative(own, theirs),
    }


def load(folder: Path) -> tuple[PreTrainedModel, dict]:
    """Returns the model of a folder, and which names of tensors were missing or unexpected."""
    model_class = getattr(transformers, AutoConfig.from_pretrained(folder).architectures[0])
    model, loading = model_class.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True
    )
    return model.eval(), loading


def ask(program: Path, folder: Path, fixture: Path) -> dict:
    """Returns the program's answer to the first question of the fixture, with its token ids."""
    facts = json.loads((fixture / "meta.json").read_text())["samples"][FIRST]
    line = ["ask", "--model_name_or_path", folder, "--image", fixture / "picture0.png", "--json", "--device", "cpu"]
    line += ["--max-new-tokens", "1", "--question", facts["question"], "--options", *OPTIONS]
    ran = subprocess.run([program, *line], check=True, capture_output=True, text=True)
    return json.loads(ran.stdout)


def log_likelihood(model: PreTrainedModel, fixture: Path, answer: dict, option: dict) -> torch.Tensor:
    """Log-likelihood of an option in transformers, in nats, summed over its tokens. The ids are the program's."""
    prompt, own = answer["prompt_token_ids"], option["token_ids"]
    inputs = inputs_of(fixture, FIRST)
    ids = torch.tensor([prompt + own])
    # Inputs with one value for each token: the image's tokens come before the answer, whose values are those of text.
    for name in [name for name, value in inputs.items() if value.shape == inputs["input_ids"].shape]:
        fill = 1 if name == "attention_mask" else 0
        longer = torch.full_like(ids, fill)
        longer[0, : len(prompt)] = inputs[name][0, : len(prompt)]
        inputs[name] = longer
    rows = model(**inputs | {"input_ids": ids}).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
    return rows.gather(1, torch.tensor(own)[:, None]).sum()


def relative(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).abs().max() / expected.abs().max())


if __name__ == "__main__":
    sys.exit(main())
