"""Which reports to label next: the order of unlabelled texts by what labelling them should teach.

Four things count. *Uncertainty*: how many spans the model is expected to get wrong. *Length*:
wrong spans are counted per minute of an annotator, so a long report does not win by length
alone, nor a short one by its rate alone. *Novelty*: a text like the labelled ones teaches less.
*Diversity*: of two texts that are alike only the first stays near the top.

Sources: expected correction as uncertainty, Culotta and McCallum 2005 (Reducing labeling effort
for structured prediction tasks), and normalised for length as in Shen et al. 2018 (Deep active
learning for named entity recognition, MNLP); value per unit of cost, Settles, Craven and
Friedland 2008 (Active learning with real annotation costs); greedy choice that pays for
difference, Carbonell and Goldstein 1998 (maximal marginal relevance); survey, Settles 2009.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from zhibiao.errors import FormatError, ZhibiaoError
from zhibiao.reports import Report
from zhibiao.spans import Span

if TYPE_CHECKING:
    from zhibiao.model_directory import ModelDirectory

__all__ = ["Cost", "Evidence", "Ranked", "expected_wrong", "measure", "rank"]

Floats = npt.NDArray[np.float64]
Vectors = npt.NDArray[np.float32]

_GROUP_CHARACTERS = 32_768  # as many as the extractor itself takes at once
_FEATURES = 1024  # hashed n-grams; inner products are kept to about 1/sqrt(1024)


class TagModel(Protocol):
    """What the ranking needs of an extractor; :class:`zhibiao.extractor.Extractor` is one."""

    settings: ModelDirectory

    def log_probabilities(self, texts: list[str]) -> list[npt.NDArray[np.float32]]:
        """Log-probabilities of the tags of every character, one (len(text), 13) array a text."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Minutes of an annotator for one report: a fixed part, and a part for every 1,000 characters.

    The defaults: half a minute to open and submit; 250 characters a minute, the speed of reading
    Chinese (255 ± 29, Trauzettel-Klosinski and Dietz 2012), as suggestions are read and corrected.
    """

    fixed: float = 0.5
    per_thousand: float = 4.0

    def __post_init__(self) -> None:
        if not (self.fixed > 0 and self.per_thousand >= 0):
            raise FormatError(
                f"每份 {self.fixed}、每千字 {self.per_thousand} 分钟：前者应为正数，后者不能为负"
            )

    def minutes(self, characters: int) -> float:
        """Minutes for a report of so many characters."""
        return self.fixed + self.per_thousand * characters / 1000


@dataclass(frozen=True, slots=True)
class Ranked:
    """One text of a ranking, with everything that decided its place.

    ``index`` is its place in the texts given; ``wrong`` the expected number of wrong spans;
    ``per_thousand`` the same for 1,000 characters (the uncertainty); ``minutes`` the cost.
    ``like_labelled`` and ``like_ahead`` are similarities, 0 to 1, to the nearest labelled text
    and to the nearest text ahead of it. ``value`` is wrong spans per minute times what is new:
    ``wrong / minutes * (1 - max(like_labelled, like_ahead))``.
    """

    index: int
    wrong: float
    per_thousand: float
    minutes: float
    like_labelled: float
    like_ahead: float
    value: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """Whether the ranking finds errors, on reports with gold spans that the model did not see.

    ``spearman`` is the rank correlation of expected and true wrong spans per 1,000 characters,
    ``p_value`` its significance. ``expected`` and ``actual`` are all wrong spans.
    ``third_of_reports`` is the share of true wrong spans per 1,000 characters in the third of the
    reports that is most uncertain; ``third_of_minutes`` the share of true wrong spans met when
    a third of all annotation minutes is spent in the order of the ranking. Random order gives
    one third for both.
    """

    reports: int
    spearman: float
    p_value: float
    third_of_reports: float
    third_of_minutes: float
    expected: float
    actual: int


def expected_wrong(model: TagModel, texts: Sequence[str]) -> Iterator[float]:
    """The expected number of wrong spans of each text, lazily and in order.

    Wrong are predicted spans that are not gold and gold spans that are not predicted. With S the
    sum of the predicted spans' probabilities, of P predicted spans P - S are wrong; the expected
    number of gold spans is the sum B of all ``B-`` probabilities, of which B - S are missed.
    Characters are taken as independent, as in the spans' scores.
    """
    for wrong, _ in _readings(model, texts):
        yield wrong


def _readings(model: TagModel, texts: Iterable[str]) -> Iterator[tuple[float, list[Span]]]:
    """The expected number of wrong spans and the predicted spans of each text."""
    group: list[str] = []
    size = 0
    for text in texts:
        group.append(text)
        size += len(text)
        if size >= _GROUP_CHARACTERS:
            yield from _group_readings(model, group)
            group, size = [], 0
    yield from _group_readings(model, group)


def _group_readings(model: TagModel, texts: list[str]) -> Iterator[tuple[float, list[Span]]]:
    if not texts:
        return
    for scores in model.log_probabilities(texts):
        spans = model.settings.decoder.decode(scores)
        right = sum(span.score for span in spans)
        begun = float(np.exp(scores[:, 1::2].astype(np.float64)).sum())
        yield max(0.0, len(spans) - right) + max(0.0, begun - right), spans


def rank(
    texts: Sequence[str],
    wrong: Sequence[float],
    labelled: Sequence[str] = (),
    cost: Cost | None = None,
    limit: int | None = None,
) -> list[Ranked]:
    """The texts in the order of labelling, best first; the same input gives the same order.

    ``wrong`` is :func:`expected_wrong` of the texts, in the same order. With ``limit`` only the
    first so many are chosen one by one; the rest follow by value. Of equals the first given
    comes first.
    """
    if len(wrong) != len(texts):
        raise ValueError(f"{len(texts)} texts, but {len(wrong)} expectations")
    cost = cost or Cost()
    errors = np.asarray(wrong, dtype=np.float64)
    minutes = np.array([cost.minutes(len(text)) for text in texts], dtype=np.float64)
    rates = errors / minutes
    vectors = _vectors(texts)
    like_labelled = _nearest(vectors, _vectors(labelled))
    order, like_ahead = _greedy(rates, vectors, like_labelled, limit)
    rest = np.setdiff1d(np.arange(len(texts)), order)
    like_ahead[rest] = _nearest(vectors[rest], vectors[order])
    values = rates * (1.0 - np.maximum(like_labelled, like_ahead))
    order.extend(rest[np.argsort(-values[rest], kind="stable")].tolist())
    return [
        Ranked(
            index=i,
            wrong=float(errors[i]),
            per_thousand=1000 * float(errors[i]) / max(1, len(texts[i])),
            minutes=float(minutes[i]),
            like_labelled=float(like_labelled[i]),
            like_ahead=float(like_ahead[i]),
            value=float(values[i]),
        )
        for i in order
    ]


def _greedy(
    rates: Floats, vectors: Vectors, like_labelled: Floats, limit: int | None
) -> tuple[list[int], Floats]:
    """The best texts one by one, and each one's similarity to the nearest text ahead of it.

    A text's value only falls as others are chosen, so an old value is an upper bound, and only
    texts whose bound leads are compared with what was chosen since (lazy greedy, Minoux 1978).
    """
    like_ahead = np.zeros(len(rates))
    compared = [0] * len(rates)
    chosen: list[int] = []
    taken = np.empty_like(vectors)  # the vectors of what is chosen, in order
    heap = [(-float(v), i) for i, v in enumerate(rates * (1.0 - like_labelled))]
    heapq.heapify(heap)
    while heap and (limit is None or len(chosen) < limit):
        _, best = heap[0]
        if compared[best] == len(chosen):
            heapq.heappop(heap)
            taken[len(chosen)] = vectors[best]
            chosen.append(best)
            continue
        since = taken[compared[best] : len(chosen)] @ vectors[best]
        like_ahead[best] = min(1.0, max(like_ahead[best], float(since.max())))
        compared[best] = len(chosen)
        value = rates[best] * (1.0 - max(like_labelled[best], like_ahead[best]))
        heapq.heapreplace(heap, (-float(value), best))
    return chosen, like_ahead


def _vectors(texts: Sequence[str]) -> Vectors:
    """Character 2- and 3-gram counts of each text, hashed, of length 1; shape (n, 1024).

    Hashing with signs needs no vocabulary (Weinberger et al. 2009), so a text has the same
    vector in every run.
    """
    if not texts:
        return np.zeros((0, _FEATURES), dtype=np.float32)
    try:
        from sklearn.feature_extraction.text import HashingVectorizer
    except ImportError as error:
        raise ZhibiaoError("缺少 scikit-learn：pip install 'zhibiao[annotate]'") from error
    hashing = HashingVectorizer(
        analyzer="char",
        ngram_range=(2, 3),
        n_features=_FEATURES,
        lowercase=False,
        dtype=np.float32,
    )
    vectors: Vectors = hashing.transform(texts).toarray()
    return vectors


def _nearest(vectors: Vectors, others: Vectors) -> Floats:
    """The similarity of each vector to the nearest of the others, 0 where there are none."""
    nearest = np.zeros(len(vectors))
    for start in range(0, len(others), _FEATURES):  # bounds the memory of the product
        block = vectors @ others[start : start + _FEATURES].T
        nearest = np.maximum(nearest, block.max(axis=1, initial=0.0))
    return np.clip(nearest, 0.0, 1.0)


def measure(model: TagModel, reports: Sequence[Report], cost: Cost | None = None) -> Evidence:
    """How well the ranking finds the model's errors on reports with gold spans.

    Raises:
        FormatError: fewer than 6 reports, or without any error to find.
    """
    try:
        from scipy.stats import spearmanr
    except ImportError as error:
        raise ZhibiaoError("缺少 scipy：pip install 'zhibiao[annotate]'") from error
    texts = [report.text for report in reports]
    sizes = np.array([max(1, len(text)) for text in texts], dtype=np.float64)
    readings = list(_readings(model, texts))
    expected = np.array([wrong for wrong, _ in readings])
    actual = np.array(
        [
            len({span.key for span in spans} ^ {span.key for span in report.spans})
            for report, (_, spans) in zip(reports, readings, strict=True)
        ],
        dtype=np.float64,
    )
    if len(reports) < 6 or not actual.any():
        raise FormatError(f"{len(reports)} 份报告、{int(actual.sum())} 处错误：太少，无法检验")
    rates = actual / sizes
    uncertain = np.argsort(-expected / sizes, kind="stable")[: len(reports) // 3]
    ranking = rank(texts, expected.tolist(), cost=cost)
    spent = np.cumsum([0.0, *(item.minutes for item in ranking)])
    found = np.cumsum([0.0, *(actual[item.index] for item in ranking)])
    correlation = spearmanr(expected / sizes, rates)
    return Evidence(
        reports=len(reports),
        spearman=float(correlation.statistic),
        p_value=float(correlation.pvalue),
        third_of_reports=float(rates[uncertain].sum() / rates.sum()),
        third_of_minutes=float(np.interp(spent[-1] / 3, spent, found) / found[-1]),
        expected=float(expected.sum()),
        actual=int(actual.sum()),
    )
