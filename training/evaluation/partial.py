"""Scores that give credit for partly right spans, by nervaluate.

The four schemas of SemEval 2013 task 9.1 (Segura-Bedmar and others, 2013; after MUC-5, Chinchor
and Sundheim 1993): ``strict`` (characters and label), ``exact`` (characters, any label),
``partial`` (overlap counts half, any label), ``type`` (overlap with the right label).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from training.evaluation.alignment import Group
from zhibiao.errors import ZhibiaoError
from zhibiao.spans import Span

__all__ = ["SCHEMAS", "partial_scores"]

SCHEMAS = {"strict": "strict", "exact": "exact", "partial": "partial", "type": "ent_type"}
"""Our names of the schemas, and nervaluate's."""

# The library wants at least one percent of the gold span covered, which is any overlap for spans
# of up to a hundred characters.
_COUNTS = ("correct", "incorrect", "partial", "missed", "spurious")


def partial_scores(groups: Iterable[Group], labels: Sequence[str]) -> dict[str, Any]:
    """For each schema: micro precision, recall, F1 and counts, and ``labels`` with the same.

    Scores of one label see only the spans of that label on both sides, so in ``exact`` and
    ``partial`` they differ from the micro ones, where labels do not matter.

    Raises:
        ZhibiaoError: nervaluate is not installed.
    """
    try:
        from nervaluate import Evaluator
    except ImportError as error:
        raise ZhibiaoError("nervaluate is missing: pip install 'zhibiao[train]'") from error
    gold: list[list[dict[str, Any]]] = [[]]
    predicted: list[list[dict[str, Any]]] = [[]]
    # Spans of different groups do not overlap, so a group can stand for a document: the library
    # compares all spans of a document with one another.
    for group in groups:
        gold.append([_entity(span) for span in group.gold])
        predicted.append([_entity(span) for span in group.predicted])
    found = Evaluator(gold, predicted, tags=list(labels), loader="dict").evaluate()
    return {
        name: _numbers(found["overall"][theirs])
        | {
            "labels": {
                label: _numbers(found["entities"][label][theirs])
                for label in labels
                if label in found["entities"]
            }
        }
        for name, theirs in SCHEMAS.items()
    }


def _entity(span: Span) -> dict[str, Any]:
    return {"label": span.label, "start": span.start, "end": span.end - 1}  # their end is inside


def _numbers(result: Any) -> dict[str, Any]:
    scores = {name: round(float(getattr(result, name)), 4) for name in ("precision", "recall")}
    scores["f1"] = round(float(result.f1), 4)
    return scores | {name: int(getattr(result, name)) for name in _COUNTS}
