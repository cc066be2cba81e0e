"""Borders that differ from the habit of the corpus.

For every beginning of up to four characters the corpus shows how often spans of a label include
it and how often it stands just outside them; likewise for endings. A span on the rarer side is
odd: ``wide`` when it includes what others leave outside (⟦指标|新增专利⟧), ``narrow`` when it
leaves outside what others include (R&D⟦指标|经费支出⟧). ``merged`` is a span that
holds two names and the sign that joins them; ``unseen`` is a 年份 or 单位, which are almost closed
sets, that nobody else has. Nothing is fixed by a word list; the exact rules of the guidelines are
in :mod:`annotation.audit.rules`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from math import log, log1p

from annotation.audit.evidence import Evidence
from annotation.audit.finding import Signal
from annotation.audit.phrases import quoted, shown
from zhibiao.spans import Span

__all__ = ["edge_signals"]

_LONGEST = 4
_LEAST = 2  # times a habit must have been seen
_CONNECTORS = ("、", "和", "与", "及")
_NAMES = ("机构", "企业名", "指标")
_CLOSED = {"年份": "year", "单位": "unit"}
_SIDES = (False, True)  # the left border, the right border


class _Habits:
    """How often characters at a border stand inside and just outside spans of a label."""

    def __init__(self, evidence: Evidence) -> None:
        self.inside: Counter[tuple[str, bool, str]] = Counter()
        self.outside: Counter[tuple[str, bool, str]] = Counter()
        self.known: Counter[tuple[str, str]] = Counter()
        self.joined: Counter[tuple[str, str]] = Counter()
        self.apart: Counter[tuple[str, str]] = Counter()
        self._connect(evidence)
        for number, span, _ in evidence.labelled():
            shape = evidence.shapes[number]
            self.known[span.label, shape[span.start : span.end]] += 1
            for right in _SIDES:
                for size in range(1, _LONGEST + 1):
                    if inner := _inner(shape, span, right, size):
                        self.inside[span.label, right, inner] += 1
                    if outer := _outer(shape, span, right, size):
                        self.outside[span.label, right, outer] += 1

    def _connect(self, evidence: Evidence) -> None:
        """Count what joins two names: inside one span, or between two of one label."""
        for text, spans in zip(evidence.texts, evidence.spans, strict=True):
            for span in spans:
                for mark in _CONNECTORS:
                    self.joined[span.label, mark] += mark in text[span.start : span.end]
            for one, other in pairwise(spans):
                between = text[one.end : other.start]
                if one.label == other.label and between in _CONNECTORS:
                    self.apart[one.label, between] += 1


def edge_signals(evidence: Evidence) -> Iterator[Signal]:
    """At most one signal of each name a border or span: the one with the best odds."""
    habits = _Habits(evidence)
    for number, span, _ in evidence.labelled(audited=True):
        for signal in (
            _unseen(evidence, habits, number, span),
            _merged(evidence, habits, number, span),
        ):
            if signal is not None:
                yield signal
        for right in _SIDES:
            for found in (_wide, _narrow):
                signal = found(evidence, habits, number, span, right)
                if signal is not None:
                    yield signal


def _wide(
    evidence: Evidence, habits: _Habits, number: int, span: Span, right: bool
) -> Signal | None:
    shape, text = evidence.shapes[number], evidence.texts[number]
    best: tuple[float, int, tuple[float, ...], int, int] | None = None
    for size in range(1, _LONGEST + 1):
        inner = _inner(shape, span, right, size)
        # Digits say nothing about the borders of numbers and years.
        if not inner or (span.label in ("数值", "年份") and inner.strip("0.,") == ""):
            continue
        ins = habits.inside[span.label, right, inner] - 1
        outs = habits.outside[span.label, right, inner]
        if outs < _LEAST or outs <= ins:
            continue
        rest = shape[span.start : span.end - size] if right else shape[span.start + size : span.end]
        known = habits.known[span.label, rest]
        if size == 1 and not known:  # one character is too little without a name that remains
            continue
        features: tuple[float, ...] = (_odds(outs, ins), log1p(outs), log1p(known), float(size > 1))
        quality = features[0] + 0.5 * features[2]
        if best is None or quality > best[0]:
            best = (quality, size, features, ins, outs)
    if best is None:
        return None
    _, size, features, ins, outs = best
    cut = span.end - size if right else span.start + size
    part = text[cut : span.end] if right else text[span.start : cut]
    rest = text[span.start : cut] if right else text[cut : span.end]
    return Signal(
        "边界",
        "wide-right" if right else "wide-left",
        number,
        span.start,
        span.end,
        span.label,
        f"{_side(right)}{quoted(part)}在{span.label}之外 {outs} 次、之内 {ins} 次，这里在内",
        shown(span.label, rest),
        features,
    )


def _narrow(
    evidence: Evidence, habits: _Habits, number: int, span: Span, right: bool
) -> Signal | None:
    shape, text = evidence.shapes[number], evidence.texts[number]
    best: tuple[float, int, tuple[float, ...], int, int] | None = None
    for size in range(1, _LONGEST + 1):
        outer = _outer(shape, span, right, size)
        low, high = (span.end, span.end + size) if right else (span.start - size, span.start)
        if not outer or not evidence.is_free(number, low, high):
            break
        ins = habits.inside[span.label, right, outer]
        outs = habits.outside[span.label, right, outer] - 1
        if ins < _LEAST or ins <= outs:
            continue
        whole = shape[span.start : high] if right else shape[low : span.end]
        known = habits.known[span.label, whole]
        features: tuple[float, ...] = (_odds(ins, outs), log1p(ins), log1p(known), float(size > 1))
        quality = features[0] + 0.5 * features[2]
        if best is None or quality > best[0]:
            best = (quality, size, features, ins, outs)
    if best is None:
        return None
    _, size, features, ins, outs = best
    low, high = (span.end, span.end + size) if right else (span.start - size, span.start)
    start, end = min(low, span.start), max(high, span.end)
    return Signal(
        "边界",
        "narrow-right" if right else "narrow-left",
        number,
        start,
        end,
        span.label,
        f"{_side(right)}{quoted(text[low:high])}在{span.label}之内 {ins} 次、之外 {outs} 次，"
        "这里在外",
        shown(span.label, text[start:end]),
        features,
    )


def _unseen(evidence: Evidence, habits: _Habits, number: int, span: Span) -> Signal | None:
    shape, text = evidence.shapes[number], evidence.texts[number]
    string = shape[span.start : span.end]
    if span.label not in _CLOSED or habits.known[span.label, string] > 1:
        return None
    size = len(string)
    slices = [(low, high) for low in range(size) for high in range(low + 1, size + 1)]
    slices.remove((0, size))
    low, high = max(
        slices, key=lambda s: habits.known[span.label, string[s[0] : s[1]]], default=(0, 0)
    )
    known = habits.known[span.label, string[low:high]]
    if not known:
        return None
    part, whole = (
        quoted(text[span.start + a : span.start + b]) for a, b in ((low, high), (0, size))
    )
    return Signal(
        "边界",
        f"unseen-{_CLOSED[span.label]}",
        number,
        span.start,
        span.end,
        span.label,
        f"{span.label}{whole}只此一处，其中{part}一类标了 {known} 次",
        f"只标{part}，或换标签",
        (log1p(known), log(len(string))),
    )


def _merged(evidence: Evidence, habits: _Habits, number: int, span: Span) -> Signal | None:
    shape, text = evidence.shapes[number], evidence.texts[number]
    string = shape[span.start : span.end]
    if span.label not in _NAMES:
        return None
    best: tuple[float, tuple[float, ...], int, int, str] | None = None
    for at in range(1, len(string)):
        mark = next((mark for mark in _CONNECTORS if string.startswith(mark, at)), "")
        one, other = string[:at], string[at + len(mark) :]
        known = [habits.known[span.label, one], habits.known[span.label, other]]
        apart = habits.apart[span.label, mark]
        joined = habits.joined[span.label, mark] - 1
        if not mark or not other or joined >= apart:
            continue
        features: tuple[float, ...] = (
            _odds(apart, joined),
            log1p(min(known)),
            log1p(habits.known[span.label, string] - 1),
        )
        quality = features[0] + features[1]
        if best is None or quality > best[0]:
            best = (quality, features, at, len(mark), mark)
    if best is None:
        return None
    _, features, at, gap, mark = best
    middle = span.start + at
    written = (
        shown(span.label, text[span.start : middle])
        + mark
        + shown(span.label, text[middle + gap : span.end])
    )
    apart, joined = habits.apart[span.label, mark], habits.joined[span.label, mark] - 1
    told = (
        f"{quoted(text[span.start : span.end])}像是两个{span.label}连在一起；"
        f"“{mark}”在两个{span.label}之间 {apart} 次，在{span.label}之内 {joined} 次"
    )
    return Signal(
        "边界", "merged", number, span.start, span.end, span.label, told, written, features
    )


def _side(right: bool) -> str:
    return "末尾的" if right else "开头的"


def _odds(for_it: int, against: int) -> float:
    return log((for_it + 0.5) / (against + 0.5))


def _inner(shape: str, span: Span, right: bool, size: int) -> str:
    """The first or last characters of the span; empty unless something remains beside them."""
    if span.end - span.start <= size:
        return ""
    return shape[span.end - size : span.end] if right else shape[span.start : span.start + size]


def _outer(shape: str, span: Span, right: bool, size: int) -> str:
    """The characters beside the span; empty at a line's end."""
    low, high = (span.end, span.end + size) if right else (span.start - size, span.start)
    if low < 0 or high > len(shape):
        return ""
    outer = shape[low:high]
    return "" if "\n" in outer else outer
