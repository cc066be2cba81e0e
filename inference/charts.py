"""Small line charts of indicators over years, as positions that a template draws in SVG.

Drawn here and not by a plotting library: the pages' content policy forbids the style elements and
scripts that those put into their SVG, and matplotlib would multiply the size of the installation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from inference.lines import Line
from zhibiao.series import Point

__all__ = ["Chart", "Dot", "chart_of"]

WIDTH, HEIGHT = 360, 190  # units of the view box
_LEFT, _RIGHT, _TOP, _BOTTOM = 30, 30, 26, 28
_ROOM = 8  # years; more would make the labels overlap


@dataclass(frozen=True, slots=True)
class Dot:
    """A number of a year at its place; ``open`` where reports do not agree on one.

    ``label_y`` is where its label stands, None where there is no room for one.
    """

    x: float
    y: float
    year: str
    label: str
    open: bool
    label_y: float | None


@dataclass(frozen=True, slots=True)
class Chart:
    """A line's dots, the paths between those that follow one another without contradiction."""

    line: Line
    dots: Sequence[Dot]
    paths: Sequence[str]
    ticks: Sequence[tuple[float, str]]
    conflicts: Sequence[tuple[str, Sequence[Point]]]
    width: int = WIDTH
    height: int = HEIGHT


def chart_of(line: Line) -> Chart:
    """The chart of a line with at least two years; each chart has its own scale."""
    years = line.years
    first, last = int(years[0]), int(years[-1])
    numbers = [number for year in years for number in line.numbers(year)]
    low, high = min(numbers), max(numbers)

    def x(year: str) -> float:
        return round(_LEFT + (WIDTH - _LEFT - _RIGHT) * (int(year) - first) / (last - first), 1)

    def y(number: Decimal) -> float:
        share = (number - low) / (high - low) if high > low else Decimal("0.5")
        return round(HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM - 14) * float(share), 1)

    crowded = len(years) > _ROOM
    ends = (years[0], years[-1])
    dots = []
    for year in years:
        agreed = line.number(year)
        shown = line.numbers(year) if agreed is None else (agreed,)
        for number in shown:
            place: float | None = None
            if number == max(shown) and (not crowded or year in ends or agreed is None):
                place = y(number) - 9
            elif number == min(shown):
                place = y(number) + 18
            dots.append(Dot(x(year), y(number), year, _short(number), agreed is None, place))
    ticks = [(x(year), year) for year in years if not crowded or year in ends]
    conflicts = [(year, line.points[year]) for year in years if year in line.conflicts]
    return Chart(line, dots, _paths(dots), ticks, conflicts)


def _paths(dots: Sequence[Dot]) -> list[str]:
    """Paths over the dots; a year without agreement ends one, for no line may choose."""
    paths: list[list[Dot]] = [[]]
    for dot in dots:
        if dot.open:
            paths.append([])
        else:
            paths[-1].append(dot)
    return ["M" + " L".join(f"{dot.x} {dot.y}" for dot in path) for path in paths if len(path) > 1]


def _short(number: Decimal) -> str:
    """A number short enough to stand beside a dot: four digits, 万 and 亿."""
    for size, name in ((Decimal(10) ** 8, "亿"), (Decimal(10) ** 4, "万")):
        if abs(number) >= size:
            return f"{float(number / size):.4g}{name}"
    return f"{float(number):.4g}"
