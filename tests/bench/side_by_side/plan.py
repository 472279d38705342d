"""plan.toml as values."""

import shlex
import tomllib
from dataclasses import dataclass
from pathlib import Path

SIDES = ("ours", "peer")


@dataclass(frozen=True)
class Measurement:
    """One command of one side; equal ones are taken once, whatever number of rows they are for."""

    side: str
    # The command's own words, such as `train --mode plain`.
    words: str
    arguments: str
    # Folder of the model, below the work folder.
    work: str
    # File of the records, without ".jsonl".
    records: str

    @property
    def name(self) -> str:
        """For its files: the words, what is read, and the model where it is not the usual one."""
        words = [word for word in shlex.split(self.words) if not word.startswith("-")]
        place = [] if self.work == "model" else [self.work]
        return "-".join([self.side, *words, self.records.replace("/", "-"), *place])


@dataclass(frozen=True)
class Bound:
    """`at_least` for peer / ours, or `at_most` for ours / peer."""

    kind: str
    value: float

    def ratio(self, peer: float, ours: float) -> float:
        return peer / ours if self.kind == "at_least" else ours / peer

    def holds(self, ratio: float) -> bool:
        return ratio >= self.value if self.kind == "at_least" else ratio <= self.value

    def __str__(self) -> str:
        return f"{'>=' if self.kind == 'at_least' else '<='} {self.value:g}"


@dataclass(frozen=True)
class Row:
    name: str
    what: str
    quantity: str
    bound: Bound
    ours: Measurement
    peer: Measurement
    # What ours must equal: the peer, or a more exact measurement of its side.
    reference: Measurement
    runs: int
    # None where answers are compared.
    tolerance: float | None

    @property
    def sides(self) -> dict[str, Measurement]:
        return {"ours": self.ours, "peer": self.peer}

    @property
    def measurements(self) -> list[Measurement]:
        return [self.ours, self.peer, self.reference]


@dataclass(frozen=True)
class Plan:
    profile: str
    settings: dict
    rows: list[Row]


def load(path: Path, profile: str, runs: int | None) -> Plan:
    """`runs` replaces every number of runs."""
    text = tomllib.loads(path.read_text(encoding="utf-8"))
    settings = text[profile]
    return Plan(profile, settings, [row(entry, profile, settings, runs) for entry in text["row"]])


def row(entry: dict, profile: str, settings: dict, runs: int | None) -> Row:
    def measurement(side: str, words: str) -> Measurement:
        arguments = entry.get("arguments", settings["arguments"][words.split()[0]])
        return Measurement(side, words, arguments, entry.get("work", "model"), entry["records"])

    kind = "at_least" if "at_least" in entry else "at_most"
    return Row(
        name=entry["name"],
        # The tiny model is what it is in every profile.
        what=("" if entry.get("work") == "tiny" else settings["label"]) + entry["what"],
        quantity=entry["quantity"],
        bound=Bound(kind, entry[kind]),
        ours=measurement("ours", entry["ours"]),
        peer=measurement("peer", entry["peer"]),
        reference=measurement("peer", entry.get("reference", entry["peer"])),
        runs=runs or entry.get("runs", {}).get(profile, settings["runs"]),
        tolerance=entry.get("tolerance"),
    )
