"""Stepwise's dropout masks."""

import torch

from maker.draws import stream


class Mask(torch.nn.Module):
    """Replaces PEFT's dropout. Masks are drawn for all rows of `[..., tokens, features]`, or only for `rows`."""

    def __init__(self, key: int, module: str, share: float, rows: list[int] | None) -> None:
        super().__init__()
        self.key, self.module, self.share, self.rows = key, module, share, rows

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        flat = x.reshape(-1, x.shape[-1])
        rows = self.rows if self.rows is not None else list(range(len(flat)))
        words = stream(self.key, "dropout", self.module)
        threshold = int(self.share * 0xFFFFFFFF)
        kept = [0.0 if next(words) < threshold else 1 / (1 - self.share) for _ in range(len(rows) * x.shape[-1])]
        mask = torch.ones_like(flat)
        mask[rows] = torch.tensor(kept).reshape(len(rows), -1)
        return (flat * mask).reshape(x.shape)
