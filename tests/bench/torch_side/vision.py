"""The vision tower alone."""

import argparse

import torch

from . import measure, model, records
from .encoding import Encoder

SHOWN = 8


@torch.inference_mode()
def run(arguments: argparse.Namespace) -> dict:
    device = torch.device(arguments.device)
    encoder = Encoder(arguments.work / "model")
    network = model.base(arguments.work, arguments.dtype, device)
    paths = list(dict.fromkeys(record.image for record in records.read(arguments.conversations)))
    chosen = [paths[tile % len(paths)] for tile in range(arguments.tiles)]
    pixels = torch.cat([encoder.pixels(path) for path in chosen]).to(device, network.dtype)

    peaks = measure.Peaks()
    seconds = []
    for _ in range(arguments.warmup + arguments.steps):
        before = measure.now(device)
        output = network.model.vision_model(pixel_values=pixels).last_hidden_state
        seconds.append(measure.now(device) - before)
    output = output.float()
    return {
        "seconds": seconds,
        "shape": list(output.shape),
        "values": output[:, 0, :SHOWN].flatten().tolist(),
        "root_mean_square": output.square().mean().sqrt().item(),
        **peaks.report(),
    }
