"""Near-duplicate reports: found by MinHash, verified exactly.

Reports copied from each other inflate scores when they stand in two splits, and waste annotators'
work within one. MinHash signatures (Broder 1997) in locality-sensitive hash tables (Indyk and
Motwani 1998), both from ``datasketch``, propose pairs; the similarity that counts is then computed
from the texts themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from zhibiao.errors import ZhibiaoError

__all__ = ["Pair", "jaccard", "near_duplicates"]

_WIDTH = 5  # characters of a shingle
_PERMUTATIONS = 128
_SEED = 1
# A table tuned to a lower bar than the wanted one misses almost no pair; what it proposes too much
# the exact count takes out again.
_MARGIN = 0.5


@dataclass(frozen=True, slots=True)
class Pair:
    """Two near-duplicates: positions in the texts given, ``first`` below ``second``.

    ``similarity`` is the exact Jaccard index of their character 5-grams, between 0 and 1.
    """

    first: int
    second: int
    similarity: float


def near_duplicates(texts: Sequence[str], threshold: float = 0.5) -> list[Pair]:
    """Pairs of texts at least ``threshold`` alike, the most alike first; deterministic.

    White space does not count: the same report is often wrapped in two ways. Blank texts are
    nobody's duplicate. At the default a pair of exactly that similarity is proposed with a
    probability of 0.99, one of 0.6 practically always.

    Raises:
        ValueError: ``threshold`` is not above 0 and at most 1.
        ZhibiaoError: ``datasketch`` is not installed.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold {threshold}: must be above 0 and at most 1")
    try:
        from datasketch import MinHash, MinHashLSH
    except ImportError as error:
        raise ZhibiaoError(
            "datasketch is missing: pip install 'zhibiao[annotate]' or 'zhibiao[train]'"
        ) from error
    sets = [_shingles(text) for text in texts]
    tables = MinHashLSH(threshold=threshold * _MARGIN, num_perm=_PERMUTATIONS)
    pairs: list[Pair] = []
    for second, shingles in enumerate(sets):
        if not shingles:
            continue
        signature = MinHash(num_perm=_PERMUTATIONS, seed=_SEED)
        signature.update_batch([shingle.encode() for shingle in shingles])
        for first in tables.query(signature):
            similarity = _jaccard(sets[first], shingles)
            if similarity >= threshold:
                pairs.append(Pair(first, second, similarity))
        tables.insert(second, signature)
    return sorted(pairs, key=lambda pair: (-pair.similarity, pair.first, pair.second))


def jaccard(one: str, other: str) -> float:
    """Exact Jaccard index of the character 5-grams of two texts, white space left out."""
    return _jaccard(_shingles(one), _shingles(other))


def _jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared) if shared else 0.0


def _shingles(text: str) -> frozenset[str]:
    """All slices of five characters; a shorter text is one slice, a blank one has none."""
    packed = "".join(text.split())
    if not packed:
        return frozenset()
    return frozenset(packed[i : i + _WIDTH] for i in range(max(1, len(packed) - _WIDTH + 1)))
