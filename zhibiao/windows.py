"""Slices of a report that fit the model, overlapping, ending at sentence ends where they can."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["Window", "split_windows"]

# Sentence ends first, then weaker places; a window is cut after the character.
_BREAKS = (re.compile(r"[。！？!?\n]"), re.compile(r"[；;]"), re.compile(r"[，,、\s]"))


@dataclass(frozen=True, slots=True)
class Window:
    """Characters ``start`` to ``end`` of a text that the model sees at once.

    ``keep_start`` and ``keep_end`` bound the part it decides: where two windows see the same
    character, the one whose edge is farther from it does. The kept parts tile the text.
    """

    start: int
    end: int
    keep_start: int
    keep_end: int


def split_windows(text: str, size: int, overlap: int) -> list[Window]:
    """Cut a text into windows of at most ``size`` characters that overlap by about ``overlap``.

    Every character is in at least one window. A window ends after a sentence end in its last
    quarter when there is one, else after a clause or white space, else anywhere.

    Raises:
        ValueError: unless ``0 <= overlap <= size // 2`` and ``size`` is positive.
    """
    if size < 1 or not 0 <= overlap <= size // 2:
        raise ValueError(f"size {size} and overlap {overlap}: need 0 <= overlap <= size // 2")
    bounds: list[tuple[int, int]] = []
    start = 0
    while start < len(text):
        end = _cut(text, start, size)
        bounds.append((start, end))
        if end == len(text):
            break
        # At least one character of progress, whatever the overlap.
        start = max(end - overlap, start + 1)
    edges = [0]
    for (_, end), (next_start, _) in pairwise(bounds):
        edges.append((next_start + end + 1) // 2)
    edges.append(len(text))
    return [Window(start, end, edges[i], edges[i + 1]) for i, (start, end) in enumerate(bounds)]


def _cut(text: str, start: int, size: int) -> int:
    end = start + size
    if end >= len(text):
        return len(text)
    earliest = start + size - size // 4
    for pattern in _BREAKS:
        ends = [match.end() for match in pattern.finditer(text, earliest, end)]
        if ends:
            return ends[-1]
    return end
