"""Spans as IOB2 tags on characters and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from zhibiao.spans import LABELS, Span

__all__ = ["TAGS", "labels_of", "spans_to_tags", "tags_of", "tags_to_spans"]


def tags_of(labels: Sequence[str]) -> tuple[str, ...]:
    """``O``, then ``B-`` and ``I-`` of each label: ``B-`` of label k is 2k + 1, ``I-`` 2k + 2."""
    return ("O", *(f"{prefix}-{label}" for label in labels for prefix in "BI"))


def labels_of(tags: Sequence[str]) -> tuple[str, ...]:
    """The labels whose :func:`tags_of` are ``tags``.

    Raises:
        ValueError: the tags are not in that order, or are not IOB2 tags.
    """
    labels = tuple(tag[2:] for tag in tags[1::2])
    if not labels or tuple(tags) != tags_of(labels) or len(set(labels)) < len(labels):
        raise ValueError(f"expected O, B-x, I-x, ..., found {', '.join(map(str, tags[:4]))}, ...")
    return labels


TAGS: tuple[str, ...] = tags_of(LABELS)
"""The 13 tags of the six labels."""


def spans_to_tags(
    length: int, spans: Iterable[Span], labels: Sequence[str] = LABELS
) -> npt.NDArray[np.int64]:
    """Tag numbers (positions in :func:`tags_of`) of a text's characters, shape (length,).

    ``spans`` must be inside the text and must not overlap; offsets are code points.
    """
    number = {label: position for position, label in enumerate(labels)}
    tags = np.zeros(length, dtype=np.int64)
    for span in spans:
        begin = 2 * number[span.label] + 1
        tags[span.start] = begin
        tags[span.start + 1 : span.end] = begin + 1
    return tags


def tags_to_spans(
    tags: npt.NDArray[np.integer] | Sequence[int], labels: Sequence[str] = LABELS
) -> list[Span]:
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
        raise ValueError(
            f"tag {tags_of(labels)[numbers[position]]} at {position} continues nothing"
        )
    starts = np.flatnonzero(numbers % 2 == 1)
    ends = np.flatnonzero((numbers > 0) & ~np.append(inside[1:], False)) + 1
    return [
        Span(start, end, labels[int(numbers[start]) // 2])
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
    ]
