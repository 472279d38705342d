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

from .plan import Measurement, Row

# Cores that other programs may use during a run without its being called disturbed.
DISTURBED = 0.1


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
        print(f"{measurement.name}, run {run} ... ", end="", file=sys.stderr, flush=True)
        started, busy = time.monotonic(), others_seconds()
        environment = os.environ | {"RAYON_NUM_THREADS": str(self.threads)}
        with log.open("w", encoding="utf-8") as file:
            ended = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, env=environment).returncode
        seconds = time.monotonic() - started
        others = (others_seconds() - busy) / seconds
        notes = [f", FAILED: {log}"] * (ended != 0) + [f", disturbed by {others:.1f} cores"] * (others > DISTURBED)
        print(f"{seconds:.1f} s{''.join(notes)}", file=sys.stderr)
        if ended == 0:
            found = json.loads(unfinished.read_text())
            unfinished.write_text(json.dumps(found | {"others_cores": others}, indent=1) + "\n")
            unfinished.rename(result)

    def path(self, measurement: Measurement, run: int) -> Path:
        return self.results / f"{measurement.name}-{run}.json"

    def found(self, measurement: Measurement) -> list[dict]:
        """The results of all its runs."""
        paths = sorted(self.results.glob(f"{measurement.name}-[0-9]*.json"))
        return [json.loads(path.read_text()) for path in paths if path.stem.removeprefix(f"{measurement.name}-").isdigit()]


def others_seconds() -> float:
    """Processor time of everything but this program and what it has waited for (proc_stat(5): all but idle and waiting)."""
    user, nice, system, _, _, *interrupts = map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:9])
    own = os.times()
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK") - sum(own[:4])


def rounds(rows: Iterable[Row]) -> Iterable[tuple[Measurement, int]]:
    """Every measurement once a round, ours and the peer's in turn, as many rounds as the row that wants most of them."""
    rows = list(rows)
    for run in range(1, max((row.runs for row in rows), default=0) + 1):
        wanted = [measurement for row in rows if run <= row.runs for measurement in row.measurements]
        for measurement in dict.fromkeys(wanted):
            yield measurement, run
