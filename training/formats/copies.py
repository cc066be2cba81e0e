"""Copies and near-copies among texts of several splits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from zhibiao.duplicates import Pair, near_duplicates

__all__ = ["near_copies", "same_texts"]


def same_texts(texts: Sequence[str], splits: Sequence[str]) -> list[Pair]:
    """One pair for every text that is there before, white space aside; blank texts never are.

    The partner is the first of another split where there is one, which is worse, else the first.
    """
    pairs: list[Pair] = []
    for numbers in _groups(texts).values():
        for place, number in enumerate(numbers[1:], start=1):
            earlier = numbers[:place]
            others = [n for n in earlier if splits[n] != splits[number]]
            pairs.append(Pair((others or earlier)[0], number, 1.0))
    return pairs


def near_copies(texts: Sequence[str], threshold: float) -> list[Pair]:
    """Pairs at least ``threshold`` alike that are not the same text, the most alike first.

    Raises:
        ZhibiaoError: ``datasketch`` is not installed.
    """
    groups = list(_groups(texts).items())
    # Of copies one is enough to compare with the rest; what is found holds for all of them.
    found = near_duplicates([text for text, _ in groups], threshold)
    return [
        Pair(min(first, second), max(first, second), pair.similarity)
        for pair in found
        for first in groups[pair.first][1]
        for second in groups[pair.second][1]
    ]


def _groups(texts: Sequence[str]) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = defaultdict(list)
    for number, text in enumerate(texts):
        if packed := "".join(text.split()):
            groups[packed].append(number)
    return groups
