"""Is one model better than another, or did it only meet kinder reports?

Paired bootstrap by report (Berg-Kirkpatrick, Burkett and Klein 2012): both models are scored on
the same resamples of the same reports, so what makes a report hard for both cancels out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from training.evaluation.intervals import FEW_REPORTS, count_reports, resampled_scores
from training.evaluation.outcome import Outcome
from zhibiao.errors import FormatError
from zhibiao.metrics import score_reports
from zhibiao.spans import Span

__all__ = ["compare_outcomes"]

Floats = npt.NDArray[np.float64]

_AROUND = 20  # characters of context on either side of an example
_TINY = 1e-12  # sums of floats that should be equal


def compare_outcomes(
    first: Sequence[Outcome],
    second: Sequence[Outcome],
    resamples: int = 2000,
    seed: int = 13,
    examples: int = 20,
) -> dict[str, Any]:
    """Model B (``second``) against model A (``first``) on the same reports, as plain data.

    Keys: ``reports``, ``resamples``, ``seed``, ``trusted`` (false below ten reports), and
    ``micro``, ``macro_f1`` and ``labels`` with ``a`` and ``b`` (F1), ``difference`` (B minus A),
    ``interval`` (95%, percentiles), ``share_b_better``, ``share_equal`` and ``p``.
    ``p`` is two-sided: the share of resamples whose difference is at least as far from the
    observed one as that is from nothing, with one added above and below so that it is never 0.
    A label's figures are None where no report has it.

    ``only_a`` and ``only_b`` are the gold spans that only that model got: ``count``, ``labels``
    (counts) and at most ``examples`` of ``examples`` with report, label, text and context.
    ``both`` and ``neither`` count the rest of the gold.

    Raises:
        FormatError: the outcomes are not of the same reports in the same order, or the models'
            label sets differ.
    """
    _check(first, second)
    labels = first[0].labels
    sides = [[(outcome.gold, outcome.predicted) for outcome in side] for side in (first, second)]
    scores = [score_reports(pairs, labels) for pairs in sides]
    drawn = [resampled_scores(count_reports(p, labels), resamples, seed) for p in sides]
    a, b = (
        {"micro": s.micro.f1, "macro_f1": s.macro_f1}
        | {label: c.f1 for label, c in s.labels.items()}
        for s in scores
    )
    draws_a, draws_b = (
        {"micro": d["micro"][:, 2], "macro_f1": d["macro_f1"]}
        | {label: d["labels"][:, number, 2] for number, label in enumerate(labels)}
        for d in drawn
    )
    rows = {name: _difference(a[name], b[name], draws_a[name], draws_b[name]) for name in a}
    return {
        "reports": len(first),
        "resamples": resamples,
        "seed": seed,
        "trusted": len(first) >= FEW_REPORTS,
        "micro": rows["micro"],
        "macro_f1": rows["macro_f1"],
        "labels": {label: rows[label] for label in labels},
        **_spans(first, second, examples),
    }


def _check(first: Sequence[Outcome], second: Sequence[Outcome]) -> None:
    if [o.report for o in first] != [o.report for o in second] or not first:
        raise FormatError("two models can only be compared on the same reports; give both the same")
    if first[0].labels != second[0].labels:
        raise FormatError(
            f"the models' labels differ: {'、'.join(first[0].labels)} and "
            f"{'、'.join(second[0].labels)}; compare models of one label set"
        )


def _difference(a: float, b: float, draws_a: Floats, draws_b: Floats) -> dict[str, Any]:
    # A label in neither gold nor prediction of a resample, for one of the models: F1 0 for the
    # other, or none for both.
    missing = np.isnan(draws_a) & np.isnan(draws_b)
    differences = (np.nan_to_num(draws_b) - np.nan_to_num(draws_a))[~missing]
    observed = b - a
    result: dict[str, Any] = {"a": round(a, 4), "b": round(b, 4), "difference": round(observed, 4)}
    if not len(differences):
        return result | dict.fromkeys(("interval", "share_b_better", "share_equal", "p"))
    low, high = np.quantile(differences, (0.025, 0.975)).tolist()
    far = int((np.abs(differences - observed) >= abs(observed) - _TINY).sum())
    return result | {
        "interval": [round(low, 4), round(high, 4)],
        "share_b_better": round(float((differences > _TINY).mean()), 4),
        "share_equal": round(float((np.abs(differences) <= _TINY).mean()), 4),
        "p": round((far + 1) / (len(differences) + 1), 4),
    }


def _spans(first: Sequence[Outcome], second: Sequence[Outcome], examples: int) -> dict[str, Any]:
    only: dict[str, dict[str, Any]] = {
        name: {"count": 0, "labels": dict.fromkeys(first[0].labels, 0), "examples": []}
        for name in ("only_a", "only_b")
    }
    both = neither = 0
    for a, b in zip(first, second, strict=True):
        keys_a, keys_b = ({span.key for span in side.predicted} for side in (a, b))
        for span in a.gold:
            in_a, in_b = span.key in keys_a, span.key in keys_b
            both += in_a and in_b
            neither += not in_a and not in_b
            if in_a == in_b:
                continue
            row = only["only_a" if in_a else "only_b"]
            row["count"] += 1
            row["labels"][span.label] += 1
            if len(row["examples"]) < examples:
                row["examples"].append(_example(a, span))
    return {"both": both, "neither": neither, **only}


def _example(outcome: Outcome, span: Span) -> dict[str, Any]:
    text = outcome.report.text
    return {
        "report": outcome.report.id,
        "start": span.start,
        "end": span.end,
        "label": span.label,
        "text": text[span.start : span.end],
        "before": text[max(0, span.start - _AROUND) : span.start],
        "after": text[span.end : span.end + _AROUND],
    }
