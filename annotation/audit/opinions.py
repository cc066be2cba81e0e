"""Where a trained model disagrees with the annotation, and how strongly.

Disagreements are clusters of gold and predicted spans that overlap. Over a cluster's characters
(and the one after it, which must not go on) the probability of the predicted tags is compared with
that of the gold tags: the log of their ratio says how strongly the model is against the gold, so a
gold span that the model finds very unlikely and a confident prediction are the same measure.
A model that was trained on a report has partly learnt its mistakes; it is best asked about others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import exp
from typing import Protocol

import numpy as np
import numpy.typing as npt

from annotation.audit.evidence import Evidence
from annotation.audit.finding import Signal
from annotation.audit.phrases import quoted, shown
from zhibiao.model_directory import ModelDirectory
from zhibiao.spans import Span
from zhibiao.tagging import spans_to_tags

__all__ = ["Scorer", "model_signals"]

Floats = npt.NDArray[np.float32]

_MOST = 30.0  # log ratio beyond which more means nothing
_GROUP = 16  # reports that are in flight at once


class Scorer(Protocol):
    """What an audit needs of a model; :class:`zhibiao.extractor.Extractor` is one."""

    @property
    def settings(self) -> ModelDirectory:
        """The settings of its decoding."""

    def log_probabilities(self, texts: list[str]) -> list[Floats]:
        """Log-probabilities of the 13 tags of every character, (len(text), 13) a text."""


def model_signals(evidence: Evidence, scorer: Scorer) -> Iterator[Signal]:
    """One signal a cluster of disagreeing spans of the audited documents."""
    numbers = [n for n, document in enumerate(evidence.documents) if not document.reference]
    for low in range(0, len(numbers), _GROUP):
        group = numbers[low : low + _GROUP]
        arrays = scorer.log_probabilities([evidence.texts[number] for number in group])
        for number, scores in zip(group, arrays, strict=True):
            yield from _disagreements(evidence, scorer.settings, number, scores)


def _disagreements(
    evidence: Evidence, settings: ModelDirectory, number: int, scores: Floats
) -> Iterator[Signal]:
    text, gold = evidence.texts[number], evidence.spans[number]
    predicted = settings.decoder.decode(scores)
    steps = np.arange(len(text))
    gold_scores = scores[steps, spans_to_tags(len(text), gold)]
    predicted_scores = scores[steps, spans_to_tags(len(text), predicted)]
    for mine, theirs in _clusters(gold, predicted):
        start = min(span.start for span in (*mine, *theirs))
        end = max(span.end for span in (*mine, *theirs))
        area = slice(start, end + 1)
        for_it = float(predicted_scores[area].sum())
        against = float(gold_scores[area].sum())
        name, label, told = _told(text, mine, theirs)
        odds = f"模型认为应标的概率 {exp(for_it):.2f}，现标注 {exp(against):.2g}"
        yield Signal(
            "模型",
            f"model-{name}",
            number,
            start,
            end,
            label,
            f"{told}；{odds}",
            _written(text, theirs) or "不标",
            (min(_MOST, max(0.0, for_it - against)), max(-_MOST, for_it)),
        )


def _clusters(
    gold: Sequence[Span], predicted: Sequence[Span]
) -> Iterator[tuple[list[Span], list[Span]]]:
    """Spans that only one side has, those that overlap together."""
    common = {span.key for span in gold} & {span.key for span in predicted}
    both = [(span, True) for span in gold if span.key not in common]
    both += [(span, False) for span in predicted if span.key not in common]
    both.sort(key=lambda item: (item[0].start, item[0].end, item[1]))
    mine: list[Span] = []
    theirs: list[Span] = []
    reach = 0
    for span, is_gold in both:
        if span.start >= reach and (mine or theirs):
            yield mine, theirs
            mine, theirs = [], []
        (mine if is_gold else theirs).append(span)
        reach = max(reach, span.end)
    if mine or theirs:
        yield mine, theirs


def _told(text: str, mine: list[Span], theirs: list[Span]) -> tuple[str, str, str]:
    """The sort of disagreement, the label concerned, and the words for it."""
    if not mine:
        return "missed", theirs[0].label, f"模型标出 {_written(text, theirs)}，这里未标"
    if not theirs:
        string = text[mine[0].start : mine[0].end]
        return "stray", mine[0].label, f"{quoted(string)}标为{mine[0].label}，模型不标"
    sort = "border"
    if [(s.start, s.end) for s in mine] == [(s.start, s.end) for s in theirs]:
        sort = "label"
    told = f"标为 {_written(text, mine)}，模型标为 {_written(text, theirs)}"
    return sort, mine[0].label, told


def _written(text: str, spans: Sequence[Span]) -> str:
    return "".join(shown(span.label, text[span.start : span.end]) for span in spans)
