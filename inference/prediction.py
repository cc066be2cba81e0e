"""A report with the spans found in it: what every writer receives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from zhibiao.inputs import Input
from zhibiao.readers import Place
from zhibiao.spans import Span

__all__ = ["Prediction", "Run"]


@dataclass(frozen=True, slots=True)
class Prediction:
    """One report and its spans, sorted by start and without overlaps."""

    report: Input
    spans: Sequence[Span]

    def text_of(self, span: Span) -> str:
        """The characters of the report that the span covers."""
        return self.report.text[span.start : span.end]

    def place_of(self, span: Span) -> Place | None:
        """Where in the source the span begins; None when the source keeps no places."""
        document = self.report.document
        return None if document is None else document.place(span.start)

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
            "records": [],
            "model": dict(model),
        }


@dataclass(frozen=True, slots=True)
class Run:
    """What the writers know of the whole run.

    ``failures`` grows while the run goes on; it is complete when a writer closes.
    """

    model: Mapping[str, Any]
    failures: Sequence[str] = field(default_factory=list)
