"""Loads exports of Stepwise in transformers and PEFT, and compares names of tensors, logits and greedy tokens.

    python -m families.check_exports --program STEPWISE [--fixtures FOLDER] [--out FILE] [NAME ...]

STEPWISE is the program. For each fixture (all by default), the script makes these exports with the program:

- `given-merged`: the fixture's `adapter-all`, which PEFT saved, merged into the model,
- `trained-merged`: an adapter on all linear layers after three training steps of the program, merged into the model,
- `trained-peft`: the same adapter as a PEFT folder.

transformers loads the merged folders, and PEFT loads the PEFT folder on the model of the fixture. The script compares

- names of the folder's tensors with those that transformers or PEFT expects,
- all logits of a folder with the logits of another one: `given-merged` with `adapter-all` in PEFT, the trained ones with
  each other,
- prompt, greedy tokens and log-likelihoods of three options, as the program computes them with the exported folder, with
  those of transformers and PEFT.

The script exits with status 1 if a name is missing or unexpected, ids or greedy tokens differ, a value differs by more
than 1e-4 of the largest, or training has not moved the logits by more than that.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
import transformers
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoConfig, PreTrainedModel

from maker import environment

from .check_mistakes import inputs_of
from .registry import FIXTURES

HERE = Path(__file__).resolve().parent
FIRST = "img0"
ADAPTER = "adapter-all"
OPTIONS = ("PA.", "Yes, at the base.", "Lateral.")
TOKENS = 8
TOLERANCE = 1e-4

RECIPE = """
seed = 5

[lora]
r = 2
target_modules = "all-linear"
freeze_vision_tower = false
freeze_multi_modal_projector = false

[data]
synth = { cases = 8, seed = 2, image_size = 64 }

[train]
per_device_train_batch_size = 2
gradient_accumulation_steps = 1
learning_rate = 2e-2
max_steps = 3

[[curriculum.phase]]
stages = [1, 2, 3, 4]
num_train_epochs = 1

[benchmark]
max_cases = 1
"""

SUITE = """
name = "clean"
version = 1
seed = 1

[[condition]]
id = "clean"
kind = "clean"
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(FIXTURES), metavar="NAME", help="fixtures; all by default")
    parser.add_argument("--program", type=Path, required=True, help="the program `stepwise`")
    parser.add_argument("--fixtures", type=Path, default=HERE / "fixtures")
    parser.add_argument("--out", type=Path, help="JSON file of the results")
    given = parser.parse_args()
    environment.check_versions(HERE / "requirements.txt")
    environment.make_deterministic()
    results = {}
    for name in given.names:
        with tempfile.TemporaryDirectory() as place:
            results[name] = Check(given.program.resolve(), given.fixtures / name, Path(place)).all()
        print(name, json.dumps(results[name]), flush=True)
    if given.out:
        environment.write_json(given.out, {"versions": environment.versions(), "exports": results})
    return 0 if all(agrees(found) for exports in results.values() for found in exports.values()) else 1


def agrees(found: dict) -> bool:
    same = not found["missing"] and not found["unexpected"] and found["equal_prompt_ids"]
    same = same and found["equal_greedy_tokens"] == found["greedy_tokens"]
    differences = (found["logits_difference"], found["log_likelihoods_difference"])
    return same and max(differences) <= TOLERANCE < found["moved_from_base"]


@dataclass
class Check:
    """Exports of one fixture, made in the folder `place`. Differences are relative to the largest absolute value."""

    program: Path
    fixture: Path
    place: Path

    @property
    def base(self) -> Path:
        return self.fixture / "model"

    @torch.no_grad()
    def all(self) -> dict:
        self.train()
        given = self.export(self.fixture / ADAPTER, "merged", "given-merged")
        merged = self.export(self.place / "run", "merged", "trained-merged")
        peft = self.export(self.place / "run", "peft", "trained-peft")
        logits = {
            "base": self.logits(load(self.base)[0]),
            "given": self.logits(load_adapter(self.base, self.fixture / ADAPTER)[0]),
            "merged": self.logits(load(merged)[0]),
            "peft": self.logits(load_adapter(self.base, peft)[0]),
        }
        asked = {name: self.ask(*folders) for name, folders in {"given": [given], "merged": [merged]}.items()}
        asked["peft"] = self.ask(self.base, "--adapter", peft)
        return {
            "given-merged": self.compare(*load(given), logits["given"], logits["base"], asked["given"]),
            "trained-merged": self.compare(*load(merged), logits["peft"], logits["base"], asked["merged"]),
            "trained-peft": self.compare(
                *load_adapter(self.base, peft), logits["merged"], logits["base"], asked["peft"]
            ),
        }

    def train(self) -> None:
        """Trains an adapter with the program, in the folder `run`."""
        (self.place / "recipe.toml").write_text(RECIPE)
        (self.place / "suite.toml").write_text(SUITE)
        paths = {"model_name_or_path": self.base, "output_dir": self.place / "run"}
        paths["benchmark.suite"] = self.place / "suite.toml"
        settings = [word for key, path in paths.items() for word in ("--set", f"{key}={path.resolve()}")]
        if unused := unused_layers(json.loads((self.base / "config.json").read_text())):
            layers = "|".join(map(str, unused))
            settings += ["--set", rf"lora.exclude_modules=.*vision_tower.*layers\.({layers})\..*"]
        self.run("train", self.place / "recipe.toml", "--device", "cpu", *settings)

    def export(self, path: Path, form: str, name: str) -> Path:
        self.run("export", path, self.place / name, "--format", form, "--base", self.base)
        return self.place / name

    def ask(self, model: Path, *more: object) -> dict:
        """Returns the program's answer to the first question of the fixture, with its token ids."""
        facts = json.loads((self.fixture / "meta.json").read_text())["samples"][FIRST]
        line = ["--model_name_or_path", model, *more, "--image", self.fixture / "picture0.png", "--device", "cpu"]
        line += ["--question", facts["question"], "--json"]
        generated = json.loads(self.run("ask", *line, "--max-new-tokens", TOKENS))
        return generated | {"options": json.loads(self.run("ask", *line, "--options", *OPTIONS))["options"]}

    def run(self, *line: object) -> str:
        ran = subprocess.run([self.program, *map(str, line)], capture_output=True, text=True)
        if ran.returncode:
            raise SystemExit(f"{self.fixture.name}: stepwise {line[0]}: {ran.stderr}")
        return ran.stdout

    def compare(
        self, model: PreTrainedModel, names: dict, expected: torch.Tensor, base: torch.Tensor, answer: dict
    ) -> dict:
        """Compares a loaded export with expected logits, with those of the base, and with the program's answer."""
        logits = self.logits(model)
        greedy = self.greedy(model)
        own = torch.tensor([option["loglikelihood"] for option in answer["options"]])
        theirs = torch.stack([self.log_likelihood(model, answer, option) for option in answer["options"]])
        pairs = zip(answer["token_ids"], greedy["tokens"])
        return names | {
            "logits": list(logits.shape),
            "logits_difference": relative(logits, expected),
            "moved_from_base": relative(logits, base),
            "equal_prompt_ids": answer["prompt_token_ids"] == self.prompt()["input_ids"][0].tolist(),
            "greedy_tokens": len(greedy["tokens"]),
            "equal_greedy_tokens": sum(own == theirs for own, theirs in pairs),
            "smallest_margin": greedy["smallest_margin"],
            "options": len(OPTIONS),
            "log_likelihoods_difference": relative(own, theirs),
        }

    def logits(self, model: PreTrainedModel) -> torch.Tensor:
        return model(**inputs_of(self.fixture, FIRST)).logits

    def prompt(self) -> dict:
        return inputs_of(self.fixture, FIRST, "prompt")

    def greedy(self, model: PreTrainedModel) -> dict:
        """Returns greedy tokens without a stop, and the smallest logit of one above the second best."""
        # Values of generation_config.json would sample, stop or penalise.
        plain = {"do_sample": False, "eos_token_id": None, "pad_token_id": 0, "repetition_penalty": 1.0}
        plain |= {"temperature": None, "top_p": None, "top_k": None}
        prompt = self.prompt()
        made = model.generate(
            **prompt, **plain, max_new_tokens=TOKENS, return_dict_in_generate=True, output_logits=True
        )
        best = [logits[0].topk(2).values for logits in made.logits]
        return {
            "tokens": made.sequences[0, prompt["input_ids"].shape[1] :].tolist(),
            "smallest_margin": min(float(values[0] - values[1]) for values in best),
        }

    def log_likelihood(self, model: PreTrainedModel, answer: dict, option: dict) -> torch.Tensor:
        """Log-likelihood of an option in nats, summed over its tokens. The ids are the program's."""
        prompt, own = answer["prompt_token_ids"], option["token_ids"]
        inputs = self.prompt()
        ids = torch.tensor([prompt + own])
        # Inputs with one value for each token: the values of the answer's tokens are those of text.
        for name in [name for name, value in inputs.items() if value.shape == inputs["input_ids"].shape]:
            longer = torch.full_like(ids, 1 if name == "attention_mask" else 0)
            longer[0, : len(prompt)] = inputs[name][0]
            inputs[name] = longer
        rows = model(**inputs | {"input_ids": ids}).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
        return rows.gather(1, torch.tensor(own)[:, None]).sum()


def unused_layers(config: dict) -> range:
    """Layers of the image encoder after the last feature layer, which no gradient reaches."""
    features, count = config.get("vision_feature_layer", -1), config["vision_config"].get("num_hidden_layers", 0)
    features = features if isinstance(features, list) else [features]
    return range(max(feature % (count + 1) for feature in features), count)


def load(folder: Path) -> tuple[PreTrainedModel, dict]:
    """Returns the model of a folder, and which names of tensors are missing or unexpected."""
    model_class = getattr(transformers, AutoConfig.from_pretrained(folder).architectures[0])
    model, loading = model_class.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True
    )
    names = {
        "tensors": len(model.state_dict()),
        "missing": sorted(loading["missing_keys"]),
        "unexpected": sorted(loading["unexpected_keys"]),
    }
    return model.eval(), names


def load_adapter(base: Path, adapter: Path) -> tuple[PeftModel, dict]:
    """Returns the model of `base` with an adapter in PEFT, and which names of tensors PEFT finds missing or unexpected."""
    model = PeftModel.from_pretrained(load(base)[0], adapter)
    # `from_pretrained` does not return the names. The second copy of the adapter is not active.
    loading = model.load_adapter(adapter, "again")
    names = {
        "tensors": len(load_file(adapter / "adapter_model.safetensors")),
        "missing": sorted(loading.missing_keys),
        "unexpected": sorted(loading.unexpected_keys),
    }
    return model.eval(), names


def relative(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).abs().max() / expected.abs().max())


if __name__ == "__main__":
    sys.exit(main())
