"""From results to rows of the table."""

from statistics import median

from .plan import SIDES, Row
from .quantities import different_answers, largest_difference, value
from .runs import Runner

COLUMNS = ("what", "peer", "ours", "ratio", "target", "met")


def line(what: str, peer: object, ours: object, ratio: object, target: object, faults: list[str], holds: bool) -> dict:
    """A row that is met has no faults; a fault is said where the row is named."""
    what = f"{what} [{'; '.join(faults)}]" if faults else what
    cells = (what, peer, ours, ratio, target, "yes" if holds and not faults else "no")
    return dict(zip(COLUMNS, map(text, cells), strict=True))


NOT_MEASURED = "not measured"


def unmeasured(what: str, target: object) -> dict:
    """The row of a comparison that a call left out: the table names every row, with numbers or without."""
    return line(what, "", "", "", target, [], False) | {"met": NOT_MEASURED}


def text(cell: object) -> str:
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)


def compared(row: Row, runner: Runner) -> dict:
    """The median over each side's runs, and whether every run of ours equals every run of the reference."""
    found = {side: runner.found(row.sides[side]) for side in SIDES}
    faults = [f"{row.sides[side].name}: no run succeeded" for side in SIDES if not found[side]]
    if faults:
        return line(row.what, "", "", "", row.bound, faults, False)
    middle = {side: median(value(result, row.quantity) for result in found[side]) for side in SIDES}
    ratio = row.bound.ratio(middle["peer"], middle["ours"])
    faults = inequalities(row, found["ours"], runner.found(row.reference))
    return line(row.what, middle["peer"], middle["ours"], ratio, row.bound, faults, row.bound.holds(ratio))


def inequalities(row: Row, ours: list[dict], reference: list[dict]) -> list[str]:
    pairs = [(one, other) for one in ours for other in reference]
    if not pairs:
        return [f"{row.reference.name}: no run succeeded"]
    try:
        if row.tolerance is None:
            changed = max(different_answers(one, other) for one, other in pairs)
            return [f"{changed} of {len(ours[0]['answers'])} answers differ"] if changed else []
        difference = max(largest_difference(one, other) for one, other in pairs)
    except (TypeError, ValueError) as error:
        return [f"the sides did different work: {error}"]
    return [] if difference <= row.tolerance else [f"results differ by {difference:.3g}, at most {row.tolerance:g}"]
