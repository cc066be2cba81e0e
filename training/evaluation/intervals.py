"""How far scores would move with other reports: bootstrap confidence intervals.

Percentile bootstrap (Efron 1979; Efron and Tibshirani 1993, chapter 13), in language processing
as by Berg-Kirkpatrick, Burkett and Klein (2012). The unit that is drawn is the report: spans of
one report share its writer, topic and typing errors, so drawing spans would give intervals that
are too narrow. Scores are sums over reports, so resamples are sums of counts, with weights. With
fewer than about ten reports the interval is not to be trusted: the resamples cannot contain what
the few reports lack.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from zhibiao.metrics import score_reports
from zhibiao.spans import Span

__all__ = ["FEW_REPORTS", "count_reports", "intervals", "resampled_scores"]

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

FEW_REPORTS = 10
"""Below so many reports an interval says little."""

_LEVEL = 0.95
_CELLS = 4_000_000  # weights in memory at once


def count_reports(
    pairs: Sequence[tuple[Sequence[Span], Sequence[Span]]], labels: Sequence[str]
) -> Integers:
    """Right, predicted and gold spans of every report given as (gold, predicted).

    Shape (reports, labels, 3).
    """
    counts = np.zeros((len(pairs), len(labels), 3), dtype=np.int64)
    for number, pair in enumerate(pairs):
        scores = score_reports([pair], labels)
        counts[number] = [(c.right, c.predicted, c.gold) for c in scores.labels.values()]
    return counts


def resampled_scores(counts: Integers, resamples: int, seed: int) -> dict[str, Floats]:
    """Scores of resamples of the reports, each of as many reports drawn with replacement.

    ``counts`` is (reports, labels, 3). Gives ``micro`` (resamples, 3), ``labels``
    (resamples, labels, 3), the last axis precision, recall and F1, and ``macro_f1``
    (resamples,). A label's score is NaN in resamples without the label in gold and prediction,
    which the macro mean leaves out too, as :class:`zhibiao.metrics.Scores` does. The same seed
    draws the same reports, whatever is counted.
    """
    parts = list(_sums(counts, resamples, seed))
    sums = np.concatenate(parts) if parts else np.zeros((0, *counts.shape[1:]))
    micro = _figures(sums.sum(axis=1))
    labels = _figures(sums)
    present = (sums[:, :, 1:].sum(axis=2) > 0).sum(axis=1)
    total = np.where(np.isnan(labels[:, :, 2]), 0.0, labels[:, :, 2]).sum(axis=1)
    macro = np.divide(total, present, out=np.zeros_like(total), where=present > 0)
    return {"micro": micro, "labels": labels, "macro_f1": macro}


def _sums(counts: Integers, resamples: int, seed: int) -> Iterator[Floats]:
    """Counts added up over each resample, shape (some resamples, labels, 3)."""
    reports = len(counts)
    flat = counts.reshape(reports, -1).astype(np.float64)
    generator = np.random.default_rng(seed)
    step = max(1, _CELLS // reports)
    for done in range(0, resamples, step):
        size = min(step, resamples - done)
        weights = generator.multinomial(reports, np.full(reports, 1 / reports), size=size)
        yield (weights @ flat).reshape(size, *counts.shape[1:])


def _figures(sums: Floats) -> Floats:
    """Precision, recall and F1 of (..., 3) counts; NaN where neither gold nor prediction is."""
    right, predicted, gold = sums[..., 0], sums[..., 1], sums[..., 2]
    result = np.zeros(sums.shape)
    for place, total in enumerate((predicted, gold, (predicted + gold) / 2)):
        np.divide(right, total, out=result[..., place], where=total > 0)
    result[predicted + gold == 0] = np.nan
    return result


def intervals(counts: Integers, labels: Sequence[str], resamples: int, seed: int) -> dict[str, Any]:
    """95% intervals of all scores of (reports, labels, 3) counts, as plain data.

    Keys: ``level``, ``resamples``, ``seed``, ``reports``, ``trusted`` (false below
    :data:`FEW_REPORTS` reports), ``micro`` with ``precision``, ``recall`` and ``f1`` as
    ``[low, high]``, ``macro_f1``, and ``labels`` like ``micro``, each with ``reports``, how many
    have the label, and ``trusted``. An interval is None where there is nothing to score.
    """
    scores = resampled_scores(counts, resamples, seed)
    reports = len(counts)
    return {
        "level": _LEVEL,
        "resamples": resamples,
        "seed": seed,
        "reports": reports,
        "trusted": reports >= FEW_REPORTS,
        "micro": _three(scores["micro"]),
        "macro_f1": _interval(scores["macro_f1"]),
        "labels": {
            label: _three(scores["labels"][:, number]) | _support(counts[:, number])
            for number, label in enumerate(labels)
        },
    }


def _support(counts: Integers) -> dict[str, Any]:
    reports = int((counts[:, 1:].sum(axis=1) > 0).sum())
    return {"reports": reports, "trusted": reports >= FEW_REPORTS}


def _three(values: Floats) -> dict[str, Any]:
    return {
        name: _interval(values[:, place])
        for place, name in enumerate(("precision", "recall", "f1"))
    }


def _interval(values: Floats) -> list[float] | None:
    known = values[~np.isnan(values)]
    if not len(known):
        return None
    tail = (1 - _LEVEL) / 2
    return [round(float(value), 4) for value in np.quantile(known, (tail, 1 - tail))]
