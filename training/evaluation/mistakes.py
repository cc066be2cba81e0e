"""Every error of a model, one by one, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from training.evaluation.alignment import Group, align
from training.evaluation.outcome import Outcome

__all__ = ["Mistake", "find_mistakes"]


@dataclass(frozen=True, slots=True)
class Mistake:
    """A group of gold and predicted spans that is not right, in its report.

    ``confidence`` is how sure the model was of its wrong answer: the highest score among the
    predicted spans that are wrong, or for a missed span 1 minus the probability that the model
    gave it. ``probabilities`` are what the model gave the gold spans.
    """

    outcome: Outcome
    group: Group
    confidence: float
    probabilities: tuple[float, ...]

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
                    "probability": round(probability, 4),
                }
                for span, probability in zip(group.gold, self.probabilities, strict=True)
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
    return [mistake for outcome in outcomes for mistake in _mistakes(outcome)]


def _mistakes(outcome: Outcome) -> Iterator[Mistake]:
    scores = outcome.decoder.scores(outcome.log_probabilities, outcome.gold).tolist()
    given = dict(zip(outcome.gold, scores, strict=True))
    for group in align(outcome.gold, outcome.predicted):
        if group.kind != "right":
            probabilities = tuple(given[span] for span in group.gold)
            yield Mistake(outcome, group, _confidence(group, probabilities), probabilities)


def _confidence(group: Group, probabilities: tuple[float, ...]) -> float:
    if group.predicted:
        wanted = {span.key for span in group.gold}
        return max(span.score for span in group.predicted if span.key not in wanted)
    return 1.0 - max(probabilities)
