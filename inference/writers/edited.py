"""Records that a person has corrected by hand, and what tables show of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from zhibiao.records import Record

__all__ = ["EditedRecord", "edited_fields"]


@dataclass(frozen=True, slots=True)
class EditedRecord(Record):
    """A record some of whose fields a person has typed anew; ``edited`` names those fields.

    Their words need not stand in the report: such a mention is empty (``start == end``), so that
    nothing in the text is marked for it. The value's mention keeps the place of the value that it
    corrects. What was there before is in the notes.
    """

    edited: frozenset[str] = field(default_factory=frozenset)


def edited_fields(record: Record) -> frozenset[str]:
    """The fields of the record that a person has typed."""
    return record.edited if isinstance(record, EditedRecord) else frozenset()
