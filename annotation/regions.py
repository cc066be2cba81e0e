"""Spans of a report as regions of Label Studio, and back with every check the server skips.

A region is one element of the ``result`` list of an annotation or a prediction. The server stores
whatever it is sent, and the browser lets annotators draw overlapping regions, so nothing in a
region is trusted: its ``value.text`` is ignored (it collapses spaces), its offsets are checked
against the task's own text.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from zhibiao.spans import LABELS, Span

__all__ = [
    "FROM_NAME",
    "QUALIFIER",
    "QUALIFIER_NAME",
    "TO_NAME",
    "Checked",
    "region_id",
    "shown",
    "to_regions",
    "to_spans",
]

FROM_NAME = "label"
"""Name of the Labels control in the labelling interface."""

TO_NAME = "text"
"""Name of the Text object in the labelling interface."""

QUALIFIER_NAME = "qualifier"
"""Name of the Labels control for qualifiers, in projects whose records are annotated."""

QUALIFIER = "限定词"
"""Its only label: no entity, so its regions may overlap spans and each other."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What a result list holds: spans that obey the rules, and a line for each that does not.

    ``regions`` gives, by the id of a region, the span that it became; a region that was left out
    has none. ``qualifiers`` gives the same for the regions of :data:`QUALIFIER`.
    """

    spans: tuple[Span, ...]
    problems: tuple[str, ...]
    regions: Mapping[str, Span] = field(default_factory=dict)
    qualifiers: Mapping[str, Span] = field(default_factory=dict)


def to_regions(
    spans: Iterable[Span], *, from_name: str = FROM_NAME, to_name: str = TO_NAME
) -> list[dict[str, Any]]:
    """Regions for spans; ``score`` is kept, ids are the same for the same span every time."""
    return [
        {
            "id": region_id(span),
            "from_name": from_name,
            "to_name": to_name,
            "type": "labels",
            "score": round(span.score, 4),
            "value": {"start": span.start, "end": span.end, "labels": [span.label]},
        }
        for span in spans
    ]


def region_id(span: Span) -> str:
    """The id of the region that :func:`to_regions` makes of a span."""
    return hashlib.sha256(repr(span.key).encode()).hexdigest()[:10]


def to_spans(result: Sequence[Any], text: str) -> Checked:
    """The spans of a result list over ``text``, sorted; offsets in code points, half-open.

    Relations and the other results that are no labelled regions are passed over. A region is a
    problem, and left out, when its offsets are not integers inside the text, its label is unknown
    or not exactly one, or it is blank; blank edges are moved inward and named. Of regions that
    overlap, the longest stays (the rule of the guidelines), of equal ones the first; the others
    are named. Nothing is dropped without a line in ``problems``.
    """
    found: list[tuple[str, Span]] = []  # with the ids of their regions
    qualifiers: dict[str, Span] = {}
    problems: list[str] = []
    for number, region in enumerate(result, start=1):
        if not isinstance(region, dict) or region.get("type") != "labels":
            continue
        qualifies = region.get("from_name") == QUALIFIER_NAME
        span, problem = _span(region, text, (QUALIFIER,) if qualifies else LABELS)
        if problem:
            problems.append(f"第 {number} 个片段：{problem}")
        if span and qualifies:
            qualifiers[str(region.get("id"))] = span
        elif span:
            found.append((str(region.get("id")), span))
    kept: list[Span] = []  # sorted by start, without overlaps
    ordered = sorted((span for _, span in found), key=lambda s: (s.start - s.end, s.start))
    for span in ordered:
        place = bisect_left(kept, span.end, key=lambda other: other.start)
        rival = kept[place - 1] if place else None
        if rival is None or rival.end <= span.start:
            kept.insert(place, span)
        elif rival.key != span.key:
            problems.append(f"{shown(span, text)}与{shown(rival, text)}重叠；只保留后者")
        else:
            problems.append(f"{shown(span, text)}标了两次；只保留一个")
    by_key = {span.key: span for span in kept}
    regions = {name: by_key[span.key] for name, span in found if span.key in by_key}
    return Checked(tuple(kept), tuple(problems), regions, qualifiers)


def _span(region: dict[str, Any], text: str, known: tuple[str, ...]) -> tuple[Span | None, str]:
    value = region.get("value")
    value = value if isinstance(value, dict) else {}
    start, end, labels = value.get("start"), value.get("end"), value.get("labels")
    # bool is an int in Python, and JSON true is never an offset.
    if type(start) is not int or type(end) is not int:
        return None, f"起止位置不是整数（{start!r}，{end!r}）；请删去重标"
    if not 0 <= start < end <= len(text):
        return None, f"起止位置 {start}–{end} 超出正文（共 {len(text)} 字）或为空；请删去重标"
    if not isinstance(labels, list) or len(labels) != 1:
        return None, f"“{_short(text[start:end])}”有 {labels!r} 标签；应恰有一个"
    if labels[0] not in known:
        usable = "、".join(known)
        return None, f"“{_short(text[start:end])}”的标签 {labels[0]!r} 未知；可用：{usable}"
    inside = text[start:end]
    if not inside.strip():
        return None, f"{start}–{end} 只有空白；请删去"
    score = region.get("score")
    score = float(score) if isinstance(score, int | float) else 1.0
    begin = start + len(inside) - len(inside.lstrip())
    span = Span(begin, begin + len(inside.strip()), labels[0], score)
    moved = "" if span.end - span.start == end - start else f"{shown(span, text)}两端有空白；已去掉"
    return span, moved


def shown(span: Span, text: str) -> str:
    """A span as messages name it: label, characters and offsets."""
    return f"{span.label}“{_short(text[span.start : span.end])}”（{span.start}–{span.end}）"


def _short(text: str, limit: int = 30) -> str:
    line = text.replace("\n", "⏎")
    return line if len(line) <= limit else line[: limit - 1] + "…"
