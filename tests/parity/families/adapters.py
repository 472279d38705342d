"""LoRA adapters on the decoder and on all linear layers: loss, gradients, a step of AdamW, merged logits."""

import copy
import json
import re
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file

from .family import Family
from .inputs import Encoded

ADAMW = {"lr": 1e-3, "weight_decay": 0.01}


def record(family: Family, encoded: Encoded, out: Path, seed: int) -> dict[str, torch.Tensor]:
    """Writes `adapter/`, `adapter-step1/` and `adapter-all/`, and returns the tensors `lora.*` and `all.*`."""
    return _decoder(family, encoded, out, seed + 2) | _all_linear(family, encoded, out, seed + 3)


def key_patterns(out: Path) -> dict:
    """Returns the tensor names of both adapters with N for numbers, and PEFT's targets of `adapter-all`."""
    keys = {
        f"{folder}_keys": sorted(
            {re.sub(r"\.\d+\.", ".N.", key) for key in load_file(out / folder / "adapter_model.safetensors")}
        )
        for folder in ("adapter", "adapter-all")
    }
    config = json.loads((out / "adapter-all/adapter_config.json").read_text())
    wanted = ("target_modules", "exclude_modules", "task_type", "peft_version")
    return keys | {"adapter_config": {name: config[name] for name in wanted if name in config}}


def _decoder(family: Family, encoded: Encoded, out: Path, seed: int) -> dict[str, torch.Tensor]:
    model = _attach(family, family.decoder_linears(), 4, seed)
    model.save_pretrained(out / "adapter")
    optimizer = torch.optim.AdamW([value for value in model.parameters() if value.requires_grad], **ADAMW)
    tensors = {f"lora.{name}": value for name, value in _backward(model, encoded).items()}
    optimizer.step()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            tensors[f"lora.step1.{name}"] = parameter.detach().clone().contiguous()
    model.save_pretrained(out / "adapter-step1")
    with torch.no_grad():
        tensors["lora.loss1"] = model(**encoded.full, labels=encoded.labels).loss.reshape(1)
        tensors["lora.merged_logits1"] = model.merge_and_unload()(**encoded.full).logits.contiguous()
    return tensors


def _all_linear(family: Family, encoded: Encoded, out: Path, seed: int) -> dict[str, torch.Tensor]:
    model = _attach(family, "all-linear", 2, seed)
    model.save_pretrained(out / "adapter-all")
    _sort_targets(out / "adapter-all/adapter_config.json")
    return {f"all.{name}": value for name, value in _backward(model, encoded).items()}


def _sort_targets(path: Path) -> None:
    """Sorts the saved list of targets, which PEFT holds as a set, so that repeated runs give identical files."""
    config = json.loads(path.read_text())
    config["target_modules"] = sorted(config["target_modules"])
    path.write_text(json.dumps(config, indent=2, sort_keys=True))


def _attach(family: Family, targets: str, rank: int, seed: int) -> PeftModel:
    """Adds an adapter with alpha = 2 * rank, A and B random."""
    config = LoraConfig(
        r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules=targets, task_type="CAUSAL_LM"
    )
    model = get_peft_model(copy.deepcopy(family.model), config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * (0.3 / parameter.shape[1] ** 0.5))
    return model


def _backward(model: PeftModel, encoded: Encoded) -> dict[str, torch.Tensor]:
    output = model(**encoded.full, labels=encoded.labels)
    output.loss.backward()
    tensors = {"loss0": output.loss.detach().reshape(1), "logits0": output.logits.detach().contiguous()}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and parameter.grad is not None:
            tensors[f"grad.{name}"] = parameter.grad.clone().contiguous()
    return tensors
