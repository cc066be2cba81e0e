"""How the weights of the audit were set.

    python -m annotation.audit.calibration data

Slips are made at random in a copy of the corpus (two in a hundred spans: dropped, relabelled,
widened, narrowed, merged, split, added), the checks run on it, and for every name of signal a
logistic regression learns how likely a signal with such features stands on a slip. What it prints
is the table of :mod:`annotation.audit.weights`, save the two rows for copied reports. The checks
without a model learn from the splits train and validation; the model's opinion learns from
validation alone, because the embedded model was trained on train. The split test is not touched.
"""

from __future__ import annotations

import argparse
import random
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import log

import numpy as np
import numpy.typing as npt

from annotation.audit.auditor import signals
from annotation.audit.documents import Document, read_documents
from annotation.audit.evidence import Evidence
from annotation.audit.finding import Signal
from annotation.audit.opinions import Scorer
from annotation.audit.rules import rule_signals
from zhibiao.extractor import Extractor
from zhibiao.reports import Report
from zhibiao.spans import Span

__all__ = ["make_slips"]

_RATE = 0.02
_ROUNDS = 6
_MODEL_ROUNDS = 40
_EDGE = 4  # characters a border slips at most
_WORD = re.compile(r"[\u4e00-\u9fffA-Za-z]{2,}")
_CONFUSED = {
    "机构": ("企业名", "企业名", "指标"),
    "企业名": ("机构",),
    "指标": ("机构", "单位"),
    "数值": ("年份", "指标"),
    "单位": ("指标",),
    "年份": ("数值", "指标"),
}


def make_slips(
    report: Report, rate: float, chance: random.Random
) -> tuple[Report, list[tuple[int, int]]]:
    """A copy of a report with slips in some of its spans, and the places of the slips."""
    spans = list(report.spans)
    places: list[tuple[int, int]] = []
    position = 0
    while position < len(spans):
        if chance.random() >= rate:
            position += 1
            continue
        slip = chance.choices(_SLIPS, _SHARES)[0]
        old = spans[position : position + 2]
        new = slip(report.text, spans, position, chance)
        if new is None:
            position += 1
            continue
        taken = 2 if slip is _merge else 1
        spans[position : position + taken] = new
        touched = new[1:] if slip is _add else [*old[:taken], *new]
        places.append((min(s.start for s in touched), max(s.end for s in touched)))
        position += max(1, len(new))
    return replace(report, spans=tuple(spans)), places


_Slip = Callable[[str, list[Span], int, random.Random], list[Span] | None]


def _drop(text: str, spans: list[Span], at: int, chance: random.Random) -> list[Span] | None:
    return []


def _relabel(text: str, spans: list[Span], at: int, chance: random.Random) -> list[Span] | None:
    return [replace(spans[at], label=chance.choice(_CONFUSED[spans[at].label]))]


def _widen(text: str, spans: list[Span], at: int, chance: random.Random) -> list[Span] | None:
    span, size = spans[at], chance.randint(1, _EDGE)
    if chance.random() < 0.6:
        low = max(spans[at - 1].end if at else 0, span.start - size)
        wider = replace(span, start=low)
    else:
        high = spans[at + 1].start if at + 1 < len(spans) else len(text)
        wider = replace(span, end=min(high, span.end + size))
    string = text[wider.start : wider.end]
    return _sound(string, wider, span)


def _narrow(text: str, spans: list[Span], at: int, chance: random.Random) -> list[Span] | None:
    span, size = spans[at], chance.randint(1, _EDGE)
    if span.end - span.start <= size:
        return None
    less = (
        replace(span, start=span.start + size)
        if chance.random() < 0.5
        else replace(span, end=span.end - size)
    )
    return _sound(text[less.start : less.end], less, span)


def _merge(text: str, spans: list[Span], at: int, chance: random.Random) -> list[Span] | None:
    if at + 1 == len(spans) or text[spans[at].end : spans[at + 1].start] not in ("", "、", "和"):
        return None
    one, other = spans[at : at + 2]
    return [Span(one.start, other.end, chance.choice((one, other)).label)]


def _split(text: str, spans: list[Span], at: int, chance: random.Random) -> list[Span] | None:
    span = spans[at]
    if span.end - span.start < 4:
        return None
    middle = chance.randint(span.start + 1, span.end - 1)
    if text[middle - 1].isspace() or text[middle].isspace():
        return None
    return [replace(span, end=middle), replace(span, start=middle)]


def _add(text: str, spans: list[Span], at: int, chance: random.Random) -> list[Span] | None:
    """One more span in what follows, up to the next."""
    span = spans[at]
    limit = spans[at + 1].start if at + 1 < len(spans) else len(text)
    words = [match.span() for match in _WORD.finditer(text, span.end + 1, limit)]
    if not words:
        return None
    start, end = chance.choice(words)
    size = chance.randint(2, 6)
    label = chance.choice(("指标", "指标", "机构", "企业名"))
    return [span, Span(start, min(end, start + size), label)]


def _sound(string: str, changed: Span, span: Span) -> list[Span] | None:
    """The changed span, unless nothing changed or no annotator would draw it so."""
    blank = string != string.strip() or any(mark in string for mark in "。；\n")
    return None if blank or changed == span else [changed]


_SLIPS: tuple[_Slip, ...] = (_drop, _relabel, _widen, _narrow, _merge, _split, _add)
_SHARES = (30, 15, 20, 15, 8, 6, 6)


def _gather(
    documents: Sequence[Document], scorer: Scorer | None, seed: int
) -> list[tuple[Signal, bool]]:
    chance = random.Random(seed)
    # What the exact rules find in the corpus as it is was judged by hand (all of it mistakes).
    natural = {(s.name, s.document, s.start, s.end) for s in rule_signals(Evidence(documents))}
    slipped, places = [], []
    for document in documents:
        report, found = make_slips(document.report, _RATE, chance)
        slipped.append(replace(document, report=report))
        places.append(found)
    return [
        (signal, any(signal.start < high and low < signal.end for low, high in places[at]))
        for signal in signals(slipped, scorer)
        for at in [signal.document]
        if (signal.name, at, signal.start, signal.end) not in natural
        if signal.kind != "重复" and (signal.kind == "模型") == (scorer is not None)
    ]


def _fit(cases: list[tuple[Signal, bool]]) -> tuple[float, ...]:
    """Intercept and coefficients; without features, or without both outcomes, an intercept."""
    from sklearn.linear_model import LogisticRegression

    right = sum(hit for _, hit in cases)
    # Before any case is seen a rule is right nine times of ten.
    base = log((right + 4.5) / (len(cases) - right + 0.5))
    width = len(cases[0][0].features)
    if not width or right in (0, len(cases)) or len(cases) < 30:
        return (round(base, 2), *[0.0] * width)
    model = LogisticRegression(C=1.0, max_iter=1000)
    model.fit([signal.features for signal, _ in cases], [hit for _, hit in cases])
    return tuple(round(float(value), 2) for value in (model.intercept_[0], *model.coef_[0]))


class _Remembering:
    """An extractor that is asked for each text once: slips do not change texts."""

    def __init__(self, extractor: Extractor) -> None:
        self.settings = extractor.settings
        self._extractor = extractor
        self._known: dict[str, npt.NDArray[np.float32]] = {}

    def log_probabilities(self, texts: list[str]) -> list[npt.NDArray[np.float32]]:
        new = [text for text in texts if text not in self._known]
        self._known.update(zip(new, self._extractor.log_probabilities(new), strict=True))
        return [self._known[text] for text in texts]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", help="a corpus folder")
    corpus = parser.parse_args().corpus
    cases: dict[str, list[tuple[Signal, bool]]] = defaultdict(list)
    known = read_documents([f"{corpus}:train", f"{corpus}:validation"])
    unseen = read_documents([f"{corpus}:validation"])
    scorer = _Remembering(Extractor.from_pretrained())
    for seed in range(_ROUNDS):
        for case in _gather(known, None, seed):
            cases[case[0].name].append(case)
    for seed in range(_MODEL_ROUNDS):
        for case in _gather(unseen, scorer, seed):
            cases[case[0].name].append(case)
    for name in sorted(cases):
        found = cases[name]
        right = sum(hit for _, hit in found)
        print(f'    "{name}": {_fit(found)},  # {right} of {len(found)}')


if __name__ == "__main__":
    main()
