"""From tag probabilities to spans: constrained IOB2 Viterbi decoding in numpy.

The search is over tag sequences in which ``I-x`` follows only ``B-x`` or ``I-x``
(Viterbi 1967; IOB2 as in Tjong Kim Sang and Veenstra 1999).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from zhibiao.spans import LABELS, Span
from zhibiao.tagging import tags_to_spans

__all__ = ["decode", "log_softmax", "viterbi"]

Floats = npt.NDArray[np.float32]


@cache
def _allowed(count: int) -> npt.NDArray[np.bool_]:
    """Which of ``count`` tags may follow which, shape (from, to); ``I-`` tags have even numbers."""
    allowed = np.ones((count, count), dtype=np.bool_)
    for inside in range(2, count, 2):
        allowed[:, inside] = False
        allowed[[inside - 1, inside], inside] = True
    return allowed


def _is_inside(tags: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    return np.asarray((tags > 0) & (tags % 2 == 0))


def log_softmax(logits: Floats) -> Floats:
    """Logarithms of probabilities over the last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def viterbi(
    scores: Floats, transitions: Floats | None = None, *, open_start: bool = False
) -> npt.NDArray[np.int64]:
    """The best valid tag sequence, shape (n,), for tag scores of shape (n, tags).

    ``transitions`` of shape (tags from, tags to) is added at each step; forbidden steps stay
    forbidden. With ``open_start`` the first tag may be an ``I-``, as in the middle of a text.
    """
    length, count = scores.shape
    if not length:
        return np.zeros(0, dtype=np.int64)
    steps = np.where(_allowed(count), 0.0 if transitions is None else transitions, -np.inf)
    best = scores[0].astype(np.float64)
    if not open_start:
        best[2::2] = -np.inf
    back = np.empty((length, count), dtype=np.int16)
    for i in range(1, length):
        options = best[:, None] + steps
        back[i] = options.argmax(axis=0)
        best = options.max(axis=0) + scores[i]
    tags = np.empty(length, dtype=np.int64)
    tags[-1] = best.argmax()
    for i in range(length - 1, 0, -1):
        tags[i - 1] = back[i, tags[i]]
    return tags


def _best_tags(scores: Floats) -> npt.NDArray[np.int64]:
    """The same as :func:`viterbi` without transitions, but fast on scores that are mostly clear.

    Cut the text before every character whose best tag is not an ``I-``. A piece decoded alone,
    with any tag allowed first, scores at least what the whole optimum has there; so when every
    piece's best sequence begins with no ``I-``, together they are the whole optimum. A piece that
    does begin with one is joined to the piece before it and decoded again.
    """
    best: npt.NDArray[np.int64] = scores.argmax(axis=1)
    if not len(best):
        return best
    inside = _is_inside(best)
    inside[0] = False
    before = np.concatenate(([0], best[:-1]))
    # Most pieces are valid as they stand: their optimum is the best tag of each character.
    broken = np.flatnonzero(inside & (before != best) & (before != best - 1))
    if _is_inside(best[:1])[0]:
        broken = np.concatenate(([0], broken))
    starts = np.flatnonzero(~inside)
    done = 0
    for position in broken.tolist():
        if position < done:
            continue
        first = int(np.searchsorted(starts, position, side="right")) - 1
        last = first + 1
        while True:
            low = int(starts[first])
            high = int(starts[last]) if last < len(starts) else len(best)
            piece = viterbi(scores[low:high], open_start=low > 0)
            if low == 0 or not _is_inside(piece[:1])[0]:
                break
            first -= 1
        best[low:high] = piece
        done = high
    return best


def decode(
    log_probabilities: Floats,
    transitions: Floats | None = None,
    labels: Sequence[str] = LABELS,
) -> list[Span]:
    """Spans with scores for one text from its characters' tag log-probabilities, shape (n, tags).

    A span's score is the probability, characters taken as independent, that exactly its
    characters carry its label: its ``B-``, its ``I-`` and no further ``I-`` after it.
    """
    if transitions is None:
        tags = _best_tags(log_probabilities)
    else:
        tags = viterbi(log_probabilities, transitions)
    spans = tags_to_spans(tags, labels)
    if not spans:
        return []
    starts = np.array([span.start for span in spans])
    ends = np.array([span.end for span in spans])
    begin = tags[starts]
    chosen = np.take_along_axis(log_probabilities, tags[:, None], axis=1)[:, 0]
    running = np.concatenate(([0.0], np.cumsum(chosen, dtype=np.float64)))
    scores = np.exp(running[ends] - running[starts])
    after = ends < len(tags)
    goes_on = np.exp(log_probabilities[ends[after], begin[after] + 1])
    scores[after] *= 1.0 - goes_on
    scores = np.clip(scores, 0.0, 1.0)
    return [
        Span(span.start, span.end, span.label, float(score))
        for span, score in zip(spans, scores, strict=True)
    ]
