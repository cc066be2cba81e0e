"""Merging: rows of several reports, grouped into series."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, combinations, product
from typing import NamedTuple, TypeVar

from zhibiao.quantities import Quantity, parse_quantity
from zhibiao.records import Mention, Record
from zhibiao.series.indicators import indicator_key
from zhibiao.series.intervals import Interval, interval_of, share_a_number
from zhibiao.series.owners import Owner, find_owner
from zhibiao.series.subjects import SubjectKeys
from zhibiao.series.units import unit_class

__all__ = ["Point", "Row", "Series", "merge_series"]

_Name = TypeVar("_Name", str, tuple[str, ...])

_NO_OWNER = "看不出报告属于哪个地区或单位，未与其他报告合并"
_NO_INDICATOR = "没有指标名，单独成列"
_VAGUE_INDICATOR = "指标名单独看不出指什么，单独成列"


@dataclass(frozen=True, slots=True)
class Row:
    """A record with the report that it comes from.

    ``title`` may be the first lines of the report; ``organisations`` are the 机构 names of the
    report, most frequent first. They only tell whose figures the report gives
    (:func:`zhibiao.series.owners.find_owner`).
    """

    report_id: str
    title: str
    record: Record
    organisations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Point:
    """One row of a series; ``quantity`` is in the unit of the series where units convert."""

    year_value: str
    status: str
    quantity: Quantity
    row: Row


@dataclass(frozen=True, slots=True)
class Series:
    """One indicator of one subject over the years.

    ``indicator`` is the most frequent spelling, ``variants`` are all of them, most frequent first.
    ``subject`` is empty for the report's own region or body, which is ``owner`` (empty where it
    cannot be told). ``points`` are sorted by year, those without year last. Each of ``conflicts``
    holds all points of one year and status of which at least two contradict each other
    (:mod:`zhibiao.series.intervals`); points without a plain year contradict nothing. ``note``
    says in Chinese why rows were not merged.
    """

    indicator: str
    variants: tuple[str, ...]
    qualifier: str
    subject: tuple[str, ...]
    owner: str
    unit: str
    measure: str
    points: tuple[Point, ...]
    conflicts: tuple[tuple[Point, ...], ...]
    note: str = ""


class _Keyed(NamedTuple):
    row: Row
    quantity: Quantity
    owner: Owner | None
    converts: bool
    note: str


def merge_series(rows: Iterable[Row]) -> list[Series]:
    """Group rows into series; every row is in exactly one, whatever the order of the rows.

    Rows meet when indicator, qualifier, subject (or the report's owner), measure and kind of unit
    are the same by the rules of this package.
    """
    rows = list(rows)
    owners = _Owners(rows)
    subjects = SubjectKeys(
        (mention.text, owners.key(row), owners.of(row))
        for row in rows
        for mention in row.record.subject
    )
    groups: defaultdict[Hashable, list[_Keyed]] = defaultdict(list)
    for row in rows:
        key, keyed = _keyed(row, owners, subjects)
        groups[key].append(keyed)
    series = [_series(group) for group in groups.values()]
    return sorted(series, key=lambda one: (one.owner, one.indicator, _order(one.points[0].row)))


class _Owners:
    """The owner of each report, with a key under which equal owners meet."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._parents: defaultdict[str, set[str]] = defaultdict(set)
        for title, organisations in {(row.title, row.organisations) for row in rows}:
            owner = find_owner(title, organisations)
            if owner and owner.parent:
                self._parents[owner.name].add(owner.parent)

    def of(self, row: Row) -> Owner | None:
        return find_owner(row.title, row.organisations)

    def key(self, row: Row) -> str:
        """鼓楼区 of 南京市 and of 徐州市 are two; where only one occurs, 鼓楼区 is that one."""
        owner = self.of(row)
        if owner is None:
            return f"report {row.report_id}"
        ambiguous = len(self._parents[owner.name]) > 1
        return owner.parent + owner.name if ambiguous else owner.name


def _keyed(row: Row, owners: _Owners, subjects: SubjectKeys) -> tuple[Hashable, _Keyed]:
    record = row.record
    quantity = record.quantity or parse_quantity(
        record.value.text, record.unit.text if record.unit else ""
    )
    owner, scope = owners.of(row), owners.key(row)
    name = record.indicator.text if record.indicator else ""
    indicator = indicator_key(name, record.qualifier.text if record.qualifier else "")
    units, converts = unit_class(quantity.unit_base, indicator or "")
    notes = []
    if indicator is None:
        notes.append(_VAGUE_INDICATOR if name else _NO_INDICATOR)
    if owner is None and not record.subject:
        notes.append(_NO_OWNER)
    keyed = _Keyed(row, quantity, owner, converts, "；".join(notes))
    if indicator is None:
        return ("alone", _order(row)), keyed
    names = [mention.text for mention in record.subject]
    if owner and owner.is_body:
        names = names or [owner.name]
    who = frozenset(subjects.key(name, scope, owner) for name in names) or scope
    return (indicator, who, record.measure, units), keyed


def _series(group: list[_Keyed]) -> Series:
    group = sorted(group, key=lambda keyed: _order(keyed.row))
    unit = _most_frequent(keyed.quantity.unit_base for keyed in group)[0]
    points = tuple(
        Point(
            keyed.row.record.year_value,
            keyed.row.record.status,
            keyed.quantity.to(unit)
            if keyed.converts and keyed.quantity.unit_base != unit
            else keyed.quantity,
            keyed.row,
        )
        for keyed in group
    )
    records = [keyed.row.record for keyed in group]
    variants = _most_frequent(_text(record.indicator) for record in records)
    return Series(
        indicator=variants[0],
        variants=variants,
        qualifier=_most_frequent(_text(record.qualifier) for record in records)[0],
        subject=_most_frequent(tuple(map(_text, record.subject)) for record in records)[0],
        owner=_most_frequent(keyed.owner.name if keyed.owner else "" for keyed in group)[0],
        unit=unit,
        measure=records[0].measure,
        points=points,
        conflicts=tuple(_conflicts(points)),
        note=group[0].note,
    )


def _conflicts(points: Sequence[Point]) -> Iterator[tuple[Point, ...]]:
    same: defaultdict[tuple[str, str], list[Point]] = defaultdict(list)
    for point in points:
        # An unknown or masked year is not known to be the same year.
        if point.year_value.replace("-", "").isdigit():
            same[point.year_value, point.status].append(point)
    for group in same.values():
        if _contradict(group):
            yield tuple(group)


def _contradict(points: Sequence[Point]) -> bool:
    """Whether two reports have no value in common that both can mean.

    One report often gives one name to two things, 新认定17家 and 总数58家, and so does the next:
    that is no contradiction, and neither is one within a report.
    """
    meant: defaultdict[str, set[Interval]] = defaultdict(set)
    for point in points:
        meant[point.row.report_id].add(interval_of(point.row.record, point.quantity))
    if share_a_number(chain.from_iterable(meant.values())):
        return False
    different = {frozenset(intervals) for intervals in meant.values()}
    return any(
        not any(share_a_number(pair) for pair in product(one, other))
        for one, other in combinations(different, 2)
    )


def _most_frequent(items: Iterable[_Name]) -> tuple[_Name, ...]:
    """The different items, most frequent first, then the shorter, then by code points."""
    counts = Counter(items)
    return tuple(sorted(counts, key=lambda item: (-counts[item], len("".join(item)), item)))


def _text(mention: Mention | None) -> str:
    return "".join(mention.text.split()) if mention else ""


def _order(row: Row) -> tuple[object, ...]:
    """An order of rows that depends on nothing but the rows."""
    record = row.record
    return (
        record.year_value == "",
        record.year_value,
        record.status,
        row.report_id,
        record.value,
        row.title,
        row.organisations,
        record.measure,
        record.bound,
        *(_text(m) for m in (record.unit, record.indicator, record.qualifier, *record.subject)),
    )
