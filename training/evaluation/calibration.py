"""Are the model's probabilities true? Temperature and expected calibration error.

Guo, Pleiss, Sun and Weinberger (2017): a network's logits are divided by one temperature, found
on validation data by the least negative log-likelihood; the expected calibration error is the
mean distance of confidence and accuracy over bins of confidence, weighted by how many fall in.

The temperature that is best for characters need not be best for spans: a span's score multiplies
its characters' probabilities as if they were independent, which they are not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from training.evaluation.outcome import Outcome, retempered
from zhibiao.decoding import log_softmax
from zhibiao.errors import ZhibiaoError
from zhibiao.tagging import spans_to_tags

__all__ = ["BINS", "TARGETS", "calibration", "expected_calibration_error", "fit_temperature"]

TARGETS = ("spans", "characters")
"""What a temperature can be fitted on: scores of found spans, or tags of all characters."""

BINS = 15
"""Bins of equal width between 0 and 1, as in the paper."""

_RANGE = (0.05, 20.0)  # temperatures that are tried, times the present one

_NO_OPTIMUM = (
    f"no temperature between {_RANGE[0]} and {_RANGE[1]} times the present one is best: the model "
    "is (almost) never wrong on these reports, or always; fit it on other reports"
)

Floats = npt.NDArray[np.floating]
Truths = npt.NDArray[np.bool_]
_Loss = tuple[Truths, Callable[[float], float]]  # what was right, and the loss of a factor


def fit_temperature(outcomes: Sequence[Outcome], target: str = "spans") -> float:
    """By what the model's temperature should be multiplied so that its probabilities are true.

    The factor with the least negative log-likelihood, found by scipy's bounded Brent search over
    its logarithm between 1/20 and 20. ``target`` is one of :data:`TARGETS`: ``characters`` takes
    the gold tags of all characters (as the paper does for its classes), ``spans`` whether each
    span that the model finds is right (the spans of the present temperature).

    Raises:
        ZhibiaoError: the reports have no gold spans, or no factor within the range is best.
        ValueError: no such target.
    """
    if target not in TARGETS:
        raise ValueError(f"target {target!r}: use one of {', '.join(TARGETS)}")
    from scipy.optimize import minimize_scalar

    if not any(outcome.gold for outcome in outcomes):
        raise ZhibiaoError("no gold spans to fit a temperature on; give labelled reports")
    if target == "spans" and not any(outcome.candidates for outcome in outcomes):
        raise ZhibiaoError("the model finds no spans, so there are no scores to calibrate")
    right, loss = _character_loss(outcomes) if target == "characters" else _span_loss(outcomes)
    # Then the loss only falls towards an end of the range, or is flat before it.
    if right.all() or not right.any():
        raise ZhibiaoError(_NO_OPTIMUM)

    def cost(logarithm: float) -> float:
        return loss(math.exp(logarithm))

    low, high = map(math.log, _RANGE)
    found = minimize_scalar(cost, bounds=(low, high), method="bounded", options={"xatol": 1e-4})
    if min(found.x - low, high - found.x) < 0.01:
        raise ZhibiaoError(_NO_OPTIMUM)
    return math.exp(found.x)


def _character_loss(outcomes: Sequence[Outcome]) -> _Loss:
    rows = np.concatenate([outcome.log_probabilities for outcome in outcomes])
    gold = np.concatenate([_gold_tags(outcome) for outcome in outcomes])

    def loss(factor: float) -> float:
        return _negative_log_likelihood(np.asarray(rows / factor, np.float32), gold)

    return rows.argmax(axis=1) == gold, loss


def _span_loss(outcomes: Sequence[Outcome]) -> _Loss:
    wanted = [{span.key for span in outcome.gold} for outcome in outcomes]
    right = np.array(
        [s.key in keys for o, keys in zip(outcomes, wanted, strict=True) for s in o.candidates]
    )

    def loss(factor: float) -> float:
        scores = [s.score for o in outcomes for s in retempered(o, factor).candidates]
        # A score of exactly 0 or 1 that is wrong would cost infinitely much.
        sure = np.clip(scores, 1e-6, 1 - 1e-6)
        return -float(np.log(np.where(right, sure, 1 - sure)).mean())

    return right, loss


def calibration(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Negative log-likelihood and calibration of character tags and of spans, as plain data.

    Keys: ``negative_log_likelihood`` (nats a character), ``characters`` and ``spans``, each as
    :func:`expected_calibration_error` gives it. A character's confidence is the probability of
    its likeliest tag; a span's is its score, and it is right when a gold span is the same.
    Spans below a label's threshold count too: the threshold was chosen by these scores.
    """
    gold = np.concatenate([_gold_tags(outcome) for outcome in outcomes])
    rows = np.concatenate([outcome.log_probabilities for outcome in outcomes])
    confidence = np.exp(rows.max(axis=1))
    scores: list[float] = []
    right: list[bool] = []
    for outcome in outcomes:
        wanted = {span.key for span in outcome.gold}
        scores.extend(span.score for span in outcome.candidates)
        right.extend(span.key in wanted for span in outcome.candidates)
    return {
        "negative_log_likelihood": round(_negative_log_likelihood(rows, gold), 6),
        "characters": expected_calibration_error(confidence, rows.argmax(axis=1) == gold),
        "spans": expected_calibration_error(np.array(scores), np.array(right, dtype=np.bool_)),
    }


def expected_calibration_error(confidence: Floats, right: Truths) -> dict[str, Any]:
    """Expected calibration error over :data:`BINS` equal bins, as plain data.

    Keys: ``error``, ``count``, ``confidence`` and ``accuracy`` (means over all), and ``bins``
    that are not empty with ``low``, ``high``, ``count`` and the bin's two means. A confidence on
    the border of two bins is in the lower one, as in the paper.
    """
    count = len(confidence)
    place = np.clip(np.ceil(np.asarray(confidence, dtype=np.float64) * BINS) - 1, 0, BINS - 1)
    bins = []
    error = 0.0
    for number in range(BINS):
        chosen = place == number
        size = int(chosen.sum())
        if not size:
            continue
        mean = float(confidence[chosen].mean(dtype=np.float64))
        accuracy = float(right[chosen].mean())
        error += size / count * abs(mean - accuracy)
        bins.append(
            {
                "low": round(number / BINS, 4),
                "high": round((number + 1) / BINS, 4),
                "count": size,
                "confidence": round(mean, 4),
                "accuracy": round(accuracy, 4),
            }
        )
    return {
        "error": round(error, 5),
        "count": count,
        "confidence": round(float(confidence.mean(dtype=np.float64)), 4) if count else 0.0,
        "accuracy": round(float(right.mean()), 4) if count else 0.0,
        "bins": bins,
    }


def _gold_tags(outcome: Outcome) -> npt.NDArray[np.int64]:
    return spans_to_tags(len(outcome.report.text), outcome.gold, outcome.labels)


def _negative_log_likelihood(logits: npt.NDArray[np.float32], gold: npt.NDArray[np.int64]) -> float:
    if not len(gold):
        return 0.0
    chosen = np.take_along_axis(log_softmax(logits), gold[:, None], axis=1)
    return -float(chosen.mean(dtype=np.float64))
