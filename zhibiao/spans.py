"""Labels and spans: the answer's vocabulary."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from zhibiao.errors import SpanError

__all__ = ["LABELS", "Span", "check_spans", "spans_by_label"]

LABELS: tuple[str, ...] = ("机构", "指标", "数值", "单位", "年份", "企业名")
"""The six entity types, in the order used by tags, tables and legends."""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A labelled slice of a report's text.

    ``start`` and ``end`` are offsets in Unicode code points, half-open:
    the span's string is ``text[span.start:span.end]``.
    ``score`` is the probability of the whole span, between 0 and 1; gold spans have 1.
    """

    start: int
    end: int
    label: str
    score: float = 1.0

    @property
    def key(self) -> tuple[int, int, str]:
        """What makes two spans the same entity: start, end and label, not the score."""
        return (self.start, self.end, self.label)

    def shifted(self, by: int) -> Span:
        """The same span, ``by`` code points further right."""
        return Span(self.start + by, self.end + by, self.label, self.score)


def check_spans(
    text: str,
    spans: Iterable[Span],
    where: str = "spans",
    labels: Sequence[str] = LABELS,
) -> tuple[Span, ...]:
    """Return the spans as a tuple if they obey the annotation rules for ``text``.

    The rules: label among ``labels``, inside the text, not empty, sorted by start, not overlapping,
    no white space at either edge.

    Raises:
        SpanError: naming ``where``, the number of the first bad span (from 1) and the rule.
    """
    checked = tuple(spans)
    previous_end = 0
    for number, span in enumerate(checked, start=1):
        problem = _problem(text, span, previous_end, labels)
        if problem:
            raise SpanError(
                f"{where}: span {number} ({span.start}, {span.end}, {span.label}): {problem}"
            )
        previous_end = span.end
    return checked


def _problem(text: str, span: Span, previous_end: int, labels: Sequence[str]) -> str:
    if span.label not in labels:
        return f"unknown label {span.label!r}; use one of {'、'.join(labels)}"
    if not 0 <= span.start < span.end <= len(text):
        return f"outside the text of {len(text)} characters, or empty"
    if span.start < previous_end:
        return "overlaps the span before it, or is not sorted by start"
    inside = text[span.start : span.end]
    if inside != inside.strip():
        return f"white space at the edge of {inside!r}; move the offsets inward"
    return ""


def spans_by_label(spans: Sequence[Span]) -> dict[str, int]:
    """How many spans each label has, in the order of :data:`LABELS`."""
    counts = dict.fromkeys(LABELS, 0)
    for span in spans:
        counts[span.label] += 1
    return counts
