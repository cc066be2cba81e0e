"""Strict scores of whole reports, with seqeval as the cross-check.

A predicted span counts only when start, end and label are those of a gold span
(CoNLL-2003 scoring, Tjong Kim Sang and De Meulder 2003).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from zhibiao.errors import ZhibiaoError
from zhibiao.spans import LABELS, Span
from zhibiao.tagging import spans_to_tags, tags_of

__all__ = ["Counts", "Scores", "score_reports", "seqeval_f1"]


@dataclass(frozen=True, slots=True)
class Counts:
    """How many spans were right, predicted and in the gold."""

    right: int = 0
    predicted: int = 0
    gold: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.right + other.right, self.predicted + other.predicted, self.gold + other.gold
        )

    @property
    def precision(self) -> float:
        """Right among predicted; 0 when nothing was predicted."""
        return self.right / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        """Right among gold; 0 when there is no gold."""
        return self.right / self.gold if self.gold else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0 when nothing is right."""
        total = self.predicted + self.gold
        return 2 * self.right / total if total else 0.0


@dataclass(frozen=True, slots=True)
class Scores:
    """Counts for each label and for all of them."""

    labels: dict[str, Counts]

    @property
    def micro(self) -> Counts:
        """Counts over all labels; its ``f1`` is the score that counts."""
        return sum(self.labels.values(), Counts())

    @property
    def macro_f1(self) -> float:
        """Mean F1 of the labels that occur in gold or prediction."""
        present = [c.f1 for c in self.labels.values() if c.gold or c.predicted]
        return sum(present) / len(present) if present else 0.0

    def to_dict(self) -> dict[str, object]:
        """Plain numbers for JSON: micro, macro_f1 and labels, each with P, R, F1 and counts."""
        return {
            "micro": _numbers(self.micro),
            "macro_f1": round(self.macro_f1, 4),
            "labels": {label: _numbers(counts) for label, counts in self.labels.items()},
        }


def _numbers(counts: Counts) -> dict[str, float | int]:
    return {
        "precision": round(counts.precision, 4),
        "recall": round(counts.recall, 4),
        "f1": round(counts.f1, 4),
        "right": counts.right,
        "predicted": counts.predicted,
        "gold": counts.gold,
    }


def score_reports(
    pairs: Iterable[tuple[Sequence[Span], Sequence[Span]]], labels: Sequence[str] = LABELS
) -> Scores:
    """Strict scores over reports, each given as (gold spans, predicted spans)."""
    right = dict.fromkeys(labels, 0)
    predicted = dict.fromkeys(labels, 0)
    gold = dict.fromkeys(labels, 0)
    for gold_spans, predicted_spans in pairs:
        wanted = {span.key for span in gold_spans}
        found = {span.key for span in predicted_spans}
        for label in labels:
            gold[label] += sum(key[2] == label for key in wanted)
            predicted[label] += sum(key[2] == label for key in found)
            right[label] += sum(key[2] == label for key in wanted & found)
    return Scores({label: Counts(right[label], predicted[label], gold[label]) for label in labels})


def seqeval_f1(
    reports: Iterable[tuple[int, Sequence[Span], Sequence[Span]]], labels: Sequence[str] = LABELS
) -> float:
    """Micro F1 of seqeval in strict IOB2 mode over reports of (length, gold, predicted).

    Needs the ``train`` extra. It must agree with :func:`score_reports`.
    """
    try:
        from seqeval.metrics import f1_score
        from seqeval.scheme import IOB2
    except ImportError as error:
        raise ZhibiaoError("seqeval is missing: pip install 'zhibiao[train]'") from error
    tags = tags_of(labels)
    gold_tags: list[list[str]] = []
    predicted_tags: list[list[str]] = []
    for length, gold_spans, predicted_spans in reports:
        gold_tags.append([tags[tag] for tag in spans_to_tags(length, gold_spans, labels)])
        predicted_tags.append([tags[tag] for tag in spans_to_tags(length, predicted_spans, labels)])
    # Without both arguments seqeval is silently lenient.
    return float(f1_score(gold_tags, predicted_tags, mode="strict", scheme=IOB2, zero_division=0))
