"""From the features of a signal to the probability that it is right.

The weights are logistic regressions, fitted by :mod:`annotation.audit.calibration` on slips made
at random in two of a hundred spans of data:train and data:validation (the model's opinion on
data:validation alone). So a probability holds for annotations of about that quality; in better
ones it is too high, and the order is what counts. Set by hand: ``leak`` and ``copy``, whose
similarity is exact, and exact rules that no slip has tested.
"""

from __future__ import annotations

from math import exp

__all__ = ["WEIGHTS", "probability"]

_RULE = 2.2  # nine times of ten, for exact rules that no slip has tested

# Intercept, then one weight a feature, in the order of the signal's features.
WEIGHTS: dict[str, tuple[float, ...]] = {
    "ending": (-4.74, 1.7, -1.42, 2.83),
    "label": (-3.92, 3.7, -2.11, 1.05),
    "merged": (-3.66, 0.91, 1.02, 0.02),
    "missed-counted": (-2.47, 0.36, -0.03, 0.51, -0.71),
    "missed-indicator": (-7.23, 1.03, 0.14, 0.51, -0.5),
    "missed-name": (-3.07, 0.32, -0.13, 1.85, 0.86),
    "missed-year": (-4.22, 1.91, -0.68, 1.19, -0.4),
    "model-border": (-3.1, 0.14, 1.56),
    "model-label": (0.04, 0.06, 1.86),
    "model-missed": (-1.5, 0.08, 2.53),
    "model-stray": (-6.33, 0.15, -0.0),
    "narrow-left": (-4.06, 1.0, -0.38, 0.97, -0.6),
    "narrow-right": (-3.9, 1.21, -0.76, 0.85, 0.37),
    "number": (-5.76, 1.15, 1.26, 1.22, -0.12),
    "parts": (-1.89, 1.31, -0.53, -0.21),
    "rule-brackets": (3.3,),
    "rule-hedge": (2.83,),
    "rule-lone-unit": (4.35,),
    "rule-long-year": (2.4,),
    "rule-magnitude-outside": (2.94,),
    "rule-no-number": (2.71,),
    "rule-punctuation": (5.41,),
    "rule-short-year": (2.94,),
    "stray-indicator": (-2.95, 1.48, -0.64, -0.74),
    "stray-name": (0.03, 0.98, -0.65, -1.57),
    "stray-year": (-1.04, 0.0, 0.0, 0.0),
    "unit": (6.34, 0.0, 0.0),
    "unseen-unit": (-4.5, 0.43, 1.78),
    "unseen-year": (2.47, 0.67, -3.02),
    "whole": (-2.63, 1.8, -0.72, -0.34),
    "wide-left": (-3.11, 1.07, -0.35, 0.33, -0.72),
    "wide-right": (-2.29, 2.87, -1.7, -0.12, -0.66),
    "leak": (20.0, 0.0),
    "copy": (-3.0, 7.0),
}


def probability(name: str, features: tuple[float, ...]) -> float:
    """The probability that a signal of this name and these features is a mistake: logistic."""
    bias, *weights = WEIGHTS.get(name, (_RULE,) if name.startswith("rule-") else ())
    total = bias + sum(w * value for w, value in zip(weights, features, strict=True))
    return 1.0 / (1.0 + exp(-total))
