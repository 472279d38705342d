"""Every number of every run, one a line."""

import csv
from collections.abc import Iterator
from pathlib import Path

from .plan import Measurement
from .quantities import QUANTITIES, largest_difference, value
from .runs import Runner

COLUMNS = ("side", "measurement", "arguments", "run", "quantity", "unit", "step", "value")
# Lists with an entry a step; an evaluation's questions are too many to be of use and stay in the runs' own files.
STEPS = {"seconds": "s", "prepare_seconds": "s", "losses": "nat", "supervised_tokens": "tokens", "tokens": "tokens"}


def lines(measurements: list[Measurement], runner: Runner) -> Iterator[tuple]:
    for measurement in measurements:
        for run, result in enumerate(runner.found(measurement), start=1):
            about = (measurement.side, measurement.name, f"{measurement.words} {measurement.arguments}", run)
            for quantity, (unit, _) in QUANTITIES.items():
                found = value(result, quantity)
                if found is not None:
                    yield (*about, quantity, unit, "", f"{found:.6g}")
            yield (*about, "others", "cores", "", f"{result['others_cores']:.2f}")
            for name, unit in STEPS.items() if "records" not in result else ():
                entries = result.get(name)
                for step, entry in enumerate(entries if isinstance(entries, list) else ()):
                    yield (*about, name, unit, step, f"{entry:.7g}")


def differences(rows, runner: Runner) -> Iterator[tuple]:
    """For each row, the largest difference of the first runs' losses, values or log-likelihoods."""
    for row in rows:
        ours, reference = runner.found(row.ours), runner.found(row.reference)
        if ours and reference:
            try:
                found = f"{largest_difference(ours[0], reference[0]):.3g}"
            except (TypeError, ValueError):
                found = "different work"
            yield ("both", row.name, "", 1, "largest difference", "", "", found)


def installed(found: dict) -> Iterator[tuple]:
    for quantity in ("disk", "download"):
        yield ("ours", "install", "", 1, quantity, "bytes", "", found["ours"][quantity])
        for name, size in found["peer"][quantity].items():
            yield ("peer", f"install {name}", "", 1, quantity, "bytes", "", size)
        rest = sum(size for name, size in found["peer"][quantity].items() if name not in found["peer"]["cuda"])
        yield ("peer", "install without CUDA's libraries", "", 1, quantity, "bytes", "", rest)


def grown(points: dict[str, list[tuple[float, float]]]) -> Iterator[tuple]:
    for name, found in points.items():
        for size, seconds in found:
            yield ("ours", name, "", 1, f"time at {size:g}", "s", "", f"{seconds:.6g}")


def write(path: Path, header: tuple, rows: list[tuple]) -> None:
    unfinished = path.with_name(path.name + ".unfinished")
    with unfinished.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
    unfinished.rename(path)
