"""Keys and values kept from prompt to prompt, and from a prompt to its options."""

import copy
from os.path import commonprefix
from pathlib import Path

import torch
from transformers import DynamicCache, Idefics3ForConditionalGeneration

from . import model
from .questions import Asked, log_likelihoods, padded


class SharedPrefix:
    """The last prompt's keys and values. The next prompt on the same image drops what differs and goes on from there;
    tower and connector run once an image."""

    def __init__(self, network: Idefics3ForConditionalGeneration) -> None:
        self.network = network
        self.image: Path | None = None
        self.features: torch.Tensor | None = None
        self.prompt: list[int] = []
        self.cache = DynamicCache(config=network.config)

    def score(self, asked: Asked, pixels: torch.Tensor) -> list[float]:
        if asked.image != self.image:
            self.image, self.prompt = asked.image, []
            self.features = model.features(self.network, pixels)
            self.cache = DynamicCache(config=self.network.config)
        first = self._read(asked.prompt).expand(len(asked.options), -1, -1)
        # An option's last token, the end of its turn, predicts nothing that is asked.
        inputs = [option[:-1] for option in asked.options]
        cache = copy.deepcopy(self.cache)
        cache.batch_repeat_interleave(len(inputs))
        rest = self.network(input_ids=padded(inputs, pixels.device), past_key_values=cache, use_cache=True).logits
        return log_likelihoods(torch.cat([first, rest], dim=1), asked.options)

    def _read(self, prompt: list[int]) -> torch.Tensor:
        """Makes the cache that of `prompt`; the logits after its last token, `[1, 1, vocabulary]`."""
        shared = min(len(commonprefix([self.prompt, prompt])), len(prompt) - 1)
        if shared < len(self.prompt):
            self.cache.crop(shared - len(self.prompt))
        tail = prompt[shared:]
        shows_image = self.network.config.image_token_id in tail
        output = self.network(
            input_ids=torch.tensor([tail], device=self.network.device),
            **(model.shown(self.features) if shows_image else {}),
            past_key_values=self.cache,
            use_cache=True,
            logits_to_keep=1,
        )
        self.prompt = prompt
        return output.logits
