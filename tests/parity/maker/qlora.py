"""QLoRA: the tiny model with linear layers rounded to four bits by bitsandbytes, and PEFT's adapter of `tiny-lora`."""

from pathlib import Path

import torch
from bitsandbytes.functional import dequantize_4bit, quantize_4bit
from transformers import Idefics3ForConditionalGeneration

from . import lora, tiny_folder
from .encoding import Encoded

WEIGHTS = ["model.text_model.layers.0.self_attn.k_proj", "model.vision_model.encoder.layers.1.mlp.fc1"]
"""Layers whose rounded weight is recorded."""


def rounded(weight: torch.Tensor, double_quant: bool) -> torch.Tensor:
    """Rounds a weight to NF4 and back, as `Linear4bit` does with `compute_dtype` float32.

    The weight is flattened, because on the CPU bitsandbytes 0.50.2 gives other values when a row is shorter than a block
    of 64.
    """
    flat = dequantize_4bit(*quantize_4bit(weight.reshape(-1), compress_statistics=double_quant, quant_type="nf4"))
    return flat.reshape(weight.shape)


@torch.no_grad()
def quantised(folder: Path, double_quant: bool) -> Idefics3ForConditionalGeneration:
    """Returns the tiny model with every linear layer rounded except the head, which bitsandbytes does not quantise."""
    model = tiny_folder.load_model(folder)
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear) and name != "lm_head":
            module.weight.copy_(rounded(module.weight, double_quant))
    return model


def drawn() -> torch.Tensor:
    """Draws a weight with more blocks than share one second-level scale, and an incomplete last block."""
    places = torch.arange(300 * 70 + 10)
    return ((places * 7919 % 1009).float() / 504 - 1) * (1 + (places // 64 % 7).float())


def record(folder: Path, encoded: Encoded) -> dict[str, torch.Tensor]:
    """Records rounded weights, with and without double quantisation; with it also outputs, gradients, an AdamW step."""
    tensors = {}
    for how, double_quant in (("once", False), ("twice", True)):
        model = quantised(folder, double_quant)
        tensors |= {f"{how}.{name}": model.get_submodule(name).weight.detach() for name in WEIGHTS}
        tensors[f"{how}.drawn"] = rounded(drawn(), double_quant)

    model = lora.adapted(model, lora.DECODER_LINEARS)
    parameters = lora.trainable(model)
    output = model(**encoded.inputs(), labels=encoded.labels, use_cache=False)
    output.loss.backward()
    tensors |= {"logits": output.logits.detach()[0], "loss": output.loss.detach().reshape(1)}
    tensors |= {f"grad.{name}": parameter.grad.clone() for name, parameter in parameters}
    torch.optim.AdamW([parameter for _, parameter in parameters], **lora.ADAMW).step()
    return tensors | {f"step.1.{name}": parameter.detach().clone() for name, parameter in parameters}
