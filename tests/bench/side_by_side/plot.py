"""Growth as a picture: SVG, both axes logarithmic, every curve from its own first point."""

from collections.abc import Iterator
from html import escape
from math import ceil, floor, log2

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
WIDTH, HEIGHT, MARGIN, LEGEND = 640, 480, 64, 24


def growth(curves: dict[str, list[tuple[float, float]]]) -> str:
    """`curves`: for each name its sizes and seconds. The dashed line is linear growth."""
    relative = {
        name: [(x / points[0][0], y / points[0][1]) for x, y in points] for name, points in curves.items() if points
    }
    most = max((x for points in relative.values() for x, _ in points), default=2.0)
    costs = [y for points in relative.values() for _, y in points] + [1.0]
    right = max(ceil(log2(most)), 1)
    low, high = floor(log2(min(costs))), max(ceil(log2(max(costs))), right)
    top = MARGIN + LEGEND * len(relative)

    def place(x: float, y: float) -> str:
        across = MARGIN + log2(x) / right * (WIDTH - 2 * MARGIN)
        up = (log2(y) - low) / (high - low) * (HEIGHT - MARGIN - top)
        return f"{across:.1f},{HEIGHT - MARGIN - up:.1f}"

    parts = [*axes(right, low, high, place)]
    parts.append(path([place(1, 1), place(2**right, 2**right)], "#555555", "6 4"))
    for number, (name, points) in enumerate(relative.items()):
        colour = COLOURS[number % len(COLOURS)]
        parts.append(path([place(x, y) for x, y in points], colour, "none"))
        for x, y in points:
            across, down = place(x, y).split(",")
            parts.append(f'<circle cx="{across}" cy="{down}" r="3" fill="{colour}"/>')
        parts.append(label(MARGIN, LEGEND * (number + 1), name, colour, "start"))
    parts.append(label(WIDTH / 2, HEIGHT - 16, "times the smallest size", "#000000", "middle"))
    parts.append(label(MARGIN, top - 12, "times its cost; dashed: linear", "#000000", "start"))
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" '
        f'font-size="13">\n<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>\n{body}\n</svg>\n'
    )


def axes(right: int, low: int, high: int, place) -> Iterator[str]:
    for power in range(right + 1):
        foot = place(2**power, 2**low)
        yield path([foot, place(2**power, 2**high)], "#dddddd", "none")
        across, down = map(float, foot.split(","))
        yield label(across, down + 18, f"{2**power:g}", "#000000", "middle")
    for power in range(low, high + 1):
        left = place(1, 2.0**power)
        yield path([left, place(2**right, 2.0**power)], "#dddddd", "none")
        across, down = map(float, left.split(","))
        yield label(across - 8, down + 4, f"{2.0**power:g}", "#000000", "end")


def path(points: list[str], colour: str, dashes: str) -> str:
    return (
        f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" stroke-width="1.5" '
        f'stroke-dasharray="{dashes}"/>'
    )


def label(across: float, down: float, words: str, colour: str, anchor: str) -> str:
    return f'<text x="{across:.1f}" y="{down:.1f}" fill="{colour}" text-anchor="{anchor}">{escape(words)}</text>'
