"""PEFT's LoRA on the tiny model: adapters with random values, their outputs, gradients and AdamW steps."""

import shutil
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from transformers import Idefics3ForConditionalGeneration

from . import tiny_folder
from .encoding import Encoded

DECODER_LINEARS = r".*text_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
SEED = 77
ADAMW = {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.01}
STEPS = 3


def adapted(base: Path | Idefics3ForConditionalGeneration, targets: str, use_rslora: bool = False) -> PeftModel:
    """Adds an adapter to a tiny model, given or loaded. A and B come from a fixed generator (B is not 0)."""
    base = tiny_folder.load_model(base) if isinstance(base, Path) else base
    config = LoraConfig(
        r=4,
        lora_alpha=8,
        lora_dropout=0.0,
        target_modules=targets,
        use_rslora=use_rslora,
        task_type="CAUSAL_LM",
        base_model_name_or_path="tiny",
    )
    model = get_peft_model(base, config).eval()
    generator = torch.Generator().manual_seed(SEED)
    with torch.no_grad():
        for _, parameter in trainable(model):
            parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator))
    return model


def trainable(model: PeftModel) -> list[tuple[str, torch.nn.Parameter]]:
    """Returns the trainable parameters by their names in an adapter file, sorted."""
    named = {
        name.replace(".default.", "."): parameter
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }
    assert set(named) == set(get_peft_model_state_dict(model)), "the names are those of a saved adapter"
    return sorted(named.items())


def save(model: PeftModel, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    config = model.peft_config["default"]
    config.base_model_name_or_path = "tiny"
    if isinstance(config.target_modules, set):
        config.target_modules = sorted(config.target_modules)  # a set would be written in a varying order
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)


def record(folder: Path, encoded: Encoded, targets: str, adapter: Path) -> tuple[dict, dict]:
    """Saves an adapter in `adapter` and returns its outputs, gradients, weights after AdamW steps, and facts."""
    model = adapted(folder, targets)
    save(model, adapter)
    parameters = trainable(model)
    output = model(**encoded.inputs(), labels=encoded.labels, use_cache=False)
    tensors = {"logits": output.logits.detach()[0], "loss": output.loss.detach().reshape(1)}
    output.loss.backward()
    tensors |= {f"grad.{name}": parameter.grad.clone() for name, parameter in parameters}

    losses, norms = [], []
    optimizer = torch.optim.AdamW([parameter for _, parameter in parameters], **ADAMW)
    for step in range(STEPS):
        optimizer.zero_grad()
        loss = model(**encoded.inputs(), labels=encoded.labels, use_cache=False).loss
        loss.backward()
        losses.append(loss.item())
        norms.append(global_norm(parameters))
        optimizer.step()
        if step in (0, STEPS - 1):
            tensors |= {f"step.{step + 1}.{name}": value.detach().clone() for name, value in parameters}
    with torch.no_grad():
        last = model(**encoded.inputs(), labels=encoded.labels, use_cache=False).loss
    losses.append(last.item())

    merged = adapted(folder, targets).merge_and_unload()
    tensors["merged_logits"] = logits(merged, encoded)
    facts = {
        "targets": sorted(model.targeted_module_names),
        "losses": losses,
        "global_grad_norms": norms,
    }
    return tensors, facts


def rslora(folder: Path, encoded: Encoded, adapter: Path) -> torch.Tensor:
    """Logits with the decoder's adapter scaled by alpha / sqrt(r) instead of alpha / r."""
    model = adapted(folder, DECODER_LINEARS, use_rslora=True)
    save(model, adapter)
    return logits(model, encoded)


def accumulated(folder: Path, micro_batches: list[Encoded]) -> tuple[dict, dict]:
    """Gradient of the mean loss over all supervised tokens of all micro-batches."""
    model = adapted(folder, DECODER_LINEARS)
    tokens = [len(encoded.supervised()) for encoded in micro_batches]
    total = 0.0
    for encoded, own in zip(micro_batches, tokens, strict=True):
        mean = model(**encoded.inputs(), labels=encoded.labels, use_cache=False).loss
        loss = mean * own / sum(tokens)
        loss.backward()
        total += loss.item()
    parameters = trainable(model)
    tensors = {f"grad.{name}": parameter.grad.clone() for name, parameter in parameters}
    return tensors, {"supervised_tokens": tokens, "loss": total, "global_grad_norm": global_norm(parameters)}


def global_norm(parameters: list[tuple[str, torch.nn.Parameter]]) -> float:
    """Returns the Euclidean norm of all gradients together, as `clip_grad_norm_` computes it."""
    squares = sum(parameter.grad.double().square().sum() for _, parameter in parameters)
    return squares.sqrt().item()


@torch.no_grad()
def logits(model: PeftModel | Idefics3ForConditionalGeneration, encoded: Encoded) -> torch.Tensor:
    return model(**encoded.inputs(), use_cache=False).logits[0]
