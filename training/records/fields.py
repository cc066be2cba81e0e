"""What is compared of a row, field by field."""

from __future__ import annotations

from collections.abc import Hashable

from zhibiao.records import FIELDS, Mention, Record

__all__ = ["OPTIONAL", "SIX", "content", "wrong_fields"]

SIX = ("value", "unit", "indicator", "year_value", "measure", "status")
"""The fields that must all be right for a row to be of use (issue 5)."""

OPTIONAL = ("unit", "indicator", "qualifier", "subject", "year", "year_value")
"""The fields that may be empty. Where most are, leaving all empty already looks accurate."""


def content(record: Record, field: str) -> Hashable:
    """What two rows are compared by: false in a test when the field is empty.

    A mention counts by its offsets, a qualifier by its text (it has no span), subjects as a set.
    """
    found = getattr(record, field)
    if field == "qualifier":
        return found.text if found else None
    if field == "subject":
        return frozenset((mention.start, mention.end) for mention in found)
    if isinstance(found, Mention):
        return (found.start, found.end)
    return found if isinstance(found, str) else None


def wrong_fields(gold: Record, predicted: Record) -> tuple[str, ...]:
    """The fields that differ, in the order of every table."""
    return tuple(name for name in FIELDS if content(gold, name) != content(predicted, name))
