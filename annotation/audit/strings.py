"""The same string treated in different ways: labelled or not, whole or in parts, as this or that.

Signals: ``missed`` (unlabelled here, labelled elsewhere) and ``stray`` (the reverse), ``parts``
(narrower spans here, one span elsewhere) and ``whole`` (the reverse), ``label`` (another label
elsewhere) and ``ending`` (the last characters belong to another label).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from math import log, log1p

from annotation.audit.evidence import Evidence, Place
from annotation.audit.finding import Signal
from annotation.audit.phrases import quoted, shown
from zhibiao.spans import Span

__all__ = ["label_signals", "string_signals"]

_GROUPS = {"机构": "name", "企业名": "name", "年份": "year", "指标": "indicator"}
_DIGIT = re.compile(r"[0-9０-９]")
_NEAR = 12  # characters between an indicator and its number
_ENDING = (2, 3)
_ENDING_LEAST = 5  # spans that must share an ending before it means anything


def string_signals(evidence: Evidence) -> Iterator[Signal]:
    """Places where a string is treated otherwise than in most places (see the module)."""
    for string, labels in evidence.labels.items():
        free, broken = evidence.free.get(string, []), evidence.broken.get(string, [])
        if free or broken:
            yield from _elsewhere(evidence, string, labels, free, broken)
    for number, span, string in evidence.labelled(audited=True):
        free, broken = evidence.free.get(string, []), evidence.broken.get(string, [])
        others = evidence.labels[string].total() - 1
        group = _GROUPS.get(span.label)
        # An indicator with its number is labelled however often it is merely mentioned elsewhere.
        counted = group == "indicator" and _counted(evidence, Place(number, span.start, span.end))
        if group and not counted and len(free) > others:
            yield Signal(
                "漏标",
                f"stray-{group}",
                number,
                span.start,
                span.end,
                span.label,
                f"{quoted(string)}在别处 {len(free)} 次未标、{others} 次标注，这里标为{span.label}",
                "不标",
                (_odds(len(free), others), log1p(len(free)), log(len(string))),
            )
        if group and len(broken) > others:
            where = broken[0]
            usual = _inner(evidence, where)
            yield Signal(
                "边界",
                "whole",
                number,
                span.start,
                span.end,
                span.label,
                f"{quoted(string)}在别处 {len(broken)} 次只标其中一部分或分开标、"
                f"{others} 次整体标，这里整体标为{span.label}",
                usual,
                (_odds(len(broken), others), log1p(len(broken)), log(len(string))),
            )


def _elsewhere(
    evidence: Evidence,
    string: str,
    labels: Counter[str],
    free: list[Place],
    broken: list[Place],
) -> Iterator[Signal]:
    label, _ = labels.most_common(1)[0]
    group, count = _GROUPS.get(label), labels.total()
    if group is None:
        return
    # An indicator may be mentioned without its number; such places say nothing about the others.
    with_number = [place for place in free if group == "indicator" and _counted(evidence, place)]
    for place in free:
        rivals, name = free, f"missed-{group}"
        if place in with_number:
            rivals, name = with_number, "missed-counted"
        if evidence.documents[place.document].reference or len(rivals) > count:
            continue
        here = evidence.local.get((place.document, string), Counter()).total()
        features = (
            _odds(count, len(rivals) - 1),
            log1p(count),
            log(len(string)),
            log1p(here),
        )
        told = f"{quoted(string)}标了 {count} 次（{label}），漏 {len(rivals)} 次，这里未标"
        yield _signal("漏标", name, place, label, told, shown(label, string), features)
    for place in broken:
        if evidence.documents[place.document].reference:
            continue
        now = _inner(evidence, place)
        told = f"{quoted(string)}在别处整体标为{label} {count} 次，这里标成 {now}"
        narrow = (_odds(count, len(broken) - 1), log1p(count), log(len(string)))
        yield _signal("边界", "parts", place, label, told, shown(label, string), narrow)


def label_signals(evidence: Evidence) -> Iterator[Signal]:
    """Spans whose string, or whose last characters, mostly carry another label."""
    endings: dict[str, Counter[str]] = defaultdict(Counter)
    for string, labels in evidence.labels.items():
        for ending in _endings(string):
            # Strings, not spans: one name repeated fifty times shows no habit of its ending.
            endings[ending].update(dict.fromkeys(labels, 1))
    for number, span, string in evidence.labelled(audited=True):
        if _DIGIT.search(string):
            continue
        counts = evidence.labels[string]
        same = counts[span.label] - 1
        other, times = _rival(counts, span.label)
        if times > same:
            told = f"{quoted(string)}标为{other} {times} 次、{span.label} {same + 1} 次"
            features = (_odds(times, same), log1p(times), log(len(string)))
            place = Place(number, span.start, span.end)
            yield _signal("标签", "label", place, span.label, told, shown(other, string), features)
        yield from _by_ending(endings, number, span, string, lone=counts[span.label] == 1)


def _by_ending(
    endings: dict[str, Counter[str]], number: int, span: Span, string: str, *, lone: bool
) -> Iterator[Signal]:
    for ending in sorted(_endings(string), key=len, reverse=True):
        counts = endings[ending]
        other, times = _rival(counts, span.label)
        same = counts[span.label] - 1
        if times >= _ENDING_LEAST and times > same:
            told = (
                f"以{quoted(ending)}结尾的名称有 {times} 个标为{other}、"
                f"{same + 1} 个标为{span.label}"
            )
            features = (_odds(times, same), log1p(times), float(lone))
            place = Place(number, span.start, span.end)
            expected = shown(other, string)
            yield _signal("标签", "ending", place, span.label, told, expected, features)
            return


def _signal(
    kind: str,
    name: str,
    place: Place,
    label: str,
    message: str,
    expected: str,
    features: tuple[float, ...],
) -> Signal:
    return Signal(
        kind, name, place.document, place.start, place.end, label, message, expected, features
    )


def _odds(for_it: int, against: int) -> float:
    """Log odds of two counts, half a case added to each."""
    return log((for_it + 0.5) / (against + 0.5))


def _rival(counts: Counter[str], label: str) -> tuple[str, int]:
    others = [(times, name) for name, times in counts.items() if name != label]
    times, name = max(others, default=(0, ""))
    return name, times


def _endings(string: str) -> list[str]:
    return [string[-n:] for n in _ENDING if len(string) >= n]


def _inner(evidence: Evidence, place: Place) -> str:
    """The slice with the spans it holds, as tagged text."""
    text = evidence.texts[place.document]
    spans = [
        span
        for span in evidence.spans[place.document]
        if place.start <= span.start and span.end <= place.end
    ]
    pieces, position = [], place.start
    for span in spans:
        pieces += [text[position : span.start], shown(span.label, text[span.start : span.end])]
        position = span.end
    return "".join([*pieces, text[position : place.end]])


def _counted(evidence: Evidence, place: Place) -> bool:
    """Whether a number belongs to the place: in the same clause, no other indicator between."""
    spans = evidence.spans[place.document]
    owners, text = evidence.owners[place.document], evidence.texts[place.document]
    for position in range(place.end, min(place.end + _NEAR, len(text))):
        if text[position] in "。；，\n":
            break
        if owners[position] >= 0:
            if spans[owners[position]].label == "数值":
                return True
            break
    # 「31项科技计划项目」: the unit stands right before.
    before = owners[place.start - 1] if place.start else -1
    return before >= 0 and spans[before].label in ("单位", "数值")
