"""Means and intervals for the scores of several runs.

Student's t for the mean of independent runs; for k-fold, whose training sets overlap, the
variance of Nadeau and Bengio (Inference for the generalization error, Machine Learning 2003);
percentile bootstrap over whole reports (Efron 1979; for paired systems Koehn 2004).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import stats

__all__ = ["bootstrap_difference", "bootstrap_f1", "describe", "mean_interval"]

Counts = npt.NDArray[np.int64]  # right, predicted and gold of each report, shape (reports, 3)
Interval = tuple[float, float]


def mean_interval(
    values: Sequence[float], *, level: float = 0.95, test_ratio: float = 0.0
) -> Interval | None:
    """The t interval of the mean; None for fewer than two values, whose spread is unknown.

    ``test_ratio`` is test size over training size where training sets overlap, as in k-fold
    (1 / (k - 1)); it widens the interval by Nadeau and Bengio's correction.
    """
    count = len(values)
    if count < 2:
        return None
    deviation = float(np.std(values, ddof=1))
    half = float(stats.t.ppf((1 + level) / 2, count - 1)) * deviation
    half *= float(np.sqrt(1 / count + test_ratio))
    mean = float(np.mean(values))
    return mean - half, mean + half


def describe(values: Sequence[float], *, test_ratio: float = 0.0) -> dict[str, float | int | None]:
    """Runs, mean, sd (n - 1), min, max and 95% interval (low, high) of the mean, for JSON."""
    interval = mean_interval(values, test_ratio=test_ratio)
    return {
        "runs": len(values),
        "mean": round(float(np.mean(values)), 4),
        "sd": round(float(np.std(values, ddof=1)), 4) if len(values) > 1 else None,
        "min": round(min(values), 4),
        "max": round(max(values), 4),
        "low": round(interval[0], 4) if interval else None,
        "high": round(interval[1], 4) if interval else None,
    }


def bootstrap_f1(
    counts: Counts, *, rounds: int = 2000, seed: int = 0, level: float = 0.95
) -> Interval:
    """Interval of micro F1 under resampling of reports."""
    return _percentiles(_f1(_resampled(counts, rounds, seed)), level)


def bootstrap_difference(
    first: Counts, second: Counts, *, rounds: int = 2000, seed: int = 0, level: float = 0.95
) -> Interval:
    """Interval of F1(second) - F1(first); row i of both is the same report.

    Raises:
        ValueError: the two have different numbers of reports.
    """
    if first.shape != second.shape:
        raise ValueError(f"{len(first)} and {len(second)} reports cannot be paired")
    # The same seed draws the same reports for both.
    difference = _f1(_resampled(second, rounds, seed)) - _f1(_resampled(first, rounds, seed))
    return _percentiles(difference, level)


def _resampled(counts: Counts, rounds: int, seed: int) -> Counts:
    """Summed counts of each resample, shape (rounds, 3)."""
    weights = np.random.default_rng(seed).multinomial(
        len(counts), np.full(len(counts), 1 / len(counts)), size=rounds
    )
    return np.asarray(weights @ counts)


def _f1(sums: Counts) -> npt.NDArray[np.float64]:
    total = sums[:, 1] + sums[:, 2]
    values = np.divide(2.0 * sums[:, 0], total, out=np.zeros(len(sums)), where=total > 0)
    return np.asarray(values)


def _percentiles(values: npt.NDArray[np.float64], level: float) -> Interval:
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
