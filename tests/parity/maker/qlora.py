"""QLoRA: the tiny model's linear layers in four bits by bitsandbytes, the adapter of `tiny-lora` beside them by PEFT."""

from pathlib import Path

import bitsandbytes
import torch
from bitsandbytes.functional import dequantize_4bit, quantize_4bit
from transformers import BitsAndBytesConfig, Idefics3ForConditionalGeneration

from . import lora
from .encoding import Encoded

WEIGHTS = ["model.text_model.layers.0.self_attn.k_proj", "model.vision_model.encoder.layers.1.mlp.fc1"]
"""Layers of which the rounded weight itself is kept."""


def quantised(folder: Path, double_quant: bool) -> Idefics3ForConditionalGeneration:
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=double_quant,
        bnb_4bit_compute_dtype=torch.float32,
    )
    model = Idefics3ForConditionalGeneration.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", quantization_config=config, device_map="cpu"
    )
    linears = {name: module for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    plain = [name for name, module in linears.items() if not isinstance(module, bitsandbytes.nn.Linear4bit)]
    assert plain == ["lm_head"], plain
    for module in linears.values():
        module.support_avx512bf16_for_cpu = False  # It would multiply in bf16, whatever compute dtype was asked for.
    return model.eval()


def rounded(model: Idefics3ForConditionalGeneration, name: str) -> torch.Tensor:
    weight = model.get_submodule(name).weight
    return dequantize_4bit(weight.data, weight.quant_state)


def drawn(double_quant: bool) -> torch.Tensor:
    """A weight with more blocks than share a scale of scales, the last of them not whole."""
    count = 300 * 70 + 10
    values = (torch.arange(count) * 7919 % 1009).float() / 504 - 1
    values *= 1 + (torch.arange(count) // 64 % 7).float()
    return dequantize_4bit(*quantize_4bit(values, compress_statistics=double_quant, quant_type="nf4"))


def record(folder: Path, encoded: Encoded) -> dict[str, torch.Tensor]:
    """Rounded weights with and without double quantisation; with it also outputs, gradients and an AdamW step."""
    tensors = {"once.drawn": drawn(False), "twice.drawn": drawn(True)}
    once = quantised(folder, double_quant=False)
    tensors |= {f"once.{name}": rounded(once, name) for name in WEIGHTS}
    twice = quantised(folder, double_quant=True)
    tensors |= {f"twice.{name}": rounded(twice, name) for name in WEIGHTS}

    model = lora.adapted(twice, lora.DECODER_LINEARS)
    parameters = lora.trainable(model)
    output = model(**encoded.inputs(), labels=encoded.labels, use_cache=False)
    output.loss.backward()
    tensors |= {"logits": output.logits.detach()[0], "loss": output.loss.detach().reshape(1)}
    tensors |= {f"grad.{name}": parameter.grad.clone() for name, parameter in parameters}
    torch.optim.AdamW([parameter for _, parameter in parameters], **lora.ADAMW).step()
    return tensors | {f"step.1.{name}": parameter.detach().clone() for name, parameter in parameters}
