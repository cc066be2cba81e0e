"""A power law through a learning curve, and how far it can be believed.

F1 grows as ``a - b * n ** -c`` with the number n of training reports: a is where it levels off,
c how soon. Inverse power laws for learning curves: Cortes et al. 1994 (Learning curves:
asymptotic values and rate of convergence), Figueroa et al. 2012 (Predicting sample size required
for classification performance), Hestness et al. 2017 (Deep learning scaling is predictable,
empirically).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import curve_fit

__all__ = ["Forecast", "PowerLaw", "fit_power_law", "forecast"]

Floats = npt.NDArray[np.float64]

_C_LOW, _C_HIGH = 0.02, 3.0
_MISFIT = 0.02  # how far a size's mean may lie from the curve
_BAND = 0.1  # how wide a useful band may be
_REACH = 2.0  # how many times the largest size may be forecast


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """``f1(n) = a - b * n ** -c``, n in reports."""

    a: float
    b: float
    c: float

    def __call__(self, reports: npt.ArrayLike) -> Floats:
        """F1 at each number of reports; never below 0."""
        values = self.a - self.b * np.asarray(reports, dtype=float) ** -self.c
        return np.asarray(np.maximum(values, 0.0))


@dataclass(frozen=True)
class Forecast:
    """The curve, what it says, and ``reasons`` not to believe it (none: trusted).

    ``grid`` and ``points`` are rows of reports, f1, low, high (95%); points also have more,
    gain, gain_low and gain_high over the largest size.
    """

    curve: PowerLaw
    r2: float
    points: list[dict[str, float]]
    grid: list[dict[str, float]]
    reasons: list[str] = field(default_factory=list)

    @property
    def trusted(self) -> bool:
        """Whether nothing speaks against the forecast."""
        return not self.reasons

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        law = self.curve
        return {
            "trusted": self.trusted,
            "reasons": self.reasons,
            "curve": {"a": round(law.a, 5), "b": round(law.b, 5), "c": round(law.c, 5)},
            "r2": round(self.r2, 4),
            "points": [_rounded(row) for row in self.points],
            "grid": [_rounded(row) for row in self.grid],
        }


def _rounded(row: dict[str, float]) -> dict[str, float]:
    return {key: round(value, 4) for key, value in row.items()}


def fit_power_law(sizes: Sequence[int], scores: Sequence[float]) -> PowerLaw:
    """Least-squares fit over runs; a in [0, 1], b at least 0, c in [0.02, 3].

    Raises:
        ValueError: fewer than three different sizes, or no fit was found.
    """
    x = np.asarray(sizes, dtype=float)
    y = np.asarray(scores, dtype=float)
    if len(set(sizes)) < 3:
        raise ValueError(f"{len(set(sizes))} different sizes are too few for three parameters")
    # In units of a middle size b is the distance from the plateau there, and well scaled.
    unit = float(np.exp(np.log(x).mean()))
    best: tuple[float, Floats] | None = None
    for rate in (0.2, 0.7, 1.5):
        start = [min(1.0, float(y.max()) + 0.02), max(float(np.ptp(y)), 0.01), rate]
        try:
            found, _ = curve_fit(
                _law,
                x / unit,
                y,
                start,
                bounds=([0, 0, _C_LOW], [1, 10, _C_HIGH]),
                jac=_slopes,
                max_nfev=400,
            )
        except RuntimeError:  # no convergence from here
            continue
        error = float(((_law(x / unit, *found) - y) ** 2).sum())
        if best is None or error < best[0]:
            best = error, found
    if best is None:
        raise ValueError("no power law could be fitted")
    a, b, c = (float(value) for value in best[1])
    return PowerLaw(a, b * unit**c, c)


def _law(n: Floats, a: float, b: float, c: float) -> Floats:
    return np.asarray(a - b * n**-c)


def _slopes(n: Floats, a: float, b: float, c: float) -> Floats:
    return np.stack([np.ones_like(n), -(n**-c), b * n**-c * np.log(n)], axis=1)


def forecast(
    sizes: Sequence[int],
    scores: Sequence[float],
    more: Sequence[int],
    *,
    rounds: int = 500,
    seed: int = 0,
) -> Forecast:
    """Fit the curve, and again on ``rounds`` resamples of the runs for 95% bands.

    ``sizes[i]`` and ``scores[i]`` belong to run i; ``more`` counts reports beyond the largest.

    Raises:
        ValueError: fewer than three different sizes, or no fit was found.
    """
    curve = fit_power_law(sizes, scores)
    x, y = np.asarray(sizes), np.asarray(scores, dtype=float)
    largest = int(x.max())
    targets = np.array([largest, *(largest + extra for extra in more)], dtype=float)
    grid = np.geomspace(x.min(), max(targets), 40)
    draws, failed = _bootstrap(x, y, np.concatenate((targets, grid)), rounds, seed)
    # The band goes around the fit itself, whose own value a percentile may otherwise miss.
    low, high = np.quantile(draws, [0.025, 0.975], axis=0)
    fitted = curve(np.concatenate((targets, grid)))
    low, high = np.minimum(low, fitted), np.maximum(high, fitted)
    gains = draws[:, 1 : len(targets)] - draws[:, :1]
    points = []
    for place, extra in enumerate(more, start=1):
        gain = float(fitted[place] - fitted[0])
        gain_low, gain_high = np.quantile(gains[:, place - 1], [0.025, 0.975])
        points.append(
            {
                "more": float(extra),
                "reports": float(targets[place]),
                "f1": float(fitted[place]),
                "low": float(low[place]),
                "high": float(high[place]),
                "gain": gain,
                "gain_low": min(float(gain_low), gain),
                "gain_high": max(float(gain_high), gain),
            }
        )
    first = len(targets)
    rows = [
        {"reports": float(n), "f1": float(f), "low": float(lo), "high": float(hi)}
        for n, f, lo, hi in zip(grid, fitted[first:], low[first:], high[first:], strict=True)
    ]
    residual = float(((curve(x) - y) ** 2).sum())
    total = float(((y - y.mean()) ** 2).sum())
    r2 = 1 - residual / total if total else 0.0
    reasons = _reasons(x, y, curve, r2, points, failed / rounds)
    return Forecast(curve, r2, points, rows, reasons)


def _bootstrap(
    x: npt.NDArray[np.int64], y: Floats, at: Floats, rounds: int, seed: int
) -> tuple[Floats, int]:
    """Curves of resampled runs at ``at``, shape (fits, len(at)), and how many had none."""
    rng = np.random.default_rng(seed)
    draws = []
    for _ in range(rounds):
        chosen = rng.integers(0, len(x), len(x))
        try:
            draws.append(fit_power_law(x[chosen].tolist(), y[chosen].tolist())(at))
        except ValueError:
            continue
    if not draws:
        raise ValueError("no resample of the runs could be fitted; add runs and sizes")
    return np.array(draws), rounds - len(draws)


def _reasons(
    x: npt.NDArray[np.int64],
    y: Floats,
    curve: PowerLaw,
    r2: float,
    points: list[dict[str, float]],
    failed: float,
) -> list[str]:
    runs = Counter(x.tolist())
    means = {size: float(y[x == size].mean()) for size in runs}
    misfit = max(abs(mean - float(curve(size))) for size, mean in means.items())
    reasons = []
    if len(runs) < 5:
        reasons.append(f"only {len(runs)} sizes; measure at 5 or more")
    if min(runs.values()) < 2:
        reasons.append("a size with one run only; use two seeds or more")
    if r2 < 0.8 or misfit > _MISFIT:
        reasons.append(f"the curve fits badly (R2 {r2:.2f}, a mean is {misfit:.3f} off)")
    if curve.a > 0.9999 or not _C_LOW * 1.01 < curve.c < _C_HIGH * 0.99:
        reasons.append(
            f"the sizes do not show where the curve levels off "
            f"(a {curve.a:.3f}, c {curve.c:.2f} is at a bound)"
        )
    if failed > 0.1:
        reasons.append(f"{failed:.0%} of the resamples could not be fitted")
    for point in points:
        if point["high"] - point["low"] > _BAND:
            reasons.append(
                f"the band at {point['reports']:.0f} reports is "
                f"{point['high'] - point['low']:.2f} wide"
            )
        if point["reports"] > _REACH * x.max():
            reasons.append(f"{point['reports']:.0f} reports are more than twice what was measured")
    return reasons
