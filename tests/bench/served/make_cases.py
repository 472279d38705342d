"""Cases for the measurements: `write(FOLDER, CASES, QUESTIONS)` writes test cases with one tiny image each."""

import hashlib
import json
import struct
import zlib
from pathlib import Path

SIDE = 16
# Question, answer and category of the stages 1 to 4, in turn.
KINDS = (
    ("Which modality is this", {"type": "choice", "options": ["CT", "MRI", "X-ray", "ultrasound"], "gold": [0]}, "01"),
    ("Is there a finding", {"type": "yesno", "gold": True}, "09"),
)
STAGES = (1, 2)


def write(folder: Path, cases: int, questions: int) -> None:
    """Writes `cases.jsonl` and the images of `cases` cases with `questions` questions each."""
    (folder / "images").mkdir(parents=True)
    with open(folder / "cases.jsonl", "w", encoding="utf-8") as lines:
        for number in range(cases):
            lines.write(json.dumps(_case(folder, number, questions)) + "\n")


def _case(folder: Path, number: int, questions: int) -> dict:
    png = _png(number)
    path = f"images/{number}.png"
    (folder / path).write_bytes(png)
    image = {"id": "i", "path": path, "sha256": hashlib.sha256(png).hexdigest(), "width": SIDE, "height": SIDE}
    return {
        "schema": "case/1",
        "case_id": f"case-{number:06}",
        "group_id": f"group-{number:06}",
        "split": "test",
        "source": {"dataset": "constructed", "licence": "CC0-1.0"},
        "modality": "ct",
        "images": [image],
        "chain": [_item(place) for place in range(questions)],
    }


def _item(place: int) -> dict:
    question, answer, category = KINDS[place % len(KINDS)]
    text = f"{question}, read for the time {place // len(KINDS) + 1}?"
    stage = STAGES[place % len(KINDS)]
    return {"id": f"q{place}", "stage": stage, "category": category, "question": text, "answer": answer}


def _png(number: int) -> bytes:
    """A PNG of noise, so that no two images are equal or nearly equal."""
    noise = hashlib.shake_256(str(number).encode()).digest(SIDE * SIDE)
    rows = b"".join(b"\0" + noise[row * SIDE : (row + 1) * SIDE] for row in range(SIDE))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
