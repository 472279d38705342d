"""Ours against the reference, in alternating runs: a table on standard output and ratios.csv.

    python compare.py PLAN.toml --out DIR --runs 3 --ours "PROGRAM ..." --python PYTHON --work WORK --data FOLDER
    python compare.py PLAN.toml --out DIR             # reads what earlier runs left in DIR

Both sides take the arguments of reference.py and write the same JSON (README.md). A run that has left its result in DIR
is not taken again.
"""

import argparse
import csv
import json
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

from torch_side.ratios import COLUMNS, rows

HERE = Path(__file__).resolve().parent
SIDES = ("reference", "ours")


def main() -> None:
    arguments = parser().parse_args()
    plan = tomllib.loads(arguments.plan.read_text(encoding="utf-8"))["comparison"]
    chosen = [entry for entry in plan if not arguments.only or entry["name"] in arguments.only]
    if arguments.runs:
        take_runs(arguments, chosen)

    arguments.out.mkdir(parents=True, exist_ok=True)
    table = []
    for entry in chosen:
        sides = [[json.loads(path.read_text()) for path in results(arguments.out, entry, side)] for side in SIDES]
        if all(sides):
            table += rows(entry["name"], *sides)
        else:
            print(f"{entry['name']}: not run yet", file=sys.stderr)
    with (arguments.out / "ratios.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)
    show(table)


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    top.add_argument("plan", type=Path)
    top.add_argument("--out", type=Path, required=True, help="where each run's JSON is kept")
    top.add_argument("--runs", type=int, default=0, help="runs of each side, taken in turn")
    top.add_argument("--ours", help="our program with its first arguments")
    top.add_argument("--python", default=sys.executable, help="the interpreter that has requirements.txt")
    top.add_argument("--work", type=Path, help="folder that make_work.py made")
    top.add_argument("--data", type=Path, help="folder of the plan's conversations")
    top.add_argument("--threads", type=int, default=2)
    top.add_argument("--only", nargs="+", help="names of comparisons")
    return top


def take_runs(arguments: argparse.Namespace, plan: list[dict]) -> None:
    absent = [f"--{name}" for name in ("ours", "work", "data") if getattr(arguments, name) is None]
    if absent:
        raise SystemExit(f"--runs needs {', '.join(absent)}")
    programs = {
        "reference": [arguments.python, str(HERE / "reference.py")],
        "ours": shlex.split(arguments.ours),
    }
    for entry in plan:
        for run in range(1, arguments.runs + 1):
            for side in SIDES:
                result = arguments.out / entry["name"] / f"{side}-{run}.json"
                if not result.exists():
                    take_run(programs[side], entry, side, arguments, result)


def take_run(program: list[str], entry: dict, side: str, arguments: argparse.Namespace, result: Path) -> None:
    """`NAME.log` keeps what the run printed; an unfinished result does not bear the result's name."""
    result.parent.mkdir(parents=True, exist_ok=True)
    unfinished = result.with_suffix(".unfinished")
    command = [
        *program,
        *shlex.split(entry[side] if side in entry else entry["both"]),
        *shlex.split(entry.get("arguments", "")),
        *("--work", str(arguments.work)),
        *("--conversations", str(arguments.data / entry["conversations"])),
        *("--threads", str(arguments.threads)),
        *("--json", str(unfinished)),
    ]
    with result.with_suffix(".log").open("w", encoding="utf-8") as log:
        status = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT).returncode
    if status != 0:
        raise SystemExit(f"{shlex.join(command)}: exit status {status} -> see {result.with_suffix('.log')}")
    unfinished.rename(result)


def results(out: Path, entry: dict, side: str) -> list[Path]:
    return sorted((out / entry["name"]).glob(f"{side}-*.json"))


def show(table: list[dict]) -> None:
    texts = [list(COLUMNS), *([text(row[column]) for column in COLUMNS] for row in table)]
    widths = [max(len(line[column]) for line in texts) for column in range(len(COLUMNS))]
    for line in texts:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
