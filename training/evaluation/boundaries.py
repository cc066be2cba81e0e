"""Boundary errors by shape, and the strings at the edges that are taken in or left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from training.evaluation.alignment import SHAPES, Group

__all__ = ["boundary_errors", "edge_strings"]


def edge_strings(text: str, group: Group) -> Iterator[tuple[str, str, str]]:
    """What is extra or missing at the edges of a boundary error: (side, change, string).

    ``side`` is ``left``, ``right`` or ``inside``; ``change`` is ``extra`` (predicted, not gold)
    or ``missing`` (gold, not predicted). Inside are the strings between the pieces of a split
    span (``missing``) or between spans that were merged (``extra``).
    """
    if not group.gold or not group.predicted or group.shape == "tangled":
        return
    first, last = group.gold[0].start, group.gold[-1].end
    found_first, found_last = group.predicted[0].start, group.predicted[-1].end
    if found_first < first:
        yield "left", "extra", text[found_first:first]
    elif found_first > first:
        yield "left", "missing", text[first:found_first]
    for change, spans in (("extra", group.gold), ("missing", group.predicted)):
        for before, after in pairwise(spans):
            yield "inside", change, text[before.end : after.start]
    if found_last > last:
        yield "right", "extra", text[last:found_last]
    elif found_last < last:
        yield "right", "missing", text[found_last:last]


def boundary_errors(
    items: Iterable[tuple[str, Group]], labels: Sequence[str], most: int = 15
) -> dict[str, Any]:
    """Boundary errors of groups given with their report's text, for each label.

    Only groups of one label count (kind ``boundary``). Keys of a label: ``shapes`` (a count for
    each of :data:`~training.evaluation.alignment.SHAPES`) and ``strings``, the ``most`` frequent
    edge strings as ``{"side", "change", "string", "count"}``; of equal counts the first met
    comes first.
    """
    shapes: dict[str, Counter[str]] = {label: Counter() for label in labels}
    strings: dict[str, Counter[tuple[str, str, str]]] = {label: Counter() for label in labels}
    for text, group in items:
        if group.kind != "boundary":
            continue
        (label,) = group.labels
        shapes[label][group.shape] += 1
        strings[label].update(edge_strings(text, group))
    return {
        label: {
            "shapes": {shape: shapes[label][shape] for shape in SHAPES},
            "strings": [
                {"side": side, "change": change, "string": string, "count": count}
                for (side, change, string), count in strings[label].most_common(most)
            ],
        }
        for label in labels
    }
