"""Scores of parts of the reports: by genre and by length."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from training.evaluation.intervals import count_reports, intervals
from training.evaluation.outcome import Outcome
from zhibiao.metrics import score_reports

__all__ = ["NO_GENRE", "by_genre", "by_length"]

NO_GENRE = "-"
"""The genre of reports that name none."""


def by_genre(outcomes: Sequence[Outcome], resamples: int, seed: int) -> list[dict[str, Any]]:
    """One entry a value of ``meta["genre"]``, the genre with most gold spans first.

    Keys: ``name``, ``reports``, ``characters``, those of :meth:`zhibiao.metrics.Scores.to_dict`,
    ``micro_f1_interval`` and ``trusted`` (see :mod:`training.evaluation.intervals`).
    """
    parts: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        parts.setdefault(str(outcome.report.meta.get("genre") or NO_GENRE), []).append(outcome)
    rows = [{"name": name} | _scores(part, resamples, seed) for name, part in parts.items()]
    return sorted(rows, key=lambda row: (-row["micro"]["gold"], row["name"]))


def by_length(outcomes: Sequence[Outcome], resamples: int, seed: int) -> list[dict[str, Any]]:
    """The shortest, middle and longest third of the reports, as :func:`by_genre` has them.

    ``from`` and ``to`` are the lengths in characters of the shortest and longest report of the
    third. Fewer than three reports give fewer parts.
    """
    ordered = sorted(outcomes, key=lambda outcome: len(outcome.report.text))
    cuts = np.linspace(0, len(ordered), 4).round().astype(int).tolist()
    rows = []
    for low, high in pairwise(cuts):
        part = ordered[low:high]
        if not part:
            continue
        first, last = len(part[0].report.text), len(part[-1].report.text)
        bounds = {"name": f"{first}-{last}", "from": first, "to": last}
        rows.append(bounds | _scores(part, resamples, seed))
    return rows


def _scores(outcomes: Sequence[Outcome], resamples: int, seed: int) -> dict[str, Any]:
    labels = outcomes[0].labels
    pairs = [(outcome.gold, outcome.predicted) for outcome in outcomes]
    found = intervals(count_reports(pairs, labels), labels, resamples, seed)
    return {
        "reports": len(outcomes),
        "characters": sum(len(outcome.report.text) for outcome in outcomes),
        "micro_f1_interval": found["micro"]["f1"],
        "trusted": found["trusted"],
        **score_reports(pairs, labels).to_dict(),
    }
