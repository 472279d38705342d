"""PEFT's extensions of LoRA on the tiny model.

Writes `variants.safetensors`, `variants.json` and the folders `tiny-lora-{pattern,dora,saved,pissa,pissa-converted}`.
"""

import tempfile
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.optimizers import create_loraplus_optimizer
from safetensors.torch import save_file

from . import conversations, encoding, environment, lora, masks, tiny_folder
from .encoding import Encoded

CONVERSATION = "single"
# Layers with and without bias, in all parts of the model, and in the last decoder layer, where Stepwise computes
# few rows.
FEW = r".*(text_model\.layers\.[01].*(q_proj|v_proj|down_proj)|encoder\.layers\.1.*(q_proj|fc1)|modality_projection\.proj)"
WHOLE = ["modality_projection.proj", "lm_head", "encoder.layers.1.mlp.fc2"]
PATTERNS = {
    "rank_pattern": {r"layers\.1\..*q_proj": 6, "q_proj": 2, r"model\.vision_model\..*": 3},
    "alpha_pattern": {"q_proj": 5, r".*text_model.*down_proj": 16},
}
VARIANTS = {
    "pattern": {"target_modules": FEW, **PATTERNS},
    "dora": {"target_modules": FEW, "use_dora": True},
    "saved": {"target_modules": FEW, "modules_to_save": WHOLE},
}
STEPS = 3
RATES = {"vision_model": 5e-4, "connector": 2e-3, "text_model": 1e-3, "lm_head": 1e-3}
RATIO = 4.0
SHARE, KEY = 0.25, 7


def record(here: Path) -> None:
    folder = here / "tiny"
    case = conversations.TINY[CONVERSATION]
    processor = tiny_folder.load_processor(folder)
    encoded = encoding.encode(processor, here / "images", case, case["messages"], generation_prompt=False)
    tensors: dict[str, torch.Tensor] = {}
    facts: dict[str, object] = {
        "conversation": CONVERSATION,
        "adamw": lora.ADAMW | {"betas": list(lora.ADAMW["betas"])},
        "rates": RATES,
        "loraplus_lr_ratio": RATIO,
        "dropout": {"share": SHARE, "key": KEY},
    }

    def keep(name: str, recorded: dict[str, torch.Tensor], found: dict) -> None:
        tensors.update({f"{name}.{key}": value.detach().clone().contiguous() for key, value in recorded.items()})
        facts[name] = found

    for name, config in VARIANTS.items():
        model = adapted(folder, config)
        lora.save(model, here / f"tiny-lora-{name}")
        keep(name, *outputs(model, encoded))
        keep(f"{name}.merged", {"logits": predicted(adapted(folder, config).merge_and_unload(), encoded)}, {})
    for name in ("dora", "saved"):
        keep(f"{name}.adamw", *stepped(adapted(folder, VARIANTS[name]), encoded, plain))
        keep(f"{name}.loraplus", *stepped(adapted(folder, VARIANTS[name]), encoded, loraplus))
    keep("saved.rates", *stepped(adapted(folder, VARIANTS["saved"]), encoded, by_part))
    for name in ("pattern", "dora"):
        keep(f"{name}.dropout", *dropped(adapted(folder, VARIANTS[name]), encoded))
    for name, recorded in pissa(here, folder, encoded).items():
        keep(name, *recorded)

    save_file(tensors, here / "variants.safetensors")
    environment.write_json(here / "variants.json", facts)


def key(name: str) -> str:
    """Returns the name in an adapter file."""
    name = name.replace(".modules_to_save.default", "")
    return name.replace("lora_magnitude_vector.default.weight", "lora_magnitude_vector").replace(".default.", ".")


def trainable(model: PeftModel) -> list[tuple[str, torch.nn.Parameter]]:
    return sorted((key(name), value) for name, value in model.named_parameters() if value.requires_grad)


def fresh(folder: Path, config: dict) -> PeftModel:
    config = LoraConfig(r=4, lora_alpha=8, task_type="CAUSAL_LM", base_model_name_or_path="tiny", **config)
    return get_peft_model(tiny_folder.load_model(folder), config).eval()


def adapted(folder: Path, config: dict) -> PeftModel:
    """Returns a newly loaded tiny model with an adapter of random values."""
    model = fresh(folder, config)
    generator = torch.Generator().manual_seed(lora.SEED)
    with torch.no_grad():
        for name, parameter in trainable(model):
            noise = 0.2 * torch.randn(parameter.shape, generator=generator)
            if "lora_magnitude" in name:
                parameter.mul_(1 + noise)
            elif "lora_" in name:
                parameter.copy_(noise)
            else:
                parameter.add_(0.25 * noise)
    return model


def predicting(encoded: Encoded) -> list[int]:
    return [place - 1 for place in encoded.supervised()]


def predicted(model: torch.nn.Module, encoded: Encoded) -> torch.Tensor:
    """Returns the logits that predict the supervised tokens."""
    return lora.logits(model, encoded)[predicting(encoded)]


def outputs(model: PeftModel, encoded: Encoded) -> tuple[dict, dict]:
    """Returns the logits that predict the supervised tokens, the loss and its gradients."""
    loss = model(**encoded.inputs(), labels=encoded.labels, use_cache=False).loss
    loss.backward()
    parameters = trainable(model)
    tensors = {f"grad.{name}": parameter.grad for name, parameter in parameters}
    facts = {"loss": loss.item(), "global_grad_norm": lora.global_norm(parameters)}
    return tensors | {"logits": predicted(model, encoded)}, facts


def plain(model: PeftModel) -> torch.optim.Optimizer:
    return torch.optim.AdamW([value for _, value in trainable(model)], **lora.ADAMW)


def loraplus(model: PeftModel) -> torch.optim.Optimizer:
    settings = dict(lora.ADAMW)
    decay = settings.pop("weight_decay")
    return create_loraplus_optimizer(
        model, torch.optim.AdamW, loraplus_lr_ratio=RATIO, loraplus_weight_decay=decay, **settings
    )


def by_part(model: PeftModel) -> torch.optim.Optimizer:
    groups = [
        {"params": [value for name, value in trainable(model) if part in name], "lr": rate}
        for part, rate in RATES.items()
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], **lora.ADAMW)


def stepped(model: PeftModel, encoded: Encoded, optimizer_of) -> tuple[dict, dict]:
    """Returns losses before every step and after the last, and parameters after the first and the last step."""
    optimizer, losses, tensors = optimizer_of(model), [], {}
    for step in range(STEPS):
        optimizer.zero_grad()
        loss = model(**encoded.inputs(), labels=encoded.labels, use_cache=False).loss
        loss.backward()
        losses.append(loss.item())
        optimizer.step()
        if step in (0, STEPS - 1):
            kept = [(name, value) for name, value in trainable(model) if "lm_head" not in name]
            tensors |= {f"step.{step + 1}.{name}": value.detach().clone() for name, value in kept}
    with torch.no_grad():
        losses.append(model(**encoded.inputs(), labels=encoded.labels, use_cache=False).loss.item())
    return tensors, {"losses": losses}


def dropped(model: PeftModel, encoded: Encoded) -> tuple[dict, dict]:
    """Returns loss and gradients of a training pass with Stepwise's dropout masks."""
    for name, module in model.get_base_model().named_modules():
        if hasattr(module, "lora_dropout"):
            # After the attention of the last layer, Stepwise computes only the rows that predict.
            few = name.startswith("model.text_model.layers.1.") and name.endswith(("o_proj", "mlp.down_proj"))
            module.lora_dropout["default"] = masks.Mask(KEY, name, SHARE, predicting(encoded) if few else None)
    model.train()
    loss = model(**encoded.inputs(), labels=encoded.labels, use_cache=False).loss
    loss.backward()
    return {f"grad.{name}": value.grad for name, value in trainable(model)}, {"loss": loss.item()}


def pissa(here: Path, folder: Path, encoded: Encoded) -> dict[str, tuple[dict, dict]]:
    """Records a PiSSA adapter: newly initialised, and after some steps saved as PiSSA and converted to LoRA."""
    config = {"target_modules": FEW, "init_lora_weights": "pissa"}
    model = fresh(folder, config)
    products = {
        name: module.get_delta_weight("default")
        for name, module in model.get_base_model().named_modules()
        if hasattr(module, "get_delta_weight")
    }
    with tempfile.TemporaryDirectory() as first:
        model.save_pretrained(first)
        _, facts = outputs(model, encoded)
        recorded = {"pissa.fresh": (products, facts)}
        model.zero_grad()
        _, facts = stepped(model, encoded, plain)
        recorded["pissa.adamw"] = ({}, facts)
        model.zero_grad()
        lora.save(model, here / "tiny-lora-pissa")
        recorded["pissa"] = outputs(model, encoded)
        model.zero_grad()
        recorded["pissa.dropout"] = dropped(model, encoded)
        model.eval()
        converted = here / "tiny-lora-pissa-converted"
        model.save_pretrained(converted, path_initial_model_for_weight_conversion=first)
        (converted / "README.md").unlink(missing_ok=True)
    return recorded
