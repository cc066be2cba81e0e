"""Least scores a label's spans must have for a wanted precision, and what recall remains."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from training.evaluation.outcome import Outcome
from zhibiao.errors import ZhibiaoError

__all__ = ["FEW_SPANS", "label_thresholds"]

FEW_SPANS = 50
"""With fewer candidate spans than this a threshold is little more than a guess."""

_NORMAL = 1.959964  # two-sided 95%


def label_thresholds(outcomes: Sequence[Outcome], wanted: float) -> dict[str, dict[str, Any]]:
    """For each label the lowest threshold at which precision is at least ``wanted``.

    Spans with equal scores stay or go together. The threshold lies halfway between the lowest
    score kept and the next one, so that a last digit that differs on another machine changes
    nothing; it is 0 when nothing has to go, and None when no threshold reaches ``wanted``.

    Keys of a label: ``threshold``; ``candidates`` and ``gold``, how many spans there are without
    it; ``precision`` and ``recall`` with it and ``precision_before`` and ``recall_before``;
    ``precision_low``, the lower end of the 95% interval of the precision (Wilson 1927, spans
    taken as independent); ``few``, whether there are fewer than :data:`FEW_SPANS` candidates.
    A threshold chosen and measured on the same reports looks a little better than it is.

    Raises:
        ZhibiaoError: ``wanted`` is not above 0 and at most 1.
    """
    if not 0 < wanted <= 1:
        raise ZhibiaoError(f"wanted precision {wanted}: give one above 0 and at most 1")
    scored: dict[str, list[tuple[float, bool]]] = {label: [] for label in outcomes[0].labels}
    gold = dict.fromkeys(scored, 0)
    for outcome in outcomes:
        keys = {span.key for span in outcome.gold}
        for span in outcome.gold:
            gold[span.label] += 1
        for span in outcome.candidates:
            scored[span.label].append((span.score, span.key in keys))
    return {label: _threshold(spans, gold[label], wanted) for label, spans in scored.items()}


def _threshold(spans: list[tuple[float, bool]], gold: int, wanted: float) -> dict[str, Any]:
    ordered = sorted(spans, reverse=True)
    right = best = best_right = 0
    for count, (score, is_right) in enumerate(ordered, start=1):
        right += is_right
        last_of_equals = count == len(ordered) or ordered[count][0] < score
        if last_of_equals and right >= wanted * count:
            best, best_right = count, right
    if best == len(ordered):
        threshold: float | None = 0.0
    elif best:
        threshold = (ordered[best - 1][0] + ordered[best][0]) / 2
    else:
        threshold = None
    return {
        "threshold": threshold,
        "candidates": len(ordered),
        "gold": gold,
        "precision": _share(best_right, best),
        "precision_low": round(_wilson_low(best_right, best), 4),
        "recall": _share(best_right, gold),
        "precision_before": _share(right, len(ordered)),
        "recall_before": _share(right, gold),
        "few": len(ordered) < FEW_SPANS,
    }


def _share(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0


def _wilson_low(right: int, count: int) -> float:
    if not count:
        return 0.0
    share = right / count
    square = _NORMAL * _NORMAL
    spread = _NORMAL * math.sqrt(share * (1 - share) / count + square / (4 * count**2))
    return max(0.0, (share + square / (2 * count) - spread) / (1 + square / count))
