"""Every error of a model, one by one, for people and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from training.evaluation.alignment import Group, align
from training.evaluation.outcome import Outcome, span_probability

__all__ = ["Mistake", "find_mistakes"]


@dataclass(frozen=True, slots=True)
class Mistake:
    """A group of gold and predicted spans that is not right, in its report.

    ``confidence`` is how sure the model was of its wrong answer: the highest score among the
    predicted spans that are wrong, or for a missed span 1 minus the probability that the model
    gave it.
    """

    outcome: Outcome
    group: Group
    confidence: float

    def to_dict(self) -> dict[str, Any]:
        """Keys: report, genre, start, end, kind, shape, labels, confidence, gold, predicted.

        Gold spans have ``probability``, what the model gave them; predicted ones their ``score``.
        """
        report, group = self.outcome.report, self.group
        return {
            "report": report.id,
            "genre": str(report.meta.get("genre") or ""),
            "start": group.start,
            "end": group.end,
            "kind": group.kind,
            "shape": group.shape,
            "labels": list(group.labels),
            "confidence": round(self.confidence, 4),
            "gold": [
                {
                    "start": span.start,
                    "end": span.end,
                    "label": span.label,
                    "text": report.text[span.start : span.end],
                    "probability": round(span_probability(self.outcome, span), 4),
                }
                for span in group.gold
            ],
            "predicted": [
                {
                    "start": span.start,
                    "end": span.end,
                    "label": span.label,
                    "text": report.text[span.start : span.end],
                    "score": round(span.score, 4),
                }
                for span in group.predicted
            ],
        }


def find_mistakes(outcomes: Sequence[Outcome]) -> list[Mistake]:
    """The errors of all reports, in the order of reports and text."""
    return [
        Mistake(outcome, group, _confidence(outcome, group))
        for outcome in outcomes
        for group in align(outcome.gold, outcome.predicted)
        if group.kind != "right"
    ]


def _confidence(outcome: Outcome, group: Group) -> float:
    if group.predicted:
        wanted = {span.key for span in group.gold}
        return max(span.score for span in group.predicted if span.key not in wanted)
    return 1.0 - max(span_probability(outcome, span) for span in group.gold)
