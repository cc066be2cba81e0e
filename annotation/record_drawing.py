"""Records as results of Label Studio, to stand beside the regions of their report's spans."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from annotation.record_controls import CHOICES, FIELDS, NO_YEAR, TITLES, YEAR_NAME
from annotation.regions import QUALIFIER, QUALIFIER_NAME, TO_NAME, region_id, to_regions
from zhibiao.linking.year_words import year_value
from zhibiao.records import Mention, Record
from zhibiao.spans import Span

__all__ = ["to_results"]


def to_results(
    records: Iterable[Record], spans: Iterable[Span]
) -> tuple[list[dict[str, Any]], list[str]]:
    """The results that records add to the regions of ``spans``, and a line for what they cannot.

    A record can only refer to spans of the right label: one whose value is none is left out, of
    others only the field is. Left out, too, are a second record of a value, a second meaning of
    a year expression, and a ``year_value`` without year. Every such thing has a line.
    """
    drawing = _Drawing(spans)
    for record in records:
        drawing.add(record)
    return drawing.results(), drawing.problems


class _Drawing:
    def __init__(self, spans: Iterable[Span]) -> None:
        self._spans = {(span.start, span.end): span for span in spans}
        self._drawn: set[Span] = set()
        self._qualifiers: dict[Span, None] = {}  # in order; several values may share one
        self._years: dict[Span, tuple[str, str]] = {}  # as written, and what it means
        self._answers: list[dict[str, Any]] = []
        self._relations: list[dict[str, Any]] = []
        self.problems: list[str] = []

    def add(self, record: Record) -> None:
        value = self._spans.get((record.value.start, record.value.end))
        if value is None or value.label != "数值":
            self.problems.append(f"{_named(record.value)}不是数值片段；没有画出它的记录")
            return
        if value in self._drawn:
            self.problems.append(f"{_named(record.value)}有两条记录；没有画出后一条")
            return
        self._drawn.add(value)
        for name, words in CHOICES.items():
            chosen = getattr(record, name)
            if chosen != next(iter(words)):
                self._answers.append(_answer(value, name, "choices", choices=[chosen]))
        self._relate(record, "indicator", record.indicator, value)
        self._relate(record, "unit", record.unit, value)
        for subject in record.subject:
            self._relate(record, "subject", subject, value)
        self._relate_year(record, value)
        if record.qualifier is not None:
            qualifier = Span(record.qualifier.start, record.qualifier.end, QUALIFIER)
            self._qualifiers[qualifier] = None
            self._join("qualifier", qualifier, value)

    def _relate_year(self, record: Record, value: Span) -> None:
        year = self._relate(record, "year", record.year, value)
        if year is None or record.year is None:
            if record.year is None and record.year_value:
                line = f"{_named(record.value)}的年份{record.year_value}没有对应的片段；没有画出"
                self.problems.append(line)
            return
        meaning = (record.year.text, record.year_value)
        if self._years.setdefault(year, meaning) != meaning:
            first = self._years[year][1]
            self.problems.append(
                f"{_named(record.year)}在不同的记录里是“{first}”和“{record.year_value}”；只画出前者"
            )

    def _relate(
        self, record: Record, field: str, mention: Mention | None, value: Span
    ) -> Span | None:
        if mention is None:
            return None
        span = self._spans.get((mention.start, mention.end))
        if span is None or FIELDS.get(span.label) != field:
            self.problems.append(
                f"{_named(record.value)}的{TITLES[field]}{_named(mention)}"
                "不是这一类的片段；没有画出这条关系"
            )
            return None
        self._join(field, span, value)
        return span

    def _join(self, field: str, span: Span, value: Span) -> None:
        # As one reads: the unit comes behind its value, everything else leads to it.
        ends = (value, span) if field == "unit" else (span, value)
        relation = {
            "type": "relation",
            "from_id": region_id(ends[0]),
            "to_id": region_id(ends[1]),
            "direction": "right",
            "labels": [TITLES[field]],
        }
        self._relations.append(relation)

    def results(self) -> list[dict[str, Any]]:
        years = [
            _answer(year, YEAR_NAME, "textarea", text=[meaning or NO_YEAR])
            for year, (words, meaning) in self._years.items()
            if meaning != year_value(words, "")
        ]
        qualifiers = to_regions(self._qualifiers, from_name=QUALIFIER_NAME)
        return [*qualifiers, *self._answers, *years, *self._relations]


def _answer(span: Span, name: str, kind: str, **content: Any) -> dict[str, Any]:
    return {
        "id": region_id(span),
        "from_name": name,
        "to_name": TO_NAME,
        "type": kind,
        "value": {"start": span.start, "end": span.end, **content},
    }


def _named(mention: Mention) -> str:
    return f"“{mention.text}”（{mention.start}–{mention.end}）"
