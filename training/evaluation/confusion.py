"""Which label is taken for which, and how often for nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from training.evaluation.alignment import KINDS, Group

__all__ = ["NOTHING", "confusion", "error_kinds"]

NOTHING = "O"
"""The row of spurious and the column of missed spans."""


def confusion(groups: Iterable[Group], labels: Sequence[str]) -> dict[str, dict[str, int]]:
    """Counts by gold label (row) and predicted label (column), with ``O`` for a lack on one side.

    Spans are paired one to one by overlap, so a row adds up to the gold spans of its label and a
    column to the predicted ones. A boundary error counts where its labels say, on the diagonal
    too: the diagonal is "found at all, with this label", not "right". The second part of a gold
    span that was predicted in pieces is in row ``O``.
    """
    names = (*labels, NOTHING)
    table = {row: dict.fromkeys(names, 0) for row in names}
    for group in groups:
        for gold, found in group.pairs():
            row = gold.label if gold else NOTHING
            column = found.label if found else NOTHING
            table[row][column] += 1
    return table


def error_kinds(groups: Iterable[Group], labels: Sequence[str]) -> dict[str, Any]:
    """How many errors of each kind: ``total`` and ``labels``, each with a count a kind.

    An error is a group that is not right. It counts once in the total, and once for every label
    that it has on either side.
    """
    total: Counter[str] = Counter()
    by_label: dict[str, Counter[str]] = {label: Counter() for label in labels}
    for group in groups:
        if group.kind == "right":
            continue
        total[group.kind] += 1
        for label in group.labels:
            by_label[label][group.kind] += 1
    return {
        "total": {kind: total[kind] for kind in KINDS},
        "labels": {
            label: {kind: counts[kind] for kind in KINDS} for label, counts in by_label.items()
        },
    }
