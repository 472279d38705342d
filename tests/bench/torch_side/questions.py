"""Questions whose answer is one of some options, and how options are told apart."""

from dataclasses import dataclass
from pathlib import Path

import torch

from .encoding import Encoder
from .records import Record


@dataclass(frozen=True)
class Asked:
    # The record's place in the file.
    record: int
    image: Path
    prompt: list[int]
    # Each option's tokens as they follow the prompt, through the end of the turn.
    options: list[list[int]]


def ask(encoder: Encoder, place: int, record: Record) -> Asked:
    questions = [encoder.option(record, option) for option in record.options]
    return Asked(place, record.image, questions[0].prompt, [question.reply for question in questions])


def padded(rows: list[list[int]], device: torch.device) -> torch.Tensor:
    """On the right, with any token: under causal attention nothing before it sees it, so no mask is needed either."""
    longest = max(len(row) for row in rows)
    return torch.tensor([row + [0] * (longest - len(row)) for row in rows], device=device)


def log_likelihoods(logits: torch.Tensor, options: list[list[int]]) -> list[float]:
    """Natural logarithms, summed over each option's tokens. `logits[o, t]` is what token `t` of option `o` is drawn from."""
    log_probabilities = logits.float().log_softmax(-1)
    return [
        sum(log_probabilities[row, place, token].item() for place, token in enumerate(option))
        for row, option in enumerate(options)
    ]


def most_likely(scores: list[float]) -> int:
    """The largest log-likelihood wins, the first among equals."""
    return scores.index(max(scores))
