"""Stepwise's random numbers: words of ChaCha with 8 rounds, keyed by the SHA-256 of seed and parts."""

import hashlib
import struct
from collections.abc import Iterator


def stream(seed: int, *parts: str) -> Iterator[int]:
    digest = hashlib.sha256(struct.pack("<Q", seed))
    for part in parts:
        digest.update(struct.pack("<Q", len(part.encode())) + part.encode())
    key = struct.unpack("<8I", digest.digest())
    counter = 0
    while True:
        start = [0x61707865, 0x3320646E, 0x79622D32, 0x6B206574, *key, counter & 0xFFFFFFFF, counter >> 32, 0, 0]
        mixed = list(start)
        for _ in range(4):
            for column in range(4):
                _quarter(mixed, column, 4 + column, 8 + column, 12 + column)
            for column in range(4):
                _quarter(mixed, column, 4 + (column + 1) % 4, 8 + (column + 2) % 4, 12 + (column + 3) % 4)
        yield from ((word + first) & 0xFFFFFFFF for word, first in zip(mixed, start, strict=True))
        counter += 1


def _quarter(state: list[int], a: int, b: int, c: int, d: int) -> None:
    for first, second, turned, by in [(a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)]:
        state[first] = (state[first] + state[second]) & 0xFFFFFFFF
        word = state[turned] ^ state[first]
        state[turned] = ((word << by) | (word >> (32 - by))) & 0xFFFFFFFF
