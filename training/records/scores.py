"""Scores of rows: for each field, for the six that make a row useful, for all of them.

A row counts as right in a field when there is a gold row whose value has the same offsets and
whose field is the same, empty fields included. With gold spans there are as many predicted as
gold rows, and precision, recall and F1 are one number, the accuracy. As most rows have neither
subject nor qualifier, the same is also told of *filled* fields only: those where gold or
prediction is not empty, as slots are scored in relation extraction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from training.evaluation.calibration import expected_calibration_error
from training.evaluation.intervals import intervals
from training.evaluation.slices import NO_GENRE
from training.records.fields import OPTIONAL, SIX, content
from training.records.pairing import PairedReport, RowPair
from zhibiao.metrics import Counts, Scores
from zhibiao.records import FIELDS

__all__ = ["CALIBRATED", "NAMES", "score_rows"]

NAMES = (*FIELDS, "six", "all")
"""What is scored: the fields, the six of :data:`.fields.SIX` together, and all fields together."""

CALIBRATED = ("indicator", "year_value", "subject")
"""The fields whose confidence is compared with how often they are right."""

Integers = npt.NDArray[np.int64]


def score_rows(reports: Sequence[PairedReport], resamples: int, seed: int) -> dict[str, Any]:
    """All figures of rows in pairs, as plain data.

    Keys: ``reports``, ``gold`` and ``predicted`` (rows), ``fields`` (a name of :data:`NAMES` to
    precision, recall, f1, right, predicted, gold, their 95% ``intervals`` by report, and for
    fields that may be empty ``filled``, the same counts over filled fields), ``trusted`` (false
    with too few reports for the intervals), ``genres`` (a list of ``name``, ``reports``, ``gold``
    and the f1 of each name, the genre with most rows first; empty when no report names one) and
    ``calibration`` (see :func:`training.evaluation.calibration.expected_calibration_error`, and
    ``without``, how many rows give no confidence).
    """
    counts = _counts(reports)
    pairs = [pair for report in reports for pair in report.pairs]
    ranges = intervals(counts, NAMES, resamples, seed)
    filled = Scores({name: _filled(pairs, name) for name in OPTIONAL}).to_dict()["labels"]
    assert isinstance(filled, dict)
    fields = _figures(counts)
    for name, figures in fields.items():
        found = ranges["labels"][name]
        figures["intervals"] = {key: found[key] for key in ("precision", "recall", "f1")}
        if name in filled:
            figures["filled"] = filled[name]
    return {
        "reports": len(reports),
        "gold": sum(pair.gold is not None for pair in pairs),
        "predicted": sum(pair.predicted is not None for pair in pairs),
        "fields": fields,
        "level": ranges["level"],
        "resamples": resamples,
        "seed": seed,
        "trusted": ranges["trusted"],
        "genres": _genres(reports, counts),
        "calibration": {field: _calibration(pairs, field) for field in CALIBRATED},
    }


def _counts(reports: Sequence[PairedReport]) -> Integers:
    """Right, predicted and gold rows, shape (reports, names, 3)."""
    counts = np.zeros((len(reports), len(NAMES), 3), dtype=np.int64)
    for number, report in enumerate(reports):
        for pair in report.pairs:
            counts[number, :, 1] += pair.predicted is not None
            counts[number, :, 2] += pair.gold is not None
            if pair.gold is not None and pair.predicted is not None:
                counts[number, :, 0] += _right(pair)
    return counts


def _right(pair: RowPair) -> Integers:
    wrong = set(pair.wrong)
    right = [*(name not in wrong for name in FIELDS), wrong.isdisjoint(SIX), not wrong]
    return np.array(right, dtype=np.int64)


def _figures(counts: Integers) -> dict[str, dict[str, Any]]:
    sums = counts.sum(axis=0).tolist()
    scores = Scores({name: Counts(*row) for name, row in zip(NAMES, sums, strict=True)})
    figures = scores.to_dict()["labels"]
    assert isinstance(figures, dict)
    return figures


def _filled(pairs: Sequence[RowPair], field: str) -> Counts:
    right = predicted = gold = 0
    for pair in pairs:
        found = content(pair.predicted, field) if pair.predicted else None
        wanted = content(pair.gold, field) if pair.gold else None
        predicted += bool(found)
        gold += bool(wanted)
        right += bool(found) and pair.gold is not None and found == wanted
    return Counts(right, predicted, gold)


def _genres(reports: Sequence[PairedReport], counts: Integers) -> list[dict[str, Any]]:
    places: dict[str, list[int]] = {}
    for place, item in enumerate(reports):
        places.setdefault(str(item.report.meta.get("genre") or NO_GENRE), []).append(place)
    if list(places) == [NO_GENRE]:
        return []
    rows = []
    for name, chosen in places.items():
        figures = _figures(counts[chosen])
        scores = {field: numbers["f1"] for field, numbers in figures.items()}
        gold = figures["value"]["gold"]
        rows.append({"name": name, "reports": len(chosen), "gold": gold, "f1": scores})
    return sorted(rows, key=lambda row: (-row["gold"], row["name"]))


def _calibration(pairs: Sequence[RowPair], field: str) -> dict[str, Any]:
    """Rows whose value is wrong count as wrong: who reads the field does not know it."""
    rows = [pair for pair in pairs if pair.predicted is not None]
    told = [
        (pair.predicted.confidence[field], field not in pair.wrong)
        for pair in rows
        if pair.predicted is not None and field in pair.predicted.confidence
    ]
    confidence = np.array([sure for sure, _ in told], dtype=np.float64)
    right = np.array([good for _, good in told], dtype=np.bool_)
    measured = expected_calibration_error(confidence, right)
    return {**measured, "without": len(rows) - len(told)}
