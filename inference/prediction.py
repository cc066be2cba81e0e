"""A report with what was found in it: what every writer receives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from zhibiao.inputs import Input
from zhibiao.readers import Place
from zhibiao.records import Record
from zhibiao.spans import Span

__all__ = ["Prediction"]


@dataclass(frozen=True, slots=True)
class Prediction:
    """One report, its spans, sorted by start and without overlaps, and its records, in order."""

    report: Input
    spans: Sequence[Span]
    records: Sequence[Record] = ()

    def text_of(self, span: Span) -> str:
        """The characters of the report that the span covers."""
        return self.report.text[span.start : span.end]

    def place_at(self, offset: int) -> Place | None:
        """Where in the source a character stands; None when the source keeps no places."""
        document = self.report.document
        return None if document is None else document.place(offset)

    def place_name(self, offset: int) -> str:
        """Where a character stands, for a person: page and paragraph, or else its number."""
        place = self.place_at(offset)
        if place is None:
            return f"第 {offset + 1} 字"
        page = "" if place.page is None else f"第 {place.page} 页"
        return f"{page}第 {place.paragraph} 段"

    def to_dict(self, model: Mapping[str, Any]) -> dict[str, Any]:
        """The prediction as a JSON object of the format between stages."""
        return {
            "id": self.report.id,
            "source": self.report.source,
            "text": self.report.text,
            "spans": [
                {
                    "start": span.start,
                    "end": span.end,
                    "label": span.label,
                    "text": self.text_of(span),
                    "score": round(span.score, 4),
                }
                for span in self.spans
            ],
            "records": [record.to_dict(self.report.id) for record in self.records],
            "model": dict(model),
        }
