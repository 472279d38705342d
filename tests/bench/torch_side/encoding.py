"""From records to tensors: the image prepared once, the prompt's and the answer's tokens told apart."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from PIL import Image
from transformers import AutoTokenizer, Idefics3Processor
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil

from .records import Record

IGNORED = -100
# Prepared images kept: the questions of a case follow each other, so more would only cost memory.
KEPT_IMAGES = 8


@dataclass(frozen=True)
class Question:
    """One record's tokens. `prompt` ends where a reply begins; a reply's tokens follow it without change."""

    prompt: list[int]
    reply: list[int]


class Encoder:
    """The folder's processor, with Pillow's resampling: the two others of transformers differ from it by up to two grey
    levels of 255."""

    def __init__(self, folder: Path) -> None:
        settings = Idefics3Processor.from_pretrained(folder)
        self.processor = settings
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.images = Idefics3ImageProcessorPil.from_pretrained(folder)
        self.end = settings.end_of_utterance_token
        self.pixels = lru_cache(maxsize=KEPT_IMAGES)(self._pixels)

    def _pixels(self, path: Path) -> torch.Tensor:
        """`[1, 3, side, side]`: the one tile, normalised."""
        with Image.open(path) as picture:
            made = self.images([picture.convert("RGB")], return_tensors="pt")["pixel_values"]
        if made.shape[1] != 1:
            raise SystemExit(f"{path}: {made.shape[1]} tiles, one is expected -> do_image_splitting is off in WORK/model")
        return made[0]

    def question(self, record: Record, reply: str) -> Question:
        """`reply` with the end of its turn."""
        prompt = self._tokens(record.messages, generation_prompt=True)
        answered = self._tokens(record.answered(reply), generation_prompt=False)
        if answered[: len(prompt)] != prompt:
            raise SystemExit(f"case {record.case}: {reply!r} does not start on a token of its own after the prompt")
        return Question(prompt, answered[len(prompt) :])

    def option(self, record: Record, option: str) -> Question:
        """`option` through the end of its turn, the tokens that training supervises."""
        question = self.question(record, option)
        return Question(question.prompt, self._supervised(question.reply))

    def _supervised(self, reply: list[int]) -> list[int]:
        end = self.tokenizer.convert_tokens_to_ids(self.end)
        return reply[: reply.index(end) + 1]

    def _tokens(self, messages: list[dict], generation_prompt: bool) -> list[int]:
        text = self.processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=generation_prompt)
        tile = self.processor.replace_image_token({"rows": [[0]], "cols": [[0]]}, 0)
        return self.tokenizer(text.replace(self.processor.image_token, tile))["input_ids"]

    def batch(self, questions: list[Question]) -> dict[str, torch.Tensor]:
        """Padded on the right to the longest; labels on the reply through the end of its turn."""
        longest = max(len(question.prompt) + len(question.reply) for question in questions)
        ids = torch.full((len(questions), longest), self.tokenizer.pad_token_id)
        mask = torch.zeros_like(ids)
        labels = torch.full_like(ids, IGNORED)
        for row, question in enumerate(questions):
            start, tokens = len(question.prompt), question.prompt + question.reply
            supervised = self._supervised(question.reply)
            ids[row, : len(tokens)] = torch.tensor(tokens)
            mask[row, : len(tokens)] = 1
            labels[row, start : start + len(supervised)] = torch.tensor(supervised)
        return {"input_ids": ids, "attention_mask": mask, "labels": labels}
