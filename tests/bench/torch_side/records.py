"""`conversations.jsonl`: one question a line, the same for both sides."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FIELDS = ("case", "image", "messages", "answer", "options")


@dataclass(frozen=True)
class Record:
    case: str
    image: Path
    # Ends with the user's turn and shows the one image.
    messages: list[dict]
    answer: str
    # Replies among which a choice decides; None where the answer is free.
    options: list[str] | None

    def answered(self, reply: str) -> list[dict]:
        return [*self.messages, {"role": "assistant", "content": [{"type": "text", "text": reply}]}]


def read(path: Path) -> list[Record]:
    """An image's path is taken from the file's folder unless it is absolute."""
    records = []
    for row, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            value = json.loads(line)
        except json.JSONDecodeError as problem:
            raise SystemExit(f"{path}:{row}: not JSON: {problem}") from problem
        missing = [field for field in FIELDS if field not in value]
        if missing:
            raise SystemExit(f"{path}:{row}: {', '.join(missing)}: absent")
        parts = [part for message in value["messages"] for part in message["content"] if part["type"] == "image"]
        if len(parts) != 1:
            raise SystemExit(f"{path}:{row}: messages: {len(parts)} images are shown, one is expected")
        fields = {field: value[field] for field in FIELDS}
        records.append(Record(**fields | {"image": path.parent / value["image"]}))
    if not records:
        raise SystemExit(f"{path}: no records")
    return records


def batches(records: list[Record], size: int, count: int) -> Iterator[list[Record]]:
    """Batch `b` holds the records `b * size .. (b + 1) * size`, going round at the end of the file."""
    for batch in range(count):
        yield [records[(batch * size + place) % len(records)] for place in range(size)]
