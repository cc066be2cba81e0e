"""Characters, tags, windows and decoding."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from zhibiao.characters import CharacterEncoder
from zhibiao.decoder import Decoder
from zhibiao.decoding import decode, log_softmax, viterbi
from zhibiao.spans import LABELS, Span
from zhibiao.tagging import TAGS, spans_to_tags, tags_to_spans
from zhibiao.windows import split_windows

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def wordpiece(words: list[str], *, bert: bool) -> CharacterEncoder:
    vocabulary = {token: number for number, token in enumerate([*SPECIAL, *words])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    if bert:
        tokenizer.normalizer = normalizers.BertNormalizer()
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return CharacterEncoder(tokenizer)


NASTY = "2016年5℃100m“引号”𠮷😀é\u3000\t\n\u00a0１２３％ A\ud800"


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(list("201年5℃m“引号”１２３％a"), id="characters"),
        pytest.param(["2016", "100", "##1", "2", "0", "1", "6", "年", "a"], id="merged digits"),
        pytest.param(["年"], id="almost all unknown"),
        pytest.param(["▁", "年", "[unused1]"], id="placeholder"),
    ],
)
@pytest.mark.parametrize("bert", [True, False])
def test_one_token_per_character(words: list[str], bert: bool) -> None:
    encoder = wordpiece(words, bert=bert)
    ids = encoder.encode(NASTY)
    assert len(ids) == len(NASTY)
    assert (ids >= 0).all()
    assert np.array_equal(ids, np.concatenate([encoder.encode(c) for c in NASTY]))


def test_merged_digits_are_split() -> None:
    encoder = wordpiece(["2016", "2", "0", "1", "6", "年"], bert=True)
    assert encoder.encode("2016年").tolist() == [6, 7, 8, 9, 10]


def test_white_space_has_a_token_and_case_folds() -> None:
    encoder = wordpiece(["▁", "a"], bert=True)
    assert encoder.encode(" \u3000A").tolist() == [5, 5, 6]
    assert encoder.encode("\ud800").tolist() == [encoder.unknown]


def test_tags_round_trip() -> None:
    spans = [Span(0, 2, "指标"), Span(2, 3, "指标"), Span(4, 6, "机构")]
    tags = spans_to_tags(7, spans)
    assert [TAGS[t] for t in tags] == ["B-指标", "I-指标", "B-指标", "O", "B-机构", "I-机构", "O"]
    assert tags_to_spans(tags) == spans


@pytest.mark.parametrize("names", [["I-指标"], ["O", "I-指标"], ["B-机构", "I-指标"]])
def test_stray_inside_tag(names: list[str]) -> None:
    with pytest.raises(ValueError, match="continues nothing"):
        tags_to_spans([TAGS.index(name) for name in names])


@given(st.text(st.sampled_from("一。；，\n甲"), max_size=300), st.integers(1, 60), st.data())
def test_windows_tile_the_text(text: str, size: int, data: st.DataObject) -> None:
    overlap = data.draw(st.integers(0, size // 2))
    windows = split_windows(text, size, overlap)
    kept = "".join(text[w.keep_start : w.keep_end] for w in windows)
    assert kept == text
    for window in windows:
        assert window.start <= window.keep_start <= window.keep_end <= window.end
        assert window.end - window.start <= size


def test_windows_end_at_sentences() -> None:
    text = "甲" * 90 + "。" + "乙" * 60
    first, *_ = split_windows(text, 100, 20)
    assert first.end == 91


def test_window_arguments() -> None:
    with pytest.raises(ValueError, match="overlap"):
        split_windows("甲", 10, 6)


def brute_force(scores: np.ndarray[Any, Any], touching: bool = True) -> float:
    best = {tag: scores[0, tag] for tag in range(13) if not TAGS[tag].startswith("I-")}
    for row in scores[1:]:
        step: dict[int, float] = {}
        for tag in range(13):
            name = TAGS[tag]
            allowed = [
                score
                for before, score in best.items()
                if (not name.startswith("I-") or TAGS[before][1:] == name[1:])
                and (touching or not name.startswith("B-") or TAGS[before][1:] != name[1:])
            ]
            if allowed:
                step[tag] = max(allowed) + row[tag]
        best = step
    return float(max(best.values()))


@settings(deadline=None, max_examples=300)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 24),
    st.sampled_from([0.3, 1.0, 4.0]),
    st.booleans(),
)
def test_fast_decoding_is_the_best_valid_sequence(
    seed: int, length: int, scale: float, touching: bool
) -> None:
    rng = np.random.default_rng(seed)
    scores = log_softmax((rng.normal(size=(length, 13)) * scale).astype(np.float32))
    if seed % 2:  # few labels, so that the same one meets itself often
        scores[:, 5:] -= 6
    wanted = brute_force(scores, touching)
    spans = decode(scores, touching=touching)
    if not touching:
        assert all(a.end < b.start or a.label != b.label for a, b in pairwise(spans))
    tags = spans_to_tags(length, spans)
    assert scores[np.arange(length), tags].sum() == pytest.approx(wanted, abs=1e-3)
    full = viterbi(scores, touching=touching)
    assert scores[np.arange(length), full].sum() == pytest.approx(wanted, abs=1e-3)


def test_a_lone_character_needs_a_score_of_its_own() -> None:
    decoder = Decoder(thresholds={"指标": 0.5}, lone={"指标": 0.9, "数值": 0.4})
    spans = [
        Span(0, 1, "指标", 0.8),
        Span(1, 2, "指标", 0.95),
        Span(2, 4, "指标", 0.6),
        Span(4, 6, "指标", 0.4),
        Span(6, 7, "数值", 0.3),
        Span(7, 8, "单位", 0.1),
    ]
    assert decoder.kept(spans) == [spans[1], spans[2], spans[5]]


def test_transitions_change_the_answer() -> None:
    scores = log_softmax(np.zeros((2, 13), dtype=np.float32))
    scores[:, TAGS.index("B-指标")] += 1.0
    transitions = np.zeros((13, 13), dtype=np.float32)
    transitions[TAGS.index("B-指标"), TAGS.index("I-指标")] = 5.0
    assert [(s.start, s.end) for s in decode(scores)] == [(0, 1), (1, 2)]
    assert [(s.start, s.end) for s in decode(scores, transitions)] == [(0, 2)]


def test_score_is_the_probability_of_the_whole_span() -> None:
    probabilities = np.full((3, 13), 0.01, dtype=np.float32)
    begin = TAGS.index("B-数值")
    probabilities[0, begin] = 0.8
    probabilities[1, begin + 1] = 0.7
    probabilities[2, 0] = 0.6
    probabilities[2, begin + 1] = 0.1
    (span,) = decode(np.log(probabilities))
    assert (span.start, span.end, span.label) == (0, 2, "数值")
    assert span.score == pytest.approx(0.8 * 0.7 * 0.9, rel=1e-5)


def test_empty_text() -> None:
    assert decode(np.zeros((0, 13), dtype=np.float32)) == []
    assert split_windows("", 10, 2) == []


def test_tags_cover_all_labels() -> None:
    assert ("O", *(f"{p}-{label}" for label in LABELS for p in "BI")) == TAGS
