"""Reports as a file of another program states them, and what it takes to make them ours.

Readers of this package check a file's form only and yield a :class:`Draft` for every record they
could read and a :class:`Problem` for everything they could not, so that one bad record never hides
the next. :func:`settle` then applies the annotation rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from zhibiao.errors import FormatError
from zhibiao.reports import Report
from zhibiao.spans import LABELS, Span

__all__ = ["Draft", "Problem", "Rules", "settle", "span_problems"]

_SHOWN = 24


@dataclass(frozen=True, slots=True)
class Draft:
    """One record as read: offsets in code points, half-open; spans in the file's order, unchecked.

    ``where`` is FILE:LINE, or FILE and the record's name where a format has no lines.
    """

    id: str
    text: str
    spans: tuple[Span, ...]
    where: str
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something to say about one place of a file; a ``note`` is said but does not count as wrong.

    ``kind`` is one word: syntax, text, id, tags, surface, order, bounds, edge, overlap, label,
    moved, left-out, fit.
    """

    where: str
    kind: str
    message: str
    note: bool = False

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


@dataclass(frozen=True, slots=True)
class Rules:
    """How drafts become reports.

    ``renames`` maps a file's labels to ours; to ``""`` leaves the spans of that label out.
    ``fix`` moves blank edges inward. ``longest`` keeps the longest of overlapping spans, the rule
    of the annotation guidelines. Whatever they change is noted.
    """

    labels: tuple[str, ...] = LABELS
    renames: Mapping[str, str] = field(default_factory=dict)
    fix: bool = False
    longest: bool = False


def settle(draft: Draft, rules: Rules) -> tuple[Report | None, list[Problem]]:
    """The draft as a report, or None with every reason why it cannot be one.

    A report that breaks a rule is left out as a whole: training on it without the broken spans
    would teach that they are not entities.
    """
    notes: list[Problem] = []
    spans = list(_renamed(draft, rules.renames, notes))
    if rules.fix:
        spans = [_trimmed(draft, span, notes) for span in spans]
    if rules.longest:
        spans = _longest(draft, spans, notes)
    spans.sort(key=lambda span: (span.start, span.end))
    problems = span_problems(draft.text, spans, rules.labels, draft.where)
    if problems:
        return None, problems + notes
    try:
        report = Report(draft.id, draft.text, tuple(spans), draft.meta, rules.labels)
    except FormatError as error:
        return None, [Problem(draft.where, "text", str(error)), *notes]
    return report, notes


def span_problems(
    text: str, spans: Sequence[Span], labels: Sequence[str], where: str
) -> list[Problem]:
    """Every breach of the rules of :func:`zhibiao.spans.check_spans`, order aside, span by span.

    Overlaps are named once per span, with the span before it that reaches farthest.
    """
    problems: list[Problem] = []
    inside: list[Span] = []
    for span in spans:
        place = f"{where}: span ({span.start}, {span.end}, {span.label})"
        if span.label not in labels:
            known = "、".join(labels)
            problems.append(
                Problem(place, "label", f"unknown label {span.label!r}, not in {known}")
            )
        if not 0 <= span.start < span.end <= len(text):
            problem = f"outside the text of {len(text)} characters, or empty"
            problems.append(Problem(place, "bounds", problem))
            continue
        surface = text[span.start : span.end]
        if surface != surface.strip():
            remedy = "move the offsets inward" if surface.strip() else "nothing but white space"
            problem = f"white space at the edge of {_short(surface)}; {remedy}"
            problems.append(Problem(place, "edge", problem))
        inside.append(span)
    rival: Span | None = None
    for span in sorted(inside, key=lambda span: (span.start, span.end)):
        if rival is not None and span.start < rival.end:
            place = f"{where}: span ({span.start}, {span.end}, {span.label})"
            problems.append(Problem(place, "overlap", _overlap(text, span, rival)))
        if rival is None or span.end > rival.end:
            rival = span
    return problems


def _renamed(draft: Draft, renames: Mapping[str, str], notes: list[Problem]) -> Iterator[Span]:
    for span in draft.spans:
        label = renames.get(span.label, span.label)
        if label:
            yield Span(span.start, span.end, label)
        else:
            place = f"{draft.where}: span ({span.start}, {span.end}, {span.label})"
            notes.append(
                Problem(place, "left-out", "left out, as its label is mapped to none", True)
            )


def _trimmed(draft: Draft, span: Span, notes: list[Problem]) -> Span:
    surface = draft.text[max(span.start, 0) : span.end]
    fits = 0 <= span.start < span.end <= len(draft.text)
    if not fits or surface == surface.strip() or not surface.strip():
        return span
    start = span.start + len(surface) - len(surface.lstrip())
    moved = Span(start, start + len(surface.strip()), span.label)
    place = f"{draft.where}: span ({span.start}, {span.end}, {span.label})"
    notes.append(Problem(place, "moved", f"edges moved to ({moved.start}, {moved.end})", True))
    return moved


def _longest(draft: Draft, spans: list[Span], notes: list[Problem]) -> list[Span]:
    kept: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start - span.end, span.start)):
        rival = next((k for k in kept if span.start < k.end and k.start < span.end), None)
        if rival is None:
            kept.append(span)
        else:
            place = f"{draft.where}: span ({span.start}, {span.end}, {span.label})"
            line = f"left out: {_overlap(draft.text, span, rival)}"
            notes.append(Problem(place, "left-out", line, True))
    return kept


def _overlap(text: str, span: Span, rival: Span) -> str:
    shown = _short(text[span.start : span.end])
    if span.key == rival.key:
        return f"{shown} is there twice"
    other = _short(text[rival.start : rival.end])
    return f"{shown} overlaps {rival.label} {other} ({rival.start}, {rival.end})"


def _short(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…")
