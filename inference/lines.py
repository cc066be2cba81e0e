"""Lines: a series at one status, year by year, as tables and charts show it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from zhibiao.series import Point, Series

__all__ = ["Line", "charted", "lines_of"]

_YEAR = re.compile(r"[0-9]{4}")
_MOST_CHARTS = 8


@dataclass(frozen=True, slots=True)
class Line:
    """The points of a series that are all results or all targets.

    ``points`` holds them by year value (2016, 2016-2020, a masked year as written), in order;
    ``conflicts`` are the year values for which reports contradict each other.
    """

    series: Series
    status: str
    points: Mapping[str, Sequence[Point]]
    conflicts: frozenset[str]

    def numbers(self, year: str) -> tuple[Decimal, ...]:
        """The different numbers of a year, exact ones before approximate ones and limits."""
        points = sorted(self.points.get(year, ()), key=lambda p: p.row.record.bound != "eq")
        numbers = (point.quantity.number for point in points)
        return tuple(dict.fromkeys(number for number in numbers if number is not None))

    def number(self, year: str) -> Decimal | None:
        """The number that all points of the year agree on; nothing is chosen in a conflict.

        Where 813 and 「800多」 stand side by side it is 813.
        """
        if year in self.conflicts:
            return None
        points = self.points.get(year, ())
        exact = {p.quantity.number for p in points if p.row.record.bound == "eq"} - {None}
        found = exact or set(self.numbers(year))
        return found.pop() if len(found) == 1 else None

    @property
    def years(self) -> tuple[str, ...]:
        """The single years with a number, in order."""
        return tuple(year for year in self.points if _YEAR.fullmatch(year) and self.numbers(year))

    @property
    def reports(self) -> frozenset[str]:
        """The reports that the points come from."""
        return frozenset(p.row.report_id for points in self.points.values() for p in points)

    @property
    def subject(self) -> str:
        """Whose figures these are: the named organisations, or the report's own region or body."""
        return "、".join(self.series.subject) or self.series.owner

    @property
    def title(self) -> str:
        """Indicator, what narrows it, and unit."""
        narrower = f"·{self.series.qualifier}" if self.series.qualifier else ""
        target = "·目标" if self.status == "target" else ""
        unit = f"（{self.series.unit}）" if self.series.unit else ""
        return f"{self.series.indicator}{narrower}{target}{unit}"


def lines_of(series: Iterable[Series]) -> list[Line]:
    """The lines over several years or reports, those over most of them first."""
    found: list[Line] = []
    for one in series:
        by_status: defaultdict[str, dict[str, list[Point]]] = defaultdict(dict)
        for point in one.points:
            by_status[point.status].setdefault(point.year_value, []).append(point)
        for status, points in by_status.items():
            years = (group[0].year_value for group in one.conflicts if group[0].status == status)
            line = Line(one, status, points, frozenset(years))
            if len(points) > 1 or len(line.reports) > 1:
                found.append(line)
    found.sort(
        key=lambda line: (
            -len(line.reports),
            -len(line.years),
            line.subject,
            line.series.indicator,
            line.series.measure,
            line.status,
        )
    )
    return found


def charted(lines: Iterable[Line]) -> list[Line]:
    """The lines worth a chart: levels over several years and reports, the most frequent first."""
    worth = [
        line
        for line in lines
        if line.series.measure == "level" and len(line.years) > 1 and len(line.reports) > 1
    ]
    worth.sort(key=lambda line: -sum(map(len, line.points.values())))
    return worth[:_MOST_CHARTS]
