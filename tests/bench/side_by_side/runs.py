"""Runs of both sides in turn. What a run found is kept as a file, so that an interrupted comparison can go on."""

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .plan import SIDES, Measurement, Row


@dataclass(frozen=True)
class Runner:
    # Each side's program with its first arguments.
    programs: dict[str, list[str]]
    # Holds a folder for each model, and the records.
    work: Path
    # One JSON a run, with the log of what it printed.
    results: Path
    threads: int

    def take(self, measurement: Measurement, run: int) -> None:
        """A failing run leaves its log and no result: the rows that need it say so."""
        result = self.path(measurement, run)
        if result.exists():
            return
        unfinished, log = result.with_suffix(".unfinished"), result.with_suffix(".log")
        command = [
            *self.programs[measurement.side],
            *shlex.split(measurement.words),
            *shlex.split(measurement.arguments),
            *("--work", str(self.work / measurement.work)),
            *("--conversations", str(self.work / f"{measurement.records}.jsonl")),
            *("--threads", str(self.threads)),
            *("--json", str(unfinished)),
        ]
        load = os.getloadavg()[0]
        print(f"{measurement.name}, run {run} ... ", end="", file=sys.stderr, flush=True)
        started = time.monotonic()
        environment = os.environ | {"RAYON_NUM_THREADS": str(self.threads)}
        with log.open("w", encoding="utf-8") as file:
            ended = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, env=environment).returncode
        print(f"{time.monotonic() - started:.1f} s" + ("" if ended == 0 else f", FAILED: {log}"), file=sys.stderr)
        if ended == 0:
            found = json.loads(unfinished.read_text())
            unfinished.write_text(json.dumps(found | {"load_before": load}, indent=1) + "\n")
            unfinished.rename(result)

    def path(self, measurement: Measurement, run: int) -> Path:
        return self.results / f"{measurement.name}-{run}.json"

    def found(self, measurement: Measurement) -> list[dict]:
        """The results of all its runs."""
        paths = sorted(self.results.glob(f"{measurement.name}-[0-9]*.json"))
        return [json.loads(path.read_text()) for path in paths if path.stem.removeprefix(f"{measurement.name}-").isdigit()]


def rounds(rows: Iterable[Row]) -> Iterable[tuple[Measurement, int]]:
    """Every measurement once a round, ours and the peer's in turn, as many rounds as the row that wants most of them."""
    rows = list(rows)
    for run in range(1, max((row.runs for row in rows), default=0) + 1):
        wanted = [row.sides[side] for row in rows if run <= row.runs for side in SIDES]
        for measurement in dict.fromkeys(wanted):
            yield measurement, run
