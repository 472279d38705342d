"""A careful training loop with transformers and PEFT."""

import argparse
from pathlib import Path

import torch
from peft import PeftModel
from torch.nn.functional import cross_entropy

from . import measure, model, records
from .encoding import IGNORED, Encoder
from .records import Record

MAX_GRAD_NORM = 1.0


def run(arguments: argparse.Namespace) -> dict:
    device = torch.device(arguments.device)
    encoder = Encoder(arguments.work / "model")
    network = model.adapted(arguments.work, arguments.dtype, device)
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=arguments.learning_rate, weight_decay=0.0, fused=True)
    everything = records.read(arguments.conversations)
    planned = list(records.batches(everything, arguments.batch, arguments.warmup + arguments.steps))

    peaks = measure.Peaks()
    cached: dict[Path, torch.Tensor] = {}
    started = measure.now(device)
    if arguments.mode == "cached":
        for path in dict.fromkeys(record.image for batch in planned for record in batch):
            cached[path] = model.features(network.base_model.model, encoder.pixels(path).to(device))
    caching = measure.now(device) - started

    result = {"prepare_seconds": [], "seconds": [], "losses": [], "supervised_tokens": [], "tokens": []}
    first_step = None
    for batch in planned:
        before = measure.now(device)
        inputs = prepare(encoder, batch, cached)
        prepared = measure.now(device)
        inputs = {name: value.to(device) for name, value in inputs.items()}
        loss = step(network, optimizer, parameters, inputs, arguments.head)
        result["losses"].append(loss)
        result["seconds"].append(measure.now(device) - prepared)
        result["prepare_seconds"].append(prepared - before)
        result["supervised_tokens"].append(int((inputs["labels"] != IGNORED).sum()))
        result["tokens"].append(int(inputs["attention_mask"].sum()))
        first_step = first_step or measure.since_process_start()
    return result | {"cache_seconds": caching, "start_to_first_step_seconds": first_step, **peaks.report()}


def prepare(encoder: Encoder, batch: list[Record], cached: dict[Path, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Tokens, and for each record its image's pixels, or its features where they are known."""
    inputs = encoder.batch([encoder.question(record, record.answer) for record in batch])
    if cached:
        return inputs | {"features": torch.cat([cached[record.image] for record in batch])}
    return inputs | {"pixels": torch.cat([encoder.pixels(record.image) for record in batch])}


def step(
    network: PeftModel,
    optimizer: torch.optim.Optimizer,
    parameters: list[torch.nn.Parameter],
    inputs: dict[str, torch.Tensor],
    head: str,
) -> float:
    """One optimiser step; the mean loss over the batch's supervised tokens, in nats, before it."""
    adapted = network.base_model.model
    features = inputs["features"] if "features" in inputs else model.features(adapted, inputs["pixels"])
    text = {name: inputs[name] for name in ("input_ids", "attention_mask")} | model.shown(features)
    if head == "full":
        loss = network(**text, labels=inputs["labels"], use_cache=False).loss
    else:
        hidden = adapted.model(**text, use_cache=False).last_hidden_state[:, :-1]
        labels = inputs["labels"][:, 1:]
        supervised = labels != IGNORED
        loss = cross_entropy(adapted.lm_head(hidden[supervised]).float(), labels[supervised])
    loss.backward()
    torch.nn.utils.clip_grad_norm_(parameters, MAX_GRAD_NORM)
    optimizer.step()
    optimizer.zero_grad()
    return loss.item()
