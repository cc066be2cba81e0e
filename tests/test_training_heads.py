"""Losses and what changes a step: softmax, CRF, class weights, FGM, averages, layer rates."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.training_runs import config
from training.adversarial import Adversary
from training.averaging import WeightAverage
from training.heads import CrfHead, SoftmaxHead, tag_weights
from training.trainer import rate_of
from zhibiao import Report, Span
from zhibiao.decoder import Decoder
from zhibiao.decoding import decode, log_marginals, log_softmax, viterbi

TAGS = 5  # O, B-甲, I-甲, B-乙, I-乙


def valid(tags: tuple[int, ...]) -> bool:
    """IOB2, from the definition."""
    return all(
        tag not in (2, 4) or (i > 0 and tags[i - 1] in (tag - 1, tag)) for i, tag in enumerate(tags)
    )


def sequences(length: int) -> list[tuple[int, ...]]:
    return [tags for tags in itertools.product(range(TAGS), repeat=length) if valid(tags)]


def total(tags: tuple[int, ...], scores: Any, transitions: Any) -> float:
    own = sum(float(scores[i, tag]) for i, tag in enumerate(tags))
    return own + sum(float(transitions[a, b]) for a, b in itertools.pairwise(tags))


def crf(seed: int) -> tuple[CrfHead, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    head = CrfHead(TAGS)
    head.transitions.data = torch.randn(TAGS, TAGS, generator=generator) * 2
    return head, torch.randn(4, TAGS, generator=generator) * 2


def batch(rows: list[tuple[Tensor, list[int]]]) -> tuple[Tensor, Tensor, Tensor]:
    """Padded scores, targets and mask, with a special token before and after each row."""
    longest = max(len(tags) for _, tags in rows) + 2
    scores = torch.randn(len(rows), longest, TAGS) * 5  # what is masked must not matter
    targets = torch.full((len(rows), longest), -100)
    mask = torch.zeros(len(rows), longest, dtype=torch.int64)
    for row, (own, tags) in enumerate(rows):
        scores[row, 1 : len(tags) + 1] = own[: len(tags)]
        targets[row, 1 : len(tags) + 1] = torch.tensor(tags)
        mask[row, : len(tags) + 2] = 1
    return scores, targets, mask


@pytest.mark.parametrize("seed", range(5))
def test_crf_is_the_negative_log_likelihood(seed: int) -> None:
    head, scores = crf(seed)
    rows = [(scores, [1, 2, 0, 3]), (scores.flip(0), [0, 3, 4]), (scores * 0.5, [1])]
    wanted = 0.0
    for own, tags in rows:
        sums = [total(x, own, head.transitions.detach()) for x in sequences(len(tags))]
        gold = total(tuple(tags), own, head.transitions.detach())
        wanted += float(np.log(np.exp(np.array(sums)).sum())) - gold
    found = head(*batch(rows))
    assert float(found.detach()) == pytest.approx(wanted, rel=1e-5)
    found.backward()
    gradient = head.transitions.grad
    assert gradient is not None
    assert torch.isfinite(gradient).all()
    assert gradient[0, 2] == 0  # a step that cannot happen learns nothing
    assert gradient[1, 2] != 0


def test_crf_sums_out_what_a_window_cuts() -> None:
    """Ignored characters may have any tag; a window that begins with them begins anywhere."""
    head, scores = crf(7)
    tags = [-100, 0, 3, -100]
    every = [x for x in itertools.product(range(TAGS), repeat=4) if valid_after_cut(x)]
    reached = [x for x in every if x[1:3] == (0, 3)]

    def log_sum(chosen: list[tuple[int, ...]]) -> float:
        return float(
            np.log(sum(np.exp(total(x, scores, head.transitions.detach())) for x in chosen))
        )

    found = head(*batch([(scores, tags)]))
    assert float(found.detach()) == pytest.approx(log_sum(every) - log_sum(reached), rel=1e-5)


def valid_after_cut(tags: tuple[int, ...]) -> bool:
    """IOB2 after an unknown first tag."""
    return all(b not in (2, 4) or a in (b - 1, b) for a, b in itertools.pairwise(tags))


@pytest.mark.parametrize("seed", range(5))
def test_decoding_is_the_crfs_viterbi(seed: int) -> None:
    head, scores = crf(seed)
    transitions = head.transitions.detach().numpy()
    best = max(sequences(4), key=lambda tags: total(tags, scores, transitions))
    # The extractor hands over log-softmax of the scores: a constant a row, which changes nothing.
    rows = log_softmax(scores.numpy())
    assert tuple(viterbi(rows, transitions)) == best
    plain = max(sequences(4), key=lambda tags: total(tags, scores, np.zeros((TAGS, TAGS))))
    if seed == 0:
        assert best != plain  # the transitions decide something


@pytest.mark.parametrize("seed", range(5))
def test_marginals_and_scores_of_a_crf(seed: int) -> None:
    head, scores = crf(seed)
    transitions = head.transitions.detach().numpy()
    weights = {x: np.exp(total(x, scores, transitions)) for x in sequences(4)}
    wanted = np.zeros((4, TAGS))
    for tags, weight in weights.items():
        wanted[np.arange(4), tags] += weight / sum(weights.values())
    found = np.exp(log_marginals(log_softmax(scores.numpy()), transitions))
    assert found == pytest.approx(wanted, abs=1e-6)
    best = max(weights, key=lambda tags: weights[tags])
    for span in decode(log_softmax(scores.numpy()), transitions, ("甲", "乙")):
        score = np.prod(wanted[np.arange(span.start, span.end), best[span.start : span.end]])
        if span.end < 4:
            score *= 1 - wanted[span.end, best[span.start] + 1]
        assert span.score == pytest.approx(score, abs=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_temperature_moves_the_scores_of_a_crf_and_not_its_spans(seed: int) -> None:
    head, scores = crf(seed)
    cold = Decoder(("甲", "乙"), head.transitions.detach().numpy())
    warm = cold.retempered(3.0)
    cooler = log_softmax((scores / 3).numpy())
    before = cold.candidates(log_softmax(scores.numpy()))
    after = warm.candidates(cooler)
    assert [span.key for span in after] == [span.key for span in before]
    given = warm.scores(cooler, before)
    assert given == pytest.approx([span.score for span in after], abs=1e-6)
    assert before
    assert all(a.score < b.score for a, b in zip(after, before, strict=True))


def test_marginals_of_extreme_scores_are_numbers() -> None:
    scores = np.full((300, TAGS), -300.0, dtype=np.float32)
    scores[:, 2] = 0.0  # nothing but I- is likely, and no I- may come first
    found = np.exp(log_marginals(scores, np.zeros((TAGS, TAGS), dtype=np.float32)))
    assert np.isfinite(found).all()
    assert found.sum(axis=1) == pytest.approx(np.ones(300))
    assert found[0].argmax() == 1


def test_softmax_head_is_cross_entropy_over_known_characters() -> None:
    scores = torch.randn(2, 6, TAGS)
    targets = torch.tensor([[-100, 0, 1, 2, -100, -100], [-100, 3, 4, 0, 0, -100]])
    known = targets != -100
    wanted = -torch.log_softmax(scores[known], -1)[torch.arange(7), targets[known]].sum()
    assert SoftmaxHead()(scores, targets, known) == pytest.approx(float(wanted), rel=1e-6)
    smoothed = -torch.log_softmax(scores[known], -1).mean(-1).sum() * 0.2 + wanted * 0.8
    found = SoftmaxHead(smoothing=0.2)(scores, targets, known)
    assert float(found) == pytest.approx(float(smoothed), rel=1e-6)
    weights = torch.tensor([1.0, 2.0, 2.0, 3.0, 3.0])
    weighted = functional.cross_entropy(
        scores[known], targets[known], weight=weights, reduction="sum"
    )
    found = SoftmaxHead(weights=weights)(scores, targets, known)
    assert float(found) == pytest.approx(float(weighted), rel=1e-6)


def test_class_weights_by_hand() -> None:
    # 10 characters: 甲 has 2, 乙 has 1, O the other 7; 丙 never occurs.
    labels = ("甲", "乙", "丙")
    reports = [
        Report("r", "一二三四五六七八九十", (Span(0, 2, "甲"), Span(4, 5, "乙")), {}, labels)
    ]
    balanced = tag_weights("balanced", reports, labels)
    third = 10 / 3  # each of the three that occur has a third of the total of 10
    wanted = [third / 7, third / 2, third / 2, third, third, 1, 1]
    assert balanced.tolist() == pytest.approx(wanted)
    given = tag_weights({"乙": 3.0, "O": 0.5}, reports, labels)
    mean = (7 * 0.5 + 2 * 1 + 1 * 3) / 10
    assert given.tolist() == pytest.approx(
        [0.5 / mean, 1 / mean, 1 / mean, 3 / mean, 3 / mean, 1, 1]
    )


def test_fgm_goes_along_the_gradient_of_each_window() -> None:
    torch.manual_seed(0)
    embeddings = nn.Embedding(7, 3)
    direction = torch.tensor([[3.0, 0.0, 4.0]])
    adversary = Adversary(embeddings, epsilon=0.5)
    ids = torch.tensor([[1, 2], [3, 3]])
    scale = torch.tensor([[1.0, 0.0], [2.0, 2.0]])  # the first window's second token plays no part

    def loss(values: Tensor) -> Tensor:
        return ((values @ direction.T)[..., 0] * scale).sum()

    before = embeddings.weight.detach().clone()
    with adversary.watching():
        clean = embeddings(ids)
        loss(clean).backward()  # type: ignore[no-untyped-call]
    with adversary.attacking():
        hurt = embeddings(ids)
        loss(hurt).backward()  # type: ignore[no-untyped-call]
    step = (hurt - clean).detach()
    # Window 1: gradient (3, 0, 4) of length 5, scaled to 0.5. Window 2: both tokens share it.
    assert step[0, 0].tolist() == pytest.approx([0.3, 0, 0.4], abs=1e-6)
    assert step[0, 1].tolist() == pytest.approx([0, 0, 0], abs=1e-6)
    half = 0.5 / 2**0.5 / 5
    assert step[1, 0].tolist() == pytest.approx([3 * half, 0, 4 * half], abs=1e-6)
    assert step.flatten(1).norm(dim=1).tolist() == pytest.approx([0.5, 0.5])
    assert torch.equal(embeddings.weight, before)
    gradient = embeddings.weight.grad
    assert gradient is not None
    assert gradient[1].tolist() == pytest.approx([6, 0, 8])  # clean and adversarial, summed
    assert torch.equal(embeddings(ids), clean)  # nothing is left behind


def test_fgm_leaves_windows_without_a_usable_gradient() -> None:
    adversary = Adversary(nn.Embedding(3, 2), epsilon=1.0)
    gradient = torch.tensor([[[0.0, 0.0]], [[float("inf"), 1.0]], [[0.0, 2.0]]])
    assert adversary._step(gradient).tolist() == [[[0, 0]], [[0, 0]], [[0, 1]]]
    with pytest.raises(RuntimeError, match="watch"), adversary.attacking():
        pass


def test_average_by_hand(tmp_path: Path) -> None:
    network = nn.Linear(1, 1, bias=False)
    average = WeightAverage(network, decay=0.2)
    values = [1.0, 3.0, 5.0, 9.0]
    for value in values:
        network.weight.data.fill_(value)
        average.update(network)
    wanted = 1.0  # the first update takes the weights as they are
    wanted = wanted * 2 / 11 + 3.0 * 9 / 11
    wanted = wanted * 0.2 + 5.0 * 0.8  # 3/12 is above the decay
    wanted = wanted * 0.2 + 9.0 * 0.8
    assert float(average.network.weight) == pytest.approx(wanted)
    average.save(tmp_path / "a.safetensors")
    other = WeightAverage(network, decay=0.2)
    other.load(tmp_path / "a.safetensors")
    for one in (average, other):
        one.update(network)
    assert torch.equal(average.network.weight, other.network.weight)


def test_rates_fall_from_layer_to_layer(tmp_path: Path) -> None:
    falling = config(("a.jsonl", "b.jsonl"), tmp_path, layer_decay=0.5, learning_rate=0.08)
    names = {
        "classifier.weight": 5e-3,
        "crf.transitions": 5e-3,
        "bert.encoder.layer.2.output.dense.weight": 0.08,
        "bert.encoder.layer.1.attention.self.query.bias": 0.04,
        "bert.encoder.layer.0.output.LayerNorm.weight": 0.02,
        "bert.embeddings.word_embeddings.weight": 0.01,
        "bert.embeddings.LayerNorm.bias": 0.01,
    }
    assert {name: rate_of(name, falling, layers=3) for name in names} == pytest.approx(names)
    even = config(("a.jsonl", "b.jsonl"), tmp_path)
    assert {rate_of(name, even, 3) for name in names} == {5e-3}
