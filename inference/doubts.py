"""Which records, and which of their fields, a person should look at."""

from __future__ import annotations

from zhibiao.records import Record

__all__ = ["FAIR", "LOW", "confidence_of", "is_doubtful", "notes_of"]

LOW = 0.6
"""Below it a field is more likely than not to need correcting in a batch of its kind."""
FAIR = 0.8
"""From here on a field needs no second look."""


def confidence_of(record: Record) -> float | None:
    """The confidence of the record's weakest field; None where nothing says how sure it is."""
    found = min(record.confidence.values(), default=None)
    return None if found is None else round(found, 4)


def is_doubtful(record: Record) -> bool:
    """Whether the record's weakest field is below :data:`LOW`."""
    confidence = confidence_of(record)
    return confidence is not None and confidence < LOW


def notes_of(record: Record) -> tuple[str, ...]:
    """What is missing or doubtful in the record and its number, in Chinese, nothing twice."""
    flags = record.quantity.flags if record.quantity else ()
    return tuple(dict.fromkeys((*record.notes, *flags)))
