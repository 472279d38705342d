"""The same work with models of other families, which transformers reads by their configuration."""

import argparse
import copy
import time
from functools import lru_cache
from pathlib import Path

import torch
import transformers
from peft import PeftModel
from torch.nn.functional import cross_entropy
from transformers import AutoConfig, AutoImageProcessor, AutoProcessor, BatchFeature, PreTrainedModel

from . import measure, records
from .questions import log_likelihoods, most_likely, padded
from .records import Record
from .train import MAX_GRAD_NORM

IGNORED = -100
# Prepared images kept: the questions of a case follow each other.
KEPT_IMAGES = 8
# Inputs of the image encoder; all others have one value a token.
PIXELS = ("pixel_values", "image_grid_thw")


class Encoder:
    """The folder's processor, with Pillow's resampling."""

    def __init__(self, folder: Path) -> None:
        self.processor = AutoProcessor.from_pretrained(folder)
        self.processor.image_processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
        self.processor.tokenizer.padding_side = "right"
        self.picture = lru_cache(maxsize=KEPT_IMAGES)(self._picture)

    def _picture(self, path: Path):
        from PIL import Image

        with Image.open(path) as picture:
            return picture.convert("RGB")

    def text(self, messages: list[dict], generation_prompt: bool) -> str:
        return self.processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=generation_prompt)

    def inputs(self, batch: list[Record], texts: list[str]) -> BatchFeature:
        images = [self.picture(record.image) for record in batch]
        return self.processor(text=texts, images=images, padding=True, return_tensors="pt")

    def ids(self, record: Record, text: str) -> list[int]:
        return self.inputs([record], [text])["input_ids"][0].tolist()

    def supervised(self, prompt: list[int], answered: list[int]) -> int:
        """Number of tokens through the end of the answer's turn; the line break after it is not supervised."""
        if answered[: len(prompt)] != prompt:
            raise SystemExit("an answer does not start on a token of its own after the prompt")
        end = self.processor.tokenizer.convert_tokens_to_ids("<|im_end|>")
        return answered.index(end, len(prompt)) + 1

    def batch(self, batch: list[Record]) -> BatchFeature:
        inputs = self.inputs(batch, [self.text(record.answered(record.answer), False) for record in batch])
        labels = torch.full_like(inputs["input_ids"], IGNORED)
        for row, record in enumerate(batch):
            prompt = self.ids(record, self.text(record.messages, True))
            ids = inputs["input_ids"][row]
            end = self.supervised(prompt, ids.tolist())
            labels[row, len(prompt) : end] = ids[len(prompt) : end]
        return BatchFeature({**inputs, "labels": labels})


def base(work: Path) -> PreTrainedModel:
    folder = work / "model"
    model_class = getattr(transformers, AutoConfig.from_pretrained(folder).architectures[0])
    return model_class.from_pretrained(folder, attn_implementation="sdpa", dtype=torch.float32).eval()


def run(arguments: argparse.Namespace) -> dict:
    return train(arguments) if arguments.command == "family-train" else evaluate(arguments)


def train(arguments: argparse.Namespace) -> dict:
    encoder = Encoder(arguments.work / "model")
    network = PeftModel.from_pretrained(base(arguments.work), arguments.work / "adapter", is_trainable=True)
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=arguments.learning_rate, weight_decay=0.0, fused=True)
    everything = records.read(arguments.conversations)

    peaks = measure.Peaks()
    result = {"prepare_seconds": [], "seconds": [], "losses": [], "supervised_tokens": [], "tokens": []}
    first_step = None
    for batch in records.batches(everything, arguments.batch, arguments.warmup + arguments.steps):
        before = time.perf_counter()
        inputs = encoder.batch(batch)
        prepared = time.perf_counter()
        result["losses"].append(step(network, optimizer, parameters, inputs))
        result["seconds"].append(time.perf_counter() - prepared)
        result["prepare_seconds"].append(prepared - before)
        result["supervised_tokens"].append(int((inputs["labels"] != IGNORED).sum()))
        result["tokens"].append(int(inputs["attention_mask"].sum()))
        first_step = first_step or measure.since_process_start()
    return result | {"start_to_first_step_seconds": first_step, **peaks.report()}


def step(
    network: PeftModel, optimizer: torch.optim.Optimizer, parameters: list[torch.nn.Parameter], inputs: BatchFeature
) -> float:
    """One optimiser step with logits at supervised tokens only; the mean loss before it, in nats. Nothing of the image
    encoder learns, so nothing of it is kept for the backward pass."""
    adapted = network.base_model.model
    inputs = dict(inputs)
    labels = inputs.pop("labels")[:, 1:]
    hidden = adapted.model(**inputs, use_cache=False).last_hidden_state[:, :-1]
    supervised = labels != IGNORED
    loss = cross_entropy(adapted.lm_head(hidden[supervised]), labels[supervised])
    loss.backward()
    torch.nn.utils.clip_grad_norm_(parameters, MAX_GRAD_NORM)
    optimizer.step()
    optimizer.zero_grad()
    return loss.item()


@torch.inference_mode()
def evaluate(arguments: argparse.Namespace) -> dict:
    encoder = Encoder(arguments.work / "model")
    adapted = PeftModel.from_pretrained(base(arguments.work), arguments.work / "adapter")
    network = adapted.merge_and_unload().eval()
    everything = [(place, record) for place, record in enumerate(records.read(arguments.conversations)) if record.options]
    prepare_seconds = 0.0
    peaks = measure.Peaks()
    rows = []
    for turn, (place, record) in enumerate([*everything[: arguments.warmup], *everything]):
        before = time.perf_counter()
        prompt_text = encoder.text(record.messages, True)
        prompt = encoder.inputs([record], [prompt_text])
        ids = prompt["input_ids"][0].tolist()
        options = []
        for option in record.options:
            answered = encoder.ids(record, encoder.text(record.answered(option), False))
            options.append(answered[len(ids) : encoder.supervised(ids, answered)])
        prepared = time.perf_counter()
        scores = score(network, prompt, options)
        seconds = time.perf_counter() - prepared
        if turn >= min(arguments.warmup, len(everything)):
            prepare_seconds += prepared - before
            answer = record.options[most_likely(scores)]
            rows.append((place, answer, scores, [len(option) for option in options], seconds))
    names = ("records", "answers", "log_likelihoods", "option_tokens", "seconds")
    columns = zip(*rows, strict=True)
    return dict(zip(names, map(list, columns), strict=True)) | {"prepare_seconds": prepare_seconds, **peaks.report()}


def score(network: PreTrainedModel, prompt: BatchFeature, options: list[list[int]]) -> list[float]:
    """Reads image and prompt once, and all options as one batch that goes on from the prompt's keys and values."""
    read = network(**prompt, use_cache=True, logits_to_keep=1)
    cache = copy.deepcopy(read.past_key_values)
    cache.batch_repeat_interleave(len(options))
    # An option's last token, the end of its turn, predicts nothing that is asked.
    tails = padded([option[:-1] for option in options], read.logits.device)
    start = prompt["input_ids"].shape[1] + int(network.model.rope_deltas[0])
    positions = (start + torch.arange(tails.shape[1])).expand(3, len(options), -1)
    rest = network(input_ids=tails, past_key_values=cache, position_ids=positions, use_cache=True).logits
    logits = torch.cat([read.logits.expand(len(options), -1, -1), rest], dim=1)
    return log_likelihoods(logits, options)
