"""From both sides' results to rows of the table."""

from statistics import median

COLUMNS = (
    "what",
    "quantity",
    "unit",
    "ours",
    "reference",
    "ratio",
    "ratio_is",
    "runs",
    "largest_difference",
    "different_answers",
)
MIB = 2**20
# How a quantity is compared: of times, how often ours goes into the reference's; of the rest, ours as a share of it.
SPEED, SHARE = "reference / ours", "ours / reference"


def rows(what: str, reference: list[dict], ours: list[dict]) -> list[dict]:
    """One row a quantity that both sides report: the median over each side's runs. `largest_difference` is that of the
    losses, log-likelihoods or values, over every pair of runs."""
    pairs = [(one, other) for one in ours for other in reference]
    difference = max(largest_difference(one, other) for one, other in pairs)
    changed = max(different_answers(one, other) for one, other in pairs)
    table = []
    for quantity, (unit, ratio_is, value) in QUANTITIES.items():
        sides = [[found for result in side if (found := value(result)) is not None] for side in (ours, reference)]
        if not all(sides):
            continue
        mine, theirs = map(median, sides)
        table.append(
            {
                "what": what,
                "quantity": quantity,
                "unit": unit,
                "ours": mine,
                "reference": theirs,
                "ratio": theirs / mine if ratio_is == SPEED else mine / theirs,
                "ratio_is": ratio_is,
                "runs": min(map(len, sides)),
                "largest_difference": difference,
                "different_answers": changed,
            }
        )
    return table


def seconds(result: dict) -> float:
    """The median step or pass after warming up; of an evaluation, all its questions together."""
    if "records" in result:
        return sum(result["seconds"])
    return median(result["seconds"][result["settings"]["warmup"] :])


def prepare_seconds(result: dict) -> float | None:
    """Images and tokens: the median step's; of an evaluation, all of it."""
    found = result.get("prepare_seconds")
    return median(found[result["settings"]["warmup"] :]) if isinstance(found, list) else found


def mebibytes(name: str):
    return lambda result: result[name] / MIB if name in result else None


QUANTITIES = {
    "time": ("s", SPEED, seconds),
    "time of preparation": ("s", SPEED, prepare_seconds),
    "start to first step": ("s", SHARE, lambda result: result.get("start_to_first_step_seconds")),
    "peak memory of the process": ("MiB", SHARE, mebibytes("peak_rss_bytes")),
    "peak memory after loading": ("MiB", SHARE, mebibytes("work_peak_rss_bytes")),
    "peak memory of the device": ("MiB", SHARE, mebibytes("peak_device_bytes")),
}


def largest_difference(one: dict, other: dict) -> float:
    """Between numbers in the same places. Results of different length are of different work: an error."""
    left, right = (numbers(result) for result in (one, other))
    return max(abs(a - b) for a, b in zip(left, right, strict=True))


def numbers(result: dict) -> list[float]:
    if "records" in result:
        return [score for scores in result["log_likelihoods"] for score in scores]
    return result["losses"] if "losses" in result else result["values"]


def different_answers(one: dict, other: dict) -> int:
    answers = zip(one.get("answers", []), other.get("answers", []), strict=True)
    return sum(mine != theirs for mine, theirs in answers)
