"""From one run's result to the numbers that are compared. Its fields stand in README.md."""

from math import inf, isnan
from statistics import median

MIB = 2**20


def time(result: dict) -> float:
    """The median step or pass after warming up; of an evaluation, all its questions together."""
    if "records" in result:
        return sum(result["seconds"])
    return median(result["seconds"][result["settings"]["warmup"] :])


def prepare(result: dict) -> float | None:
    """Images and tokens: the median step's; of an evaluation, all of it."""
    found = result.get("prepare_seconds")
    return median(found[result["settings"]["warmup"] :]) if isinstance(found, list) else found


def mebibytes(name: str):
    return lambda result: result[name] / MIB if name in result else None


# Unit, and the number, or None where the command does not report it.
QUANTITIES = {
    "time": ("s", time),
    "prepare": ("s", prepare),
    "start": ("s", lambda result: result.get("start_to_first_step_seconds")),
    "memory": ("MiB", mebibytes("peak_rss_bytes")),
    "memory after loading": ("MiB", mebibytes("work_peak_rss_bytes")),
    "memory of the device": ("MiB", mebibytes("peak_device_bytes")),
}


def value(result: dict, quantity: str) -> float | None:
    return QUANTITIES[quantity][1](result)


def largest_difference(one: dict, other: dict) -> float:
    """Between numbers in the same places; infinite where one is no number. Results of different length are of different
    work: a ValueError."""
    differences = [abs(a - b) for a, b in zip(numbers(one), numbers(other), strict=True)]
    return inf if any(map(isnan, differences)) else max(differences)


def numbers(result: dict) -> list[float]:
    if "records" in result:
        return [score for scores in result["log_likelihoods"] for score in scores]
    return result["losses"] if "losses" in result else [*result["values"], result["root_mean_square"]]


def problems_of_answers(one: dict, other: dict, tolerance: float) -> list[str]:
    """Log-likelihoods of options that differ by more than `tolerance` nats, and answers that differ though the best option
    of `other` leads by more than rounding explains."""
    if set(one["records"]) != set(other["records"]):
        return ["different work: the sides answered different records"]
    peer = {record: place for place, record in enumerate(other["records"])}
    apart, changed = 0.0, 0
    for place, record in enumerate(one["records"]):
        mine, theirs = one["log_likelihoods"][place], other["log_likelihoods"][peer[record]]
        if len(mine) != len(theirs):
            return [f"different work: record {record} has {len(mine)} and {len(theirs)} options"]
        differences = [abs(a - b) for a, b in zip(mine, theirs)]
        apart = max([apart, *(inf if isnan(difference) else difference for difference in differences)])
        first, *rest = sorted(theirs, reverse=True)
        is_tie = bool(rest) and first - rest[0] <= 2 * tolerance
        changed += one["answers"][place] != other["answers"][peer[record]] and not is_tie
    problems = [f"log-likelihoods differ by {apart:.1e}"] if apart > tolerance else []
    return problems + ([f"{changed} of {len(peer)} answers differ"] if changed else [])


def different_answers(one: dict, other: dict) -> int:
    answers = zip(one["answers"], other["answers"], strict=True)
    return sum(mine != theirs for mine, theirs in answers)
