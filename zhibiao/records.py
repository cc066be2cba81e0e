"""Records: one row for each value, and what each of its fields rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from zhibiao.quantities import Quantity
from zhibiao.spans import Span

__all__ = ["BOUNDS", "FIELDS", "MEASURES", "STATUSES", "Mention", "Record"]

MEASURES = ("level", "change", "share")
STATUSES = ("actual", "target")
BOUNDS = ("eq", "approx", "ge", "le", "gt", "lt")
FIELDS = (
    "value",
    "unit",
    "indicator",
    "qualifier",
    "subject",
    "year",
    "year_value",
    "measure",
    "status",
    "bound",
)
"""The fields of a row, in the order of every table."""


@dataclass(frozen=True, slots=True, order=True)
class Mention:
    """A slice of the report's text: ``text`` is ``report[start:end]``, offsets in code points."""

    start: int
    end: int
    text: str

    @classmethod
    def of(cls, report: str, span: Span) -> Mention:
        """The mention that a span makes in the report's text."""
        return cls(span.start, span.end, report[span.start : span.end])

    @classmethod
    def at(cls, report: str, start: int, end: int) -> Mention:
        """The mention between two offsets of the report's text."""
        return cls(start, end, report[start:end])

    def to_dict(self) -> dict[str, Any]:
        """The mention as a JSON object."""
        return {"start": self.start, "end": self.end, "text": self.text}


@dataclass(frozen=True, slots=True)
class Record:
    """Who, which year, which indicator, what value, what unit: one row of the result.

    ``value`` is the 数值 span that the row belongs to; ``quantity`` is what it and the unit mean.
    ``year_value`` is a year of four digits, a period such as ``2016-2020``, a masked year as
    written, or empty. ``evidence`` gives, by field, the words outside the field's own mention that
    decided it; ``confidence`` gives, by field, a probability between 0 and 1; ``notes`` say in
    Chinese what is missing or doubtful, and why.
    """

    value: Mention
    unit: Mention | None = None
    indicator: Mention | None = None
    qualifier: Mention | None = None
    subject: tuple[Mention, ...] = ()
    year: Mention | None = None
    year_value: str = ""
    measure: str = "level"
    status: str = "actual"
    bound: str = "eq"
    quantity: Quantity | None = None
    evidence: Mapping[str, tuple[Mention, ...]] = field(default_factory=dict)
    confidence: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def to_dict(self, report_id: str = "") -> dict[str, Any]:
        """The row as a JSON object; ``report_id`` becomes its ``id``.

        Besides the fields of :data:`FIELDS` it has the normalised quantity (``value_number``,
        ``value_low``, ``value_high`` as exact decimal strings, ``unit_base``), ``confidence``,
        ``evidence`` and ``notes``.
        """
        quantity = self.quantity
        return {
            "id": report_id,
            "value": self.value.to_dict(),
            "unit": _or_none(self.unit),
            "indicator": _or_none(self.indicator),
            "qualifier": self.qualifier and self.qualifier.text,
            "subject": [mention.to_dict() for mention in self.subject],
            "year": _or_none(self.year),
            "year_value": self.year_value,
            "measure": self.measure,
            "status": self.status,
            "bound": self.bound,
            **(quantity.to_dict() if quantity else {}),
            "confidence": {name: round(p, 3) for name, p in self.confidence.items()},
            "evidence": {
                name: [mention.to_dict() for mention in mentions]
                for name, mentions in self.evidence.items()
            },
            "notes": list(self.notes),
        }


def _or_none(mention: Mention | None) -> dict[str, Any] | None:
    return mention.to_dict() if mention else None
