"""Gradients of the loss with respect to pixels and to every parameter."""

import torch

from .family import Family
from .inputs import Encoded

# Pixels in 0..1 must give the processor's values up to this difference, in normalised units.
REBUILT = 2e-5


def record(family: Family, encoded: Encoded) -> dict[str, torch.Tensor]:
    model, inputs = family.model, dict(encoded.full)
    pixels = inputs["pixel_values"].clone().requires_grad_(True)
    model.zero_grad()
    loss = model(**(inputs | {"pixel_values": pixels}), labels=encoded.labels).loss
    loss.backward()
    tensors = {"grad.pixel_values": pixels.grad.contiguous(), "grad.loss": loss.detach().reshape(1)}
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            tensors[f"full.grad.{name}"] = parameter.grad.detach().clone().contiguous()
    model.zero_grad()

    unit, build = family.unit_pixels(encoded.full)
    unit = unit.clone().requires_grad_(True)
    built = build(unit)
    difference = float((built - encoded.full["pixel_values"]).abs().max())
    assert difference < REBUILT, f"pixels in 0..1 give pixel_values up to {difference}"
    model(**(inputs | {"pixel_values": built}), labels=encoded.labels).loss.backward()
    model.zero_grad()
    return tensors | {"unit.pixels": unit.detach().contiguous(), "unit.grad": unit.grad.contiguous()}
