"""Spans as IOB2 tags on characters and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from zhibiao.spans import LABELS, Span

__all__ = ["TAGS", "spans_to_tags", "tags_to_spans"]

TAGS: tuple[str, ...] = ("O", *(f"{prefix}-{label}" for label in LABELS for prefix in "BI"))
"""The 13 tags; ``B-`` of label number k is 2k + 1, its ``I-`` is 2k + 2."""

_NUMBER = {label: number for number, label in enumerate(LABELS)}


def spans_to_tags(length: int, spans: Iterable[Span]) -> npt.NDArray[np.int64]:
    """Tag numbers (positions in :data:`TAGS`) of a text's characters, shape (length,).

    ``spans`` must be inside the text and must not overlap; offsets are code points.
    """
    tags = np.zeros(length, dtype=np.int64)
    for span in spans:
        begin = 2 * _NUMBER[span.label] + 1
        tags[span.start] = begin
        tags[span.start + 1 : span.end] = begin + 1
    return tags


def tags_to_spans(tags: npt.NDArray[np.integer] | Sequence[int]) -> list[Span]:
    """Spans of a valid IOB2 tag sequence; offsets are positions in it.

    Raises:
        ValueError: an ``I-`` that does not continue its own label, at which position.
    """
    numbers = np.asarray(tags, dtype=np.int64)
    inside = (numbers > 0) & (numbers % 2 == 0)
    before = np.concatenate(([0], numbers[:-1]))[: len(numbers)]
    stray = inside & (before != numbers) & (before != numbers - 1)
    if stray.any():
        position = int(np.argmax(stray))
        raise ValueError(f"tag {TAGS[numbers[position]]} at {position} continues nothing")
    starts = np.flatnonzero(numbers % 2 == 1)
    ends = np.flatnonzero((numbers > 0) & ~np.append(inside[1:], False)) + 1
    return [
        Span(start, end, LABELS[int(numbers[start]) // 2])
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
    ]
