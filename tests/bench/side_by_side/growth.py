"""How the cost of a case grows with cases, chain length, conditions and tiles: ours alone, against a straight line."""

import json
from dataclasses import dataclass
from math import log
from pathlib import Path

from . import work
from .plan import Bound, Measurement, Plan
from .quantities import value
from .rows import line
from .runs import Runner

# Linear is a slope of 1; the rest is room for the clock.
TARGET = Bound("at_most", 1.05)
NAMES = ("cases", "chain", "conditions", "tiles")
WHAT = {
    "growth-cases": "time as cases grow (slope of log time to log cases)",
    "growth-chain": "cost per case as its chain grows (slope of log time to log questions)",
    "growth-conditions": "cost per case as conditions grow (slope of log time to log conditions)",
    "growth-tiles": "cost per case as tiles grow (slope of log time to log tiles)",
}
# Questions a case in growing tiles.
CHAIN = 4


@dataclass(frozen=True)
class Point:
    """How much of what grows, and the measurement of it."""

    size: float
    measurement: Measurement
    # A measurement's time is divided by this: the cases it asked.
    cases: int


@dataclass(frozen=True)
class Growth:
    name: str
    what: str
    points: list[Point]


def prepared(plan: Plan, folder: Path) -> list[Growth]:
    """Writes the records and models of every point."""
    sizes, arguments = plan.settings["growth"], plan.settings["arguments"]["growth"]
    return [
        cases(sizes["cases"], plan, folder),
        chain(sizes["chain"], arguments, folder),
        conditions(sizes["conditions"], plan, folder),
        tiles(sizes["side"], arguments, folder),
    ]


def ours(words: str, arguments: str, records: str, model: str = "model") -> Measurement:
    return Measurement("ours", words, arguments, model, records)


def cases(sizes: list[int], plan: Plan, folder: Path) -> Growth:
    """All text conditions of more and more cases: the time of them all, so that 1 is a constant cost per case."""
    asked = work.by_case(work.read(folder / "growth-text.jsonl"))
    points = []
    for size in within(sizes, len(asked)):
        name = f"growth/cases-{size}"
        work.write(folder / f"{name}.jsonl", [record for case in asked[:size] for record in case])
        points.append(Point(size, ours("eval", plan.settings["arguments"]["eval"], name), 1))
    return Growth("growth-cases", WHAT["growth-cases"], points)


def chain(sizes: list[int], arguments: str, folder: Path) -> Growth:
    """One case a step with more and more different questions on its picture."""
    everything = work.read(folder / "train.jsonl")
    questions = list({json.dumps(record["messages"]): record for record in everything}.values())
    pictures = list(dict.fromkeys(record["image"] for record in everything))
    points = []
    for size in within(sizes, len(questions)):
        name = f"growth/chain-{size}"
        made = [
            questions[(place * size + number) % len(questions)] | {"image": picture, "case": f"case {place}"}
            for place, picture in enumerate(pictures)
            for number in range(size)
        ]
        work.write(folder / f"{name}.jsonl", made)
        points.append(Point(size, ours("train --mode shared", f"--batch {size} {arguments}", name), 1))
    return Growth("growth-chain", WHAT["growth-chain"], points)


def conditions(sizes: list[int], plan: Plan, folder: Path) -> Growth:
    """One question of every case under more and more image conditions. Each case begins with another condition, so that
    dear and cheap ones are as common at every size."""
    asked: dict[str, dict[str, dict]] = {}
    for record in work.read(folder / "growth-image.jsonl"):
        asked.setdefault(record["case"], {}).setdefault(record["condition"], record)
    names = list(dict.fromkeys(name for of_case in asked.values() for name in of_case))
    whole = [of_case for of_case in asked.values() if len(of_case) == len(names)]
    points = []
    for size in within(sizes, len(names)):
        name = f"growth/conditions-{size}"
        made = [
            of_case[names[(first + further) % len(names)]]
            for first, of_case in enumerate(whole)
            for further in range(size)
        ]
        work.write(folder / f"{name}.jsonl", made)
        points.append(Point(size, ours("eval", plan.settings["arguments"]["eval"], name), len(whole)))
    return Growth("growth-conditions", WHAT["growth-conditions"], points)


def tiles(sides: list[int], arguments: str, folder: Path) -> Growth:
    """Square pictures cut into `side` by `side` tiles and the whole one, four questions a step."""
    points = []
    for side in sides:
        model = f"tiles-{side}"
        work.cut_into_tiles(folder / "model", folder / model, side)
        count = 1 if side == 1 else side * side + 1
        measurement = ours("train --mode shared", f"--batch {CHAIN} {arguments}", "growth-train", model)
        points.append(Point(count, measurement, 1))
    return Growth("growth-tiles", WHAT["growth-tiles"], points)


def within(sizes: list[int], most: int) -> list[int]:
    return [size for size in sizes if size <= most]


def measured(growth: Growth, runner: Runner) -> list[tuple[float, float]]:
    """Size and seconds a case, the best of the runs, of each point that has a result."""
    found = [(point, runner.found(point.measurement)) for point in growth.points]
    return [
        (point.size, min(value(result, "time") for result in results) / point.cases)
        for point, results in found
        if results
    ]


def slope(points: list[tuple[float, float]]) -> float:
    """Least squares on both logarithms: 1 is linear, below 1 each further one costs less."""
    xs, ys = [log(x) for x, _ in points], [log(y) for _, y in points]
    x_mean, y_mean = sum(xs) / len(xs), sum(ys) / len(ys)
    over = sum((x - x_mean) * (y - y_mean) for x, y in zip(xs, ys, strict=True))
    return over / sum((x - x_mean) ** 2 for x in xs)


def judged(growth: Growth, label: str, runner: Runner) -> dict:
    """The peer is the straight line."""
    points = measured(growth, runner)
    absent = len(growth.points) - len(points)
    faults = [f"{absent} of {len(growth.points)} measurements failed"] if absent else []
    if len(points) < 3:
        return line(label + growth.what, 1.0, "", "", TARGET, faults or ["fewer than 3 sizes"], False)
    found = slope(points)
    return line(label + growth.what, 1.0, found, found, TARGET, faults, TARGET.holds(found))
