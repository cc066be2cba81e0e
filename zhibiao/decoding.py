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
from zhibiao.tagging import spans_to_tags, tags_to_spans

__all__ = ["decode", "log_marginals", "log_softmax", "span_scores", "viterbi"]

Floats = npt.NDArray[np.float32]


@cache
def _allowed(count: int, touching: bool = True) -> npt.NDArray[np.bool_]:
    """Which of ``count`` tags may follow which, shape (from, to); ``I-`` tags have even numbers.

    Without ``touching`` a span may not begin where one of its own label ends.
    """
    allowed = np.ones((count, count), dtype=np.bool_)
    for inside in range(2, count, 2):
        allowed[:, inside] = False
        allowed[[inside - 1, inside], inside] = True
        allowed[[inside - 1, inside], inside - 1] = touching
    return allowed


def _is_inside(tags: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    return np.asarray((tags > 0) & (tags % 2 == 0))


def log_softmax(logits: Floats) -> Floats:
    """Logarithms of probabilities over the last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def viterbi(
    scores: Floats,
    transitions: Floats | None = None,
    *,
    open_start: bool = False,
    touching: bool = True,
) -> npt.NDArray[np.int64]:
    """The best valid tag sequence, shape (n,), for tag scores of shape (n, tags).

    ``transitions`` of shape (tags from, tags to) is added at each step; forbidden steps stay
    forbidden. With ``open_start`` the first tag may be an ``I-``, as in the middle of a text.
    Without ``touching`` two spans of one label have something between them.
    """
    length, count = scores.shape
    if not length:
        return np.zeros(0, dtype=np.int64)
    steps = np.where(
        _allowed(count, touching), 0.0 if transitions is None else transitions, -np.inf
    )
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


def _best_tags(scores: Floats, touching: bool) -> npt.NDArray[np.int64]:
    """The same as :func:`viterbi` without transitions, but fast on scores that are mostly clear.

    Cut the text before every character whose best tag is not an ``I-``. A piece decoded alone,
    with any tag allowed first, scores at least what the whole optimum has there; so when every
    step from a piece's best sequence to the next one's is allowed, together they are the whole
    optimum. Two pieces whose meeting is not allowed are joined and decoded again.
    """
    best: npt.NDArray[np.int64] = scores.argmax(axis=1)
    if not len(best):
        return best
    allowed = _allowed(scores.shape[1], touching)
    inside = _is_inside(best)
    inside[0] = False
    # Most pieces are valid as they stand: their optimum is the best tag of each character.
    broken = np.flatnonzero(~allowed[best[:-1], best[1:]]) + 1
    if _is_inside(best[:1])[0]:
        broken = np.concatenate(([0], broken))
    starts = np.append(np.flatnonzero(~inside), len(best))
    joined: list[tuple[int, int]] = []  # first and last + 1 of the pieces decoded together so far
    for position in broken.tolist():
        if joined and position < starts[joined[-1][1]]:
            continue
        first = int(np.searchsorted(starts, position, side="right")) - 1
        last = first + 1
        while True:
            low, high = int(starts[first]), int(starts[last])
            piece = viterbi(scores[low:high], open_start=low > 0, touching=touching)
            if low > 0 and not allowed[best[low - 1], piece[0]]:
                first -= 1
                # Pieces that were joined stay so: part of their optimum is not an optimum.
                if joined and first < joined[-1][1]:
                    first = joined.pop()[0]
            elif high < len(best) and not allowed[piece[-1], best[high]]:
                last += 1
            else:
                break
        best[low:high] = piece
        joined.append((first, last))
    return best


def log_marginals(
    scores: Floats, transitions: Floats | None = None, *, touching: bool = True
) -> Floats:
    """Log-probabilities of every character's tags, shape (n, tags).

    Without ``transitions`` these are ``scores``, log-probabilities already. With the
    ``transitions`` of a CRF, shape (tags from, tags to), the probability of a tag is the share of
    all allowed sequences that have it there (forward-backward algorithm: Rabiner 1989, Lafferty
    et al. 2001).
    """
    if transitions is None:
        return scores
    length, count = scores.shape
    # A common factor in a row or in all transitions cancels. The floor keeps a row from vanishing.
    high = scores.max(axis=1, keepdims=True, initial=-np.inf)
    emissions = np.maximum(np.exp((scores - high).astype(np.float64)), 1e-100)
    steps = np.where(
        _allowed(count, touching), np.exp(transitions - np.float64(transitions.max())), 0.0
    )
    forward = np.empty((length, count))
    backward = np.ones((length, count))
    for i in range(length):
        row = emissions[i] * (forward[i - 1] @ steps if i else 1.0)
        if i == 0:
            row[2::2] = 0.0
        forward[i] = row / row.sum()
    for i in range(length - 2, -1, -1):
        row = steps @ (emissions[i + 1] * backward[i + 1])
        backward[i] = row / row.sum()
    both = forward * backward
    both /= both.sum(axis=1, keepdims=True)
    return np.asarray(np.log(np.maximum(both, 1e-300)), dtype=np.float32)


def span_scores(
    rows: Floats, spans: Sequence[Span], labels: Sequence[str] = LABELS
) -> npt.NDArray[np.float64]:
    """The probability of each span under :func:`log_marginals`, shape (spans,).

    Characters taken as independent, it is the probability that exactly the span's characters
    carry its label: its ``B-``, its ``I-`` and no further ``I-`` after it.
    """
    if not spans:
        return np.zeros(0)
    tags = spans_to_tags(len(rows), spans, labels)
    starts = np.array([span.start for span in spans])
    ends = np.array([span.end for span in spans])
    # The floor keeps -inf, where no sequence is possible, from making differences undefined.
    chosen = np.maximum(np.take_along_axis(rows, tags[:, None], axis=1)[:, 0], -1e4)
    running = np.concatenate(([0.0], np.cumsum(chosen, dtype=np.float64)))
    scores = np.exp(running[ends] - running[starts])
    after = ends < len(tags)
    goes_on = np.exp(rows[ends[after], tags[starts[after]] + 1])
    scores[after] *= 1.0 - goes_on
    return np.asarray(np.clip(scores, 0.0, 1.0))


def decode(
    log_probabilities: Floats,
    transitions: Floats | None = None,
    labels: Sequence[str] = LABELS,
    *,
    touching: bool = True,
) -> list[Span]:
    """Spans with scores for one text from its characters' tag log-probabilities, shape (n, tags).

    Scores are :func:`span_scores`. With the ``transitions`` of a CRF the best sequence is its
    own. Without ``touching`` no two spans of one label meet.
    """
    if transitions is None:
        tags = _best_tags(log_probabilities, touching)
    else:
        tags = viterbi(log_probabilities, transitions, touching=touching)
    spans = tags_to_spans(tags, labels)
    if not spans:
        return []
    rows = log_marginals(log_probabilities, transitions, touching=touching)
    return [
        Span(span.start, span.end, span.label, score)
        for span, score in zip(spans, span_scores(rows, spans, labels).tolist(), strict=True)
    ]
