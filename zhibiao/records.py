"""Records: one row for each value, and what each of its fields rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from zhibiao.errors import FormatError
from zhibiao.quantities import Quantity, parse_quantity
from zhibiao.spans import Span

__all__ = ["BOUNDS", "FIELDS", "MEASURES", "STATUSES", "Mention", "Record", "find_qualifier"]

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

    @classmethod
    def from_dict(cls, data: Any, text: str, where: str) -> Record:
        """Build a row from one decoded JSON object of the form that :meth:`to_dict` gives.

        ``text`` is the report's, ``where`` names the object in errors. Only ``value`` has to be
        there. The form has no offsets for ``qualifier``: the nearest is taken, as
        :func:`find_qualifier` does. The quantity is read again from the words.

        Raises:
            FormatError: a field is missing or of another type, a mention is not what the text
                says there, a qualifier is not in the text, or a choice is unknown.
        """
        fields = _Fields(data, text, where)
        value = fields.mention("value")
        if value is None:
            raise FormatError(f"{where}: 'value' is missing")
        unit, words = fields.mention("unit"), fields.string("qualifier")
        qualifier = find_qualifier(words, value.start, text) if words else None
        if words and qualifier is None:
            raise FormatError(f"{where}: qualifier {words!r} is not in the report's text")
        evidence = fields.object("evidence")
        return cls(
            value=value,
            unit=unit,
            indicator=fields.mention("indicator"),
            qualifier=qualifier,
            subject=fields.mentions("subject"),
            year=fields.mention("year"),
            year_value=fields.string("year_value"),
            measure=fields.choice("measure", MEASURES),
            status=fields.choice("status", STATUSES),
            bound=fields.choice("bound", BOUNDS),
            quantity=(
                parse_quantity(value.text, unit.text if unit else "")
                if "unit_base" in fields.data
                else None
            ),
            evidence={
                name: _Fields(evidence, text, f"{where}: evidence").mentions(name)
                for name in evidence
            },
            confidence=fields.probabilities("confidence"),
            notes=fields.strings("notes"),
        )

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


def find_qualifier(wanted: str, value_start: int, text: str) -> Mention | None:
    """The last occurrence of ``wanted`` before the value, or else the first after it, if any."""
    start = text.rfind(wanted, 0, value_start)
    if start < 0:
        start = text.find(wanted, value_start)
    return Mention.at(text, start, start + len(wanted)) if start >= 0 else None


def _or_none(mention: Mention | None) -> dict[str, Any] | None:
    return mention.to_dict() if mention else None


class _Fields:
    """The fields of a JSON object, checked one by one; missing and null are the same."""

    def __init__(self, data: Any, text: str, where: str) -> None:
        if not isinstance(data, dict):
            raise FormatError(f"{where}: expected a JSON object, found {type(data).__name__}")
        self.data: dict[str, Any] = data
        self._text = text
        self._where = where

    def mention(self, name: str) -> Mention | None:
        item = self.data.get(name)
        return None if item is None else self._mention(item, name)

    def mentions(self, name: str) -> tuple[Mention, ...]:
        return tuple(self._mention(item, name) for item in self._list(name))

    def _mention(self, item: Any, name: str) -> Mention:
        found = item if isinstance(item, dict) else {}
        start, end = found.get("start"), found.get("end")
        # bool is an int in Python, and JSON true is never an offset.
        if type(start) is not int or type(end) is not int or not 0 <= start < end:
            raise FormatError(
                f"{self._where}: {name!r}: expected an object with start, end and text"
            )
        if self._text[start:end] != found.get("text"):
            raise FormatError(
                f"{self._where}: {name!r}: {found.get('text')!r} is not what the report's text has "
                f"from {start} to {end}; use the records of this very text"
            )
        return Mention.at(self._text, start, end)

    def string(self, name: str) -> str:
        item = self.data.get(name)
        if item is not None and not isinstance(item, str):
            raise FormatError(f"{self._where}: {name!r} must be a string")
        return item or ""

    def strings(self, name: str) -> tuple[str, ...]:
        items = self._list(name)
        if not all(isinstance(item, str) for item in items):
            raise FormatError(f"{self._where}: {name!r} must be a list of strings")
        return tuple(items)

    def choice(self, name: str, known: tuple[str, ...]) -> str:
        chosen = self.string(name) or known[0]
        if chosen not in known:
            raise FormatError(f"{self._where}: {name} {chosen!r}: use one of {', '.join(known)}")
        return chosen

    def probabilities(self, name: str) -> dict[str, float]:
        found = self.object(name)
        if not all(type(p) in (int, float) and 0 <= p <= 1 for p in found.values()):
            raise FormatError(f"{self._where}: {name!r} must hold numbers from 0 to 1")
        return {key: float(p) for key, p in found.items()}

    def object(self, name: str) -> dict[str, Any]:
        item = self.data.get(name)
        if item is not None and not isinstance(item, dict):
            raise FormatError(f"{self._where}: {name!r} must be an object")
        return item or {}

    def _list(self, name: str) -> list[Any]:
        item = self.data.get(name)
        if item is not None and not isinstance(item, list):
            raise FormatError(f"{self._where}: {name!r} must be a list")
        return item or []
