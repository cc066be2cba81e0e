"""Numbers and units that belong together and are labelled apart, or not at all.

Signals: ``unit`` (a 数值 followed by what is usually a 单位, unlabelled) and ``number`` (an
unlabelled number where numbers like it are usually labelled).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from math import log, log1p

from annotation.audit.evidence import Evidence
from annotation.audit.finding import Signal
from annotation.audit.phrases import quoted, shown
from annotation.audit.rules import NUMERALS

__all__ = ["number_signals", "unit_signals"]

_LONGEST = 8  # characters of a unit that is looked for after a number
_NUMBER = re.compile(
    r"(?P<digits>[0-9０-９]+(?:[.,．，][0-9０-９]+)*)"
    r"|(?P<mask>(?<![A-Za-z])[xX]{1,4}(?:\.[xX]{1,2})?(?![A-Za-z])|\*{2,4})"
    rf"|(?P<words>[{NUMERALS[6:]}几数]+)"
)


def unit_signals(evidence: Evidence) -> Iterator[Signal]:
    """数值 followed directly by an unlabelled string that is a 单位 in most such places."""
    after: dict[str, Counter[bool]] = defaultdict(Counter)
    units = {string for string, labels in evidence.labels.items() if labels["单位"]}
    places: list[tuple[int, int, int, str]] = []
    for number, spans in enumerate(evidence.spans):
        text = evidence.texts[number]
        for position, span in enumerate(spans):
            if span.label != "数值":
                continue
            following = spans[position + 1] if position + 1 < len(spans) else None
            if following is not None and following.start == span.end:
                if following.label == "单位":
                    after[text[following.start : following.end]][True] += 1
                continue
            longest = min(_LONGEST, len(text) - span.end)
            for size in range(longest, 0, -1):
                end = span.end + size
                unit = text[span.end : end]
                if unit in units and evidence.is_free(number, span.end, end):
                    after[unit][False] += 1
                    places.append((number, span.start, end, unit))
                    break
    for number, start, end, unit in places:
        counts = after[unit]
        if evidence.documents[number].reference or not counts[True]:
            continue
        told = (
            f"数值后面的{quoted(unit)}标为单位 {counts[True]} 次，漏 {counts[False]} 次，这里未标"
        )
        features = (_odds(counts[True], counts[False] - 1), log1p(counts[True]))
        yield Signal(
            "数值", "unit", number, start, end, "单位", told, shown("单位", unit), features
        )


def number_signals(evidence: Evidence) -> Iterator[Signal]:
    """Unlabelled numbers in a context in which numbers are mostly labelled."""
    seen: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    numbers: list[tuple[int, int, int, str, list[tuple[str, ...]]]] = []
    for number, text in enumerate(evidence.texts):
        owners, spans = evidence.owners[number], evidence.spans[number]
        for match in _NUMBER.finditer(text):
            start, end = match.span()
            present = {owner for owner in owners[start:end] if owner >= 0}
            if present:
                span = spans[min(present)]
                # Only a number that is a span's whole number: 3 in 「3D打印」 is part of a name.
                label = span.label if span.label in ("数值", "年份") else "inside"
            else:
                label = ""
            keys = _contexts(evidence.shapes[number], start, end, str(match.lastgroup))
            for key in keys:
                seen[key][label] += 1
            if not label:
                numbers.append((number, start, end, match.group(), keys))
    for number, start, end, string, keys in numbers:
        # 「突破亿元大关」 counts nothing.
        if evidence.documents[number].reference or string in ("万", "亿"):
            continue
        right, left, own = (seen[key] for key in keys)
        labelled = Counter(right)
        del labelled[""], labelled["inside"]
        if not labelled:
            continue
        label, times = labelled.most_common(1)[0]
        free = right[""] - 1
        if times <= free:
            continue
        features = (
            _odds(times, free),
            _odds(left.total() - left[""], left[""] - 1),
            _odds(own.total() - own[""], own[""] - 1),
            log1p(times),
        )
        tail = evidence.texts[number][end : end + 2].replace("\n", "⏎")
        told = f"后接{quoted(tail)}的数标为{label} {times} 次，漏 {free + 1} 次，这里未标"
        yield Signal(
            "数值", "number", number, start, end, label, told, shown(label, string), features
        )


def _contexts(shape: str, start: int, end: int, group: str) -> list[tuple[str, ...]]:
    """Three views of a number: what follows, what precedes, what it looks like itself."""
    # Digits by their number, so that years are not judged by counts; words by themselves.
    own = str(min(end - start, 5)) if group == "digits" else shape[start:end]
    right, left = shape[end : end + 2], shape[max(0, start - 2) : start]
    return [
        ("right", own if group == "digits" else group, right),
        ("left", group, left),
        ("own", group, own, right[:1]),
    ]


def _odds(for_it: int, against: int) -> float:
    return log((for_it + 0.5) / (against + 0.5))
