"""Option log-likelihood of every record that has options."""

import argparse
import time

import torch
from transformers import Idefics3ForConditionalGeneration

from . import measure, model, records
from .encoding import Encoder
from .past import SharedPrefix
from .questions import Asked, ask, log_likelihoods, most_likely, padded


class Loop:
    """Question by question: the image once, then one forward pass over all options."""

    def __init__(self, network: Idefics3ForConditionalGeneration) -> None:
        self.network = network

    def score(self, asked: Asked, pixels: torch.Tensor) -> list[float]:
        ids = padded([asked.prompt + option for option in asked.options], pixels.device)
        features = model.features(self.network, pixels).expand(len(asked.options), -1, -1)
        from_last_of_prompt = ids.shape[1] - len(asked.prompt) + 1
        output = self.network(
            input_ids=ids, **model.shown(features), use_cache=False, logits_to_keep=from_last_of_prompt
        )
        return log_likelihoods(output.logits, asked.options)


@torch.inference_mode()
def run(arguments: argparse.Namespace) -> dict:
    device = torch.device(arguments.device)
    encoder = Encoder(arguments.work / "model")
    network = model.merged(arguments.work, arguments.dtype, device)
    everything = records.read(arguments.conversations)
    started = time.perf_counter()
    questions = [ask(encoder, place, record) for place, record in enumerate(everything) if record.options]
    prepare_seconds = time.perf_counter() - started
    if not questions:
        raise SystemExit(f"{arguments.conversations}: no record has options")
    if arguments.mode == "past":
        # Neighbours then share as much as they can.
        questions.sort(key=lambda asked: (str(asked.image), asked.prompt))
    scorer = Loop if arguments.mode == "loop" else SharedPrefix

    peaks = measure.Peaks()
    warming = scorer(network)
    for asked in questions[: arguments.warmup]:
        warming.score(asked, encoder.pixels(asked.image).to(device))

    scoring = scorer(network)
    rows = []
    for asked in questions:
        before = time.perf_counter()
        pixels = encoder.pixels(asked.image).to(device)
        prepared = measure.now(device)
        scores = scoring.score(asked, pixels)
        seconds = measure.now(device) - prepared
        prepare_seconds += prepared - before
        answer = everything[asked.record].options[most_likely(scores)]
        rows.append((asked.record, answer, scores, [len(option) for option in asked.options], seconds))
    names = ("records", "answers", "log_likelihoods", "option_tokens", "seconds")
    columns = zip(*sorted(rows), strict=True)
    return dict(zip(names, map(list, columns), strict=True)) | {"prepare_seconds": prepare_seconds, **peaks.report()}
