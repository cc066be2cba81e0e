"""Evaluation against hand-computed figures: scores, intervals, errors, calibration, comparison."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from training import calibrate as calibrate_program
from training import compare_models as compare_program
from training import evaluate_model as evaluate_program
from training.calibrate import calibrate, write_calibration
from training.compare_models import compare
from training.evaluate_model import evaluate
from training.evaluation.alignment import Group, align
from training.evaluation.boundaries import boundary_errors, edge_strings
from training.evaluation.calibration import (
    calibration,
    expected_calibration_error,
    fit_temperature,
)
from training.evaluation.comparison import compare_outcomes
from training.evaluation.confusion import confusion, error_kinds
from training.evaluation.error_page import write_page
from training.evaluation.intervals import count_reports, intervals, resampled_scores
from training.evaluation.mistakes import find_mistakes
from training.evaluation.outcome import Outcome, read_outcomes, retempered
from training.evaluation.partial import partial_scores
from training.evaluation.slices import by_genre, by_length
from training.evaluation.summary import Fit, summarise
from training.evaluation.thresholds import label_thresholds
from training.weights import tiny_encoder
from zhibiao import Extractor, FormatError, ModelError, Report, Span, ZhibiaoError, write_jsonl
from zhibiao.characters import CharacterEncoder
from zhibiao.decoder import Decoder
from zhibiao.decoding import decode, log_softmax
from zhibiao.metrics import score_reports
from zhibiao.model_directory import EMBEDDED_MODEL, ModelDirectory
from zhibiao.spans import LABELS
from zhibiao.tagging import spans_to_tags
from zhibiao.windows import split_windows

# The rule's whole knowledge: what each character is tagged, wherever it stands.
RULE = {"专": 3, "利": 4, "申": 4, "请": 4, "量": 4, "一": 5, "〇": 6, "件": 7, "甲": 1}
SENTENCE = "共专利申请量一〇〇件，"
ENTITIES = [Span(1, 6, "指标"), Span(6, 9, "数值"), Span(9, 10, "单位")]


class RuleBackend:
    """Tags by :data:`RULE`, seeing only the windows it is given."""

    def __init__(self, characters: CharacterEncoder) -> None:
        self._tags = {int(characters.encode(c)[0]): tag for c, tag in RULE.items()}

    def __call__(
        self, input_ids: npt.NDArray[np.int64], attention_mask: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        logits = np.zeros((*input_ids.shape, 13), dtype=np.float32)
        for row, column in np.ndindex(*input_ids.shape):
            logits[row, column, self._tags.get(int(input_ids[row, column]), 0)] = 6.0
        return logits


@pytest.fixture(scope="module")
def ruled(tmp_path_factory: pytest.TempPathFactory) -> Extractor:
    """An extractor that follows the rule through windows of 12 characters."""
    directory = tiny_encoder(tmp_path_factory.mktemp("rule"), [SENTENCE + "甲乙丙来。"])
    characters = CharacterEncoder.from_directory(directory)
    settings = ModelDirectory(directory, name="rule", window=12, overlap=6, positions=64)
    return Extractor(RuleBackend(characters), characters, settings, threads=1)


def long_report(name: str = "r", genre: str = "") -> Report:
    """Four sentences that the rule gets, an organisation that it misses, one that it invents."""
    spans = [span.shifted(len(SENTENCE) * i) for i in range(4) for span in ENTITIES]
    spans.append(Span(44, 46, "机构"))
    return Report(
        name, SENTENCE * 4 + "乙丙来甲。", tuple(spans), {"genre": genre} if genre else {}
    )


@pytest.fixture(scope="module")
def doubtful(embedded: Extractor) -> list[Report]:
    """Reports whose gold is what the embedded model finds, but for every fourth span.

    So most of its spans are right and some are not, whatever its weights are.
    """
    reports = []
    for number, year in enumerate((2016, 2017, 2018)):
        text = (
            f"{year}年，县科技局与恒川机电有限公司合作，专利申请量达813件，同比增长78.5%。"
            f"全年实现工业产值12.5亿元，新增高新技术企业15家，发放宣传资料3000余份。"
        )
        spans = embedded.extract(text)
        kept = [Span(*span.key) for place, span in enumerate(spans) if place % 4 != number]
        reports.append(Report(f"d{number}", text, tuple(kept)))
    return reports


def outcome(
    gold: Sequence[Span], found: Sequence[Span], text: str = "字" * 40, name: str = "r"
) -> Outcome:
    """An outcome whose candidates are given, for measures that read no probabilities."""
    rows = np.full((len(text), 13), -np.log(13), dtype=np.float32)
    return Outcome(Report(name, text, tuple(gold)), Decoder(), rows, tuple(found))


# Scores


def test_hand_computed_scores_across_windows(ruled: Extractor) -> None:
    report = long_report()
    windows = split_windows(report.text, 12, 6)
    edges = {window.keep_start for window in windows}
    assert any(span.start < edge < span.end for span in report.spans for edge in edges)
    result = evaluate(ruled, [report])
    micro = result["micro"]
    assert (micro["right"], micro["predicted"], micro["gold"]) == (12, 13, 13)
    assert micro["f1"] == round(12 / 13, 4)
    assert result["seqeval_f1"] == micro["f1"]
    assert [result["labels"][label]["f1"] for label in ("指标", "数值", "单位", "机构")] == [
        1,
        1,
        1,
        0,
    ]
    assert result["macro_f1"] == 0.75
    assert result["lost_gold_spans"] == 0


def test_spans_longer_than_windows_are_counted_as_lost(ruled: Extractor) -> None:
    name = "专" + "利" * 14
    report = Report("r", f"共{name}一件。", (Span(1, 16, "指标"), Span(16, 17, "数值")))
    assert evaluate(ruled, [report])["lost_gold_spans"] == 1


def test_evaluation_sees_what_prediction_gives(tiny_model: Path) -> None:
    extractor = Extractor.from_pretrained(tiny_model)
    reports = [long_report("a"), Report("empty", ""), Report("b", "科技局2016年" * 30)]
    outcomes = read_outcomes(extractor, reports)
    assert [list(o.predicted) for o in outcomes] == list(
        extractor.extract_many(report.text for report in reports)
    )
    assert sum(len(o.predicted) for o in outcomes) > 10
    for o in outcomes:
        for span in o.candidates:
            assert o.decoder.scores(o.log_probabilities, [span])[0] == pytest.approx(
                span.score, rel=1e-4, abs=1e-6
            )


def test_both_seqeval_arguments_are_set(ruled: Extractor, monkeypatch: pytest.MonkeyPatch) -> None:
    import seqeval.metrics

    real = seqeval.metrics.f1_score
    seen: dict[str, Any] = {}

    def spy(*tags: Any, **arguments: Any) -> float:
        seen.update(arguments)
        return float(real(*tags, **arguments))

    monkeypatch.setattr(seqeval.metrics, "f1_score", spy)
    evaluate(ruled, [long_report()])
    # An I- that continues nothing: no entity in IOB2, but seqeval's default mode forgives it.
    gold, found = [["B-指标", "I-指标", "O"]], [["I-指标", "I-指标", "O"]]
    assert real(gold, found, **seen) == 0.0
    for missing in ("mode", "scheme"):
        lenient = {key: value for key, value in seen.items() if key != missing}
        assert len(lenient) == len(seen) - 1
        assert real(gold, found, **(lenient if missing == "mode" else {})) == 1.0


def test_bad_input(ruled: Extractor) -> None:
    with pytest.raises(FormatError, match="no reports to evaluate"):
        evaluate(ruled, [])
    strange = Report("r", "某地", (Span(0, 2, "地名"),), labels=("地名",))
    with pytest.raises(FormatError, match="report r: the model does not know the label '地名'"):
        evaluate(ruled, [strange])


def test_another_label_set(tmp_path: Path) -> None:
    labels = ("地名", "人名")
    characters = CharacterEncoder.from_directory(tiny_encoder(tmp_path, ["甲乙丙来。"]))
    known = {int(characters.encode(c)[0]): tag for c, tag in {"甲": 1, "乙": 2, "丙": 3}.items()}

    def backend(
        input_ids: npt.NDArray[np.int64], attention_mask: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        tags = np.vectorize(lambda token: known.get(token, 0))(input_ids)
        return np.asarray(np.eye(5)[tags] * 6, dtype=np.float32)

    settings = ModelDirectory(tmp_path, window=12, overlap=6, positions=64, labels=labels)
    extractor = Extractor(backend, characters, settings, threads=1)
    report = Report("r", "甲乙来丙。", (Span(0, 2, "地名"), Span(3, 5, "人名")), labels=labels)
    result = evaluate(extractor, [report])
    assert result["micro"]["f1"] == result["seqeval_f1"] == 0.5
    assert result["labels"].keys() == set(labels)
    assert result["confusion"]["人名"] == {"地名": 0, "人名": 1, "O": 0}
    assert result["boundaries"]["人名"]["shapes"]["right_shorter"] == 1


def test_partial_scores_on_a_hand_example() -> None:
    # One right; one of whose right edge is short; one of another label; one missed; one invented.
    gold = [Span(0, 2, "指标"), Span(3, 7, "指标"), Span(8, 10, "机构"), Span(11, 12, "单位")]
    found = [Span(0, 2, "指标"), Span(3, 6, "指标"), Span(8, 10, "企业名"), Span(20, 21, "年份")]
    scores = partial_scores(align(gold, found), LABELS)
    strict = score_reports([(gold, found)])
    assert scores["strict"]["f1"] == round(strict.micro.f1, 4) == 0.25
    assert scores["exact"]["f1"] == 0.5
    assert scores["partial"]["f1"] == 0.625  # 2 whole, half of 1, of 4
    assert scores["type"]["f1"] == 0.5
    for label, counts in strict.labels.items():
        theirs = scores["strict"]["labels"].get(label)
        if counts.gold or counts.predicted:
            assert theirs["f1"] == round(counts.f1, 4)
            assert theirs["precision"] == round(counts.precision, 4)
        else:
            assert theirs is None


def test_slices(ruled: Extractor) -> None:
    good = [
        Report(f"g{i}", SENTENCE * i, tuple(s.shifted(11 * k) for k in range(i) for s in ENTITIES))
        for i in (1, 2, 3)
    ]
    result = evaluate(ruled, [*good, long_report("b", "公报")])
    assert [(r["name"], r["reports"], r["micro"]["f1"]) for r in result["genres"]] == [
        ("-", 3, 1.0),
        ("公报", 1, round(12 / 13, 4)),
    ]
    lengths = [(row["from"], row["to"], row["reports"]) for row in result["lengths"]]
    assert lengths == [(11, 11, 1), (22, 33, 2), (49, 49, 1)]
    assert sum(row["micro"]["gold"] for row in result["lengths"]) == result["micro"]["gold"]


# Intervals


def test_equal_reports_give_intervals_of_no_width() -> None:
    pair = ([Span(0, 2, "指标"), Span(3, 4, "数值")], [Span(0, 2, "指标"), Span(3, 5, "数值")])
    found = intervals(count_reports([pair] * 12, LABELS), LABELS, 300, 1)
    assert found["micro"] == {"precision": [0.5, 0.5], "recall": [0.5, 0.5], "f1": [0.5, 0.5]}
    assert found["macro_f1"] == [0.5, 0.5]
    assert found["labels"]["指标"]["f1"] == [1.0, 1.0]
    assert found["labels"]["数值"]["f1"] == [0.0, 0.0]
    assert found["labels"]["年份"]["f1"] is None
    assert found["trusted"] is True
    assert (found["labels"]["指标"]["reports"], found["labels"]["年份"]["reports"]) == (12, 0)


def test_intervals_of_two_reports_follow_the_binomial() -> None:
    """One report all right, one all wrong: F1 is 0, 1/2 or 1 with chances 1/4, 1/2, 1/4."""
    pairs = [
        ([Span(0, 2, "指标")], [Span(0, 2, "指标")]),
        ([Span(0, 2, "指标")], [Span(3, 4, "指标")]),
    ]
    counts = count_reports(pairs, LABELS)
    drawn = resampled_scores(counts, 4000, 7)["micro"][:, 2]
    shares = [float((drawn == value).mean()) for value in (0.0, 0.5, 1.0)]
    assert shares == pytest.approx([0.25, 0.5, 0.25], abs=0.03)
    found = intervals(counts, LABELS, 4000, 7)
    assert found["micro"]["f1"] == [0.0, 1.0]
    assert found["trusted"] is False
    assert intervals(counts, LABELS, 4000, 7) == found


def test_resamples_do_not_depend_on_how_they_are_batched(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(3)
    counts = np.sort(generator.integers(0, 9, (20, 6, 3)), axis=2)
    whole = resampled_scores(counts, 50, 5)
    monkeypatch.setattr("training.evaluation.intervals._CELLS", 140)
    parts = resampled_scores(counts, 50, 5)
    for name, values in whole.items():
        assert np.array_equal(values, parts[name], equal_nan=True)


# Errors


@pytest.mark.parametrize(
    ("gold", "found", "kind", "shape"),
    [
        ([(2, 6, "指标")], [(2, 6, "指标")], "right", ""),
        ([(2, 6, "指标")], [(2, 6, "机构")], "label", ""),
        ([(2, 6, "指标")], [], "missed", ""),
        ([], [(2, 6, "指标")], "spurious", ""),
        ([(2, 6, "指标")], [(1, 6, "指标")], "boundary", "left_longer"),
        ([(2, 6, "指标")], [(3, 6, "指标")], "boundary", "left_shorter"),
        ([(2, 6, "指标")], [(2, 7, "指标")], "boundary", "right_longer"),
        ([(2, 6, "指标")], [(2, 5, "指标")], "boundary", "right_shorter"),
        ([(2, 6, "指标")], [(1, 5, "指标")], "boundary", "both_edges"),
        ([(2, 6, "指标")], [(1, 5, "机构")], "both", "both_edges"),
        ([(2, 6, "指标")], [(2, 4, "指标"), (4, 6, "指标")], "boundary", "split"),
        ([(2, 4, "指标"), (5, 6, "指标")], [(2, 6, "指标")], "boundary", "merged"),
        ([(2, 4, "指标"), (5, 8, "机构")], [(2, 6, "指标"), (7, 8, "机构")], "both", "tangled"),
    ],
)
def test_kinds_and_shapes(
    gold: list[tuple[int, int, str]], found: list[tuple[int, int, str]], kind: str, shape: str
) -> None:
    (group,) = align([Span(*item) for item in gold], [Span(*item) for item in found])
    assert (group.kind, group.shape) == (kind, shape)


def test_confusion_has_the_margins_of_the_spans() -> None:
    gold = [Span(0, 4, "指标"), Span(5, 8, "机构"), Span(9, 15, "指标"), Span(20, 22, "年份")]
    found = [
        *(Span(0, 3, "指标"), Span(5, 8, "企业名"), Span(9, 11, "机构"), Span(11, 15, "指标")),
        Span(30, 31, "数值"),
    ]
    groups = list(align(gold, found))
    table = confusion(groups, LABELS)
    assert table["指标"]["指标"] == 2  # the longer overlap counts, not the first
    assert table["机构"]["企业名"] == 1
    assert table["年份"]["O"] == 1
    assert table["O"]["机构"] == table["O"]["数值"] == 1
    for label in LABELS:
        assert sum(table[label].values()) == sum(s.label == label for s in gold)
        assert sum(row[label] for row in table.values()) == sum(s.label == label for s in found)
    kinds = error_kinds(groups, LABELS)
    assert kinds["total"] == {"label": 1, "boundary": 1, "both": 1, "missed": 1, "spurious": 1}
    assert kinds["labels"]["机构"] == {
        **dict.fromkeys(kinds["total"], 0),
        **{"label": 1, "both": 1},
    }


def test_edge_strings() -> None:
    text = "全市新增专利授权量，全市专利申请量和授权量"

    def edges(gold: list[Span], found: list[Span]) -> list[tuple[str, str, str]]:
        return list(edge_strings(text, Group(tuple(gold), tuple(found))))

    wanted = Span(4, 9, "指标")
    assert edges([wanted], [Span(2, 9, "指标")]) == [("left", "extra", "新增")]
    assert edges([wanted], [Span(6, 9, "指标")]) == [("left", "missing", "专利")]
    assert edges([wanted], [Span(2, 8, "指标")]) == [
        ("left", "extra", "新增"),
        ("right", "missing", "量"),
    ]
    parts = [Span(12, 17, "指标"), Span(18, 21, "指标")]
    assert edges([Span(12, 21, "指标")], parts) == [("inside", "missing", "和")]
    assert edges(parts, [Span(12, 21, "指标")]) == [("inside", "extra", "和")]
    groups = [
        Group((wanted,), (Span(2, 9, "指标"),)),
        Group((wanted,), (Span(2, 8, "指标"),)),
        Group((wanted,), (Span(2, 9, "机构"),)),  # another label: not a boundary error
    ]
    found = boundary_errors(((text, group) for group in groups), LABELS)["指标"]
    assert found["shapes"]["left_longer"] == found["shapes"]["both_edges"] == 1
    first, second = found["strings"]
    assert first == {"side": "left", "change": "extra", "string": "新增", "count": 2}
    assert second["string"] == "量"


def test_mistakes_know_how_sure_the_model_was(ruled: Extractor) -> None:
    (missed, invented) = find_mistakes(read_outcomes(ruled, [long_report()]))
    # Twelve tags at 0, one at 6: the likeliest has e^6 / (e^6 + 12), another 1 / (e^6 + 12).
    high, low = np.exp(6) / (np.exp(6) + 12), 1 / (np.exp(6) + 12)
    assert missed.group.kind == "missed"
    assert missed.confidence == pytest.approx(1 - low * low * (1 - low))
    assert invented.group.kind == "spurious"
    assert invented.confidence == pytest.approx(high * (1 - low))
    details = invented.to_dict()
    assert details["predicted"][0]["text"] == "甲"
    assert details["gold"] == []


# Calibration


def test_hand_computed_calibration_error() -> None:
    # Bins of 1/15: 0.95 and 0.96 fall in the last, 0.50 in the eighth.
    confidence = np.array([0.95, 0.96, 0.50, 0.50])
    right = np.array([True, False, True, True])
    found = expected_calibration_error(confidence, right)
    # 2/4 of |0.955 - 0.5| and 2/4 of |0.5 - 1|
    assert found["error"] == pytest.approx(0.5 * 0.455 + 0.5 * 0.5)
    assert [(b["count"], b["accuracy"]) for b in found["bins"]] == [(2, 1.0), (2, 0.5)]
    assert found["bins"][1]["low"] == round(14 / 15, 4)
    border = expected_calibration_error(np.array([1 / 3, 0.0]), np.array([True, False]))
    assert [(b["low"], b["high"]) for b in border["bins"]] == [
        (0.0, round(1 / 15, 4)),
        (round(4 / 15, 4), round(1 / 3, 4)),
    ]
    nothing = expected_calibration_error(np.array([]), np.array([], dtype=np.bool_))
    assert (nothing["error"], nothing["bins"]) == (0.0, [])


def drawn_outcome(sharpen: float, length: int = 4000) -> Outcome:
    """Gold drawn from probabilities that the model then states ``sharpen`` times too surely."""
    generator = np.random.default_rng(11)
    logits = generator.normal(0, 2, (length, 13)).astype(np.float32)
    logits[:, 2::2] = -30  # only O and B-, so that any drawn tags are spans
    chances = np.exp(log_softmax(logits))
    tags = np.array([generator.choice(13, p=row / row.sum()) for row in chances.astype(float)])
    spans = tuple(Span(i, i + 1, LABELS[tag // 2]) for i, tag in enumerate(tags.tolist()) if tag)
    rows = log_softmax(logits * np.float32(sharpen))
    report = Report("r", "字" * length, spans)
    return Outcome(report, Decoder(), rows, tuple(decode(rows)))


@pytest.mark.parametrize("target", ["characters", "spans"])
def test_the_fitted_temperature_is_the_one_that_was_planted(target: str) -> None:
    outcomes = [drawn_outcome(2.5)]
    factor = fit_temperature(outcomes, target)
    assert factor == pytest.approx(2.5, rel=0.08)
    before = calibration(outcomes)
    after = calibration([retempered(o, factor) for o in outcomes])
    for part in ("characters", "spans"):
        assert before[part]["error"] > 0.1
        assert after[part]["error"] < 0.04
    assert after["negative_log_likelihood"] < before["negative_log_likelihood"]


def test_temperature_moves_scores_and_not_spans() -> None:
    hot = drawn_outcome(1.0, 300)
    warm = retempered(hot, 3.0)
    assert [s.key for s in warm.candidates] == [s.key for s in hot.candidates]
    assert max(s.score for s in warm.candidates) < max(s.score for s in hot.candidates)
    assert retempered(warm, 1 / 3.0).log_probabilities == pytest.approx(
        hot.log_probabilities, abs=1e-4
    )


def test_a_temperature_needs_gold_and_errors(ruled: Extractor) -> None:
    with pytest.raises(ZhibiaoError, match="no gold spans"):
        fit_temperature(read_outcomes(ruled, [Report("r", SENTENCE)]))
    perfect = Report("r", SENTENCE, tuple(ENTITIES))
    with pytest.raises(ZhibiaoError, match=r"\(almost\) never wrong"):
        fit_temperature(read_outcomes(ruled, [perfect]), "characters")


def test_negative_log_likelihood_by_hand(ruled: Extractor) -> None:
    outcomes = read_outcomes(ruled, [long_report()])
    high, low = np.exp(6) / (np.exp(6) + 12), 1 / (np.exp(6) + 12)
    wrong = 3  # 乙, 丙 and 甲
    expected = -((49 - wrong) * np.log(high) + wrong * np.log(low)) / 49
    assert calibration(outcomes)["negative_log_likelihood"] == pytest.approx(expected, abs=1e-5)


# Thresholds


def test_thresholds_on_a_hand_example() -> None:
    scores = [(0.9, True), (0.8, True), (0.7, False), (0.6, True), (0.5, False)]
    gold = [Span(2 * i, 2 * i + 1, "指标") for i, (_, right) in enumerate(scores) if right]
    gold.append(Span(30, 31, "指标"))
    found = [Span(2 * i, 2 * i + 1, "指标", score) for i, (score, _) in enumerate(scores)]
    row = label_thresholds([outcome(gold, found)], 0.75)["指标"]
    assert row["threshold"] == pytest.approx(0.55)  # 3 of 4 right, though 2 of 3 are too few
    assert (row["precision"], row["recall"]) == (0.75, 0.75)
    assert (row["precision_before"], row["recall_before"]) == (0.6, 0.75)
    assert row["few"] is True
    # Wilson 1927 for 3 of 4: (0.75 + 0.4802 - 1.96 sqrt(0.0469 + 0.0600)) / 1.9604
    assert row["precision_low"] == pytest.approx(0.3006, abs=1e-3)
    assert label_thresholds([outcome(gold, found)], 0.95)["指标"]["threshold"] == pytest.approx(
        0.75
    )
    assert label_thresholds([outcome(gold, found)], 0.6)["指标"]["threshold"] == 0.0
    assert label_thresholds([outcome([], found)], 0.5)["指标"]["threshold"] is None
    with pytest.raises(ZhibiaoError, match="wanted precision 95"):
        label_thresholds([outcome(gold, found)], 95)


def test_spans_of_equal_scores_stay_together() -> None:
    gold = [Span(0, 1, "指标")]
    found = [Span(0, 1, "指标", 0.9), Span(2, 3, "指标", 0.9), Span(4, 5, "指标", 0.2)]
    assert label_thresholds([outcome(gold, found)], 0.8)["指标"]["threshold"] is None


# Comparison


def some_outcomes(wrong: set[int]) -> list[Outcome]:
    gold = [Span(0, 2, "指标"), Span(3, 5, "数值")]
    return [
        outcome(gold, [gold[0]] if number in wrong else gold, name=f"r{number}")
        for number in range(20)
    ]


def test_a_model_against_itself() -> None:
    model = some_outcomes({1, 4})
    found = compare_outcomes(model, model, resamples=200)
    for row in (found["micro"], found["macro_f1"], found["labels"]["数值"]):
        assert row["difference"] == 0
        assert row["p"] == 1
        assert row["interval"] == [0, 0]
        assert (row["share_b_better"], row["share_equal"]) == (0, 1)
    assert found["labels"]["年份"]["p"] is None
    assert found["only_a"]["count"] == found["only_b"]["count"] == 0
    assert (found["both"], found["neither"]) == (38, 2)


def test_a_model_that_is_better_everywhere() -> None:
    worse, better = some_outcomes(set(range(20))), some_outcomes(set())
    found = compare_outcomes(worse, better, resamples=199)
    assert found["micro"]["a"] == round(2 / 3, 4)
    assert found["micro"]["difference"] == round(1 / 3, 4)
    assert found["micro"]["share_b_better"] == 1
    assert found["micro"]["p"] == round(1 / 200, 4)
    assert found["labels"]["指标"]["p"] == 1
    assert found["only_b"]["labels"]["数值"] == 20
    assert len(found["only_b"]["examples"]) == 20
    assert found["only_b"]["examples"][0]["report"] == "r0"
    back = compare_outcomes(better, worse, resamples=199)
    assert back["micro"]["difference"] == -found["micro"]["difference"]
    assert back["micro"]["share_b_better"] == 0


def test_comparison_wants_the_same_reports() -> None:
    with pytest.raises(FormatError, match="same reports"):
        compare_outcomes(some_outcomes(set()), some_outcomes(set())[:-1])


# The page and the programs


def test_the_page_escapes_and_bounds(ruled: Extractor, tmp_path: Path) -> None:
    text = "乙丙</script><b>\u202e甲" + SENTENCE
    reports = [
        Report(f'<img src="{i}">', text, (Span(0, 2, "机构"),), {"genre": "<i>"}) for i in "ab"
    ]
    outcomes = read_outcomes(ruled, reports)
    mistakes = {"a&b": find_mistakes(outcomes)}
    results = {"a&b": summarise(ruled, outcomes, Fit("v", 1.5, precision=0.9), resamples=20)}
    write_page(tmp_path / "p.html", results, mistakes, LABELS)
    page = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert page.count("</script>") == 1
    assert "<img" not in page
    assert "<i>" not in page
    assert "⟨U+202E⟩" in page
    assert "\u202e" not in page
    assert page.count('<article class="error"') == len(mistakes["a&b"]) == 10
    assert "http" not in re.sub("http-equiv", "", page)
    write_page(tmp_path / "p.html", results, mistakes, LABELS, limit=3)
    page = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert page.count('<article class="error"') == 3
    assert "略去 7 处" in page


def test_evaluate_program(embedded: Extractor, doubtful: list[Report], tmp_path: Path) -> None:
    data = str(tmp_path / "d.jsonl")
    write_jsonl(data, doubtful)
    argv = ["--data", data, "--validation", data, "--precision", "0.9"]
    argv += ["--resamples", "50", "--target", "characters"]
    argv += ["--json", str(tmp_path / "r.json"), "--html", str(tmp_path / "r.html")]
    evaluate_program.main(argv)
    result = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))[data]
    direct = evaluate(embedded, doubtful)
    assert result.keys() == direct.keys()
    assert result["micro"] == direct["micro"]
    assert result["calibration"]["before"] == direct["calibration"]["before"]
    assert result["calibration"]["target"] == "characters"
    assert result["intervals"]["resamples"] == 50
    assert set(result["thresholds"]["labels"]) == set(LABELS)
    assert "逐处错误" in (tmp_path / "r.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--data", "nowhere.jsonl"], "nowhere.jsonl: cannot be opened"),
        (["--data", "d.jsonl", "--precision", "0.9"], "--precision needs --validation"),
        (["--data", "d.jsonl", "--resamples", "0"], "--resamples must be at least 1"),
        (["--model", "nowhere", "--data", "d.jsonl"], "nowhere: no such model directory"),
    ],
)
def test_wrong_use(
    argv: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with pytest.raises(SystemExit) as caught:
        evaluate_program.main(argv)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_compare_program(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = str(tmp_path / "d.jsonl")
    write_jsonl(data, [long_report("a"), long_report("b")])
    argv = [str(tiny_model), "embedded", "--data", data, "--resamples", "50"]
    compare_program.main([*argv, "--json", str(tmp_path / "c.json")])
    result = json.loads((tmp_path / "c.json").read_text(encoding="utf-8"))[data]
    assert result["model_a"]["name"] == "tiny"
    gold = result["both"] + result["neither"]
    gold += result["only_a"]["count"] + result["only_b"]["count"]
    assert gold == 26
    assert "intervals and p say little" in capsys.readouterr().out


def test_compare_models(ruled: Extractor) -> None:
    found = compare(ruled, ruled, [long_report()], resamples=30)
    assert found["micro"]["p"] == 1
    assert found["model_b"] == ruled.info


def model_copy(directory: Path) -> Path:
    """The embedded model in a folder of its own, the large files as links."""
    directory.mkdir()
    for path in EMBEDDED_MODEL.iterdir():
        if path.name != "zhibiao.json":
            (directory / path.name).symlink_to(path)
    shutil.copy(EMBEDDED_MODEL / "zhibiao.json", directory)
    return directory


def settings_of(model: Path) -> dict[str, Any]:
    settings: dict[str, Any] = json.loads((model / "zhibiao.json").read_text(encoding="utf-8"))
    return settings


def test_calibrate_program(doubtful: list[Report], tmp_path: Path) -> None:
    model = model_copy(tmp_path / "m")
    data = str(tmp_path / "d.jsonl")
    write_jsonl(data, doubtful)
    write_calibration(model, {"temperature": 0.5, "thresholds": {}})
    before = settings_of(model)
    calibrate_program.main([str(model), "--data", data, "--dry-run"])
    assert settings_of(model) == before
    calibrate_program.main([str(model), "--data", data])
    after = settings_of(model)
    assert after["temperature"] > 1  # a quarter of what it is sure of is wrong
    assert after["thresholds"] == {}
    ours = {"temperature", "thresholds", "calibration"}
    assert {key: after[key] for key in before.keys() - ours} == {
        key: before[key] for key in before.keys() - ours
    }
    record = after["calibration"]
    assert record["after"]["span_error"] < record["before"]["span_error"]
    opened = Extractor.from_pretrained(model)
    assert opened.settings.temperature == after["temperature"]
    # A second fit finds nothing left to do.
    again = calibrate(opened, read_outcomes(opened, doubtful), data)
    assert again["temperature"] == pytest.approx(after["temperature"], rel=0.02)


def test_thresholds_are_written_and_not_left_stale(
    doubtful: list[Report], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = model_copy(tmp_path / "m")
    data = str(tmp_path / "d.jsonl")
    write_jsonl(data, doubtful)
    argv = [str(model), "--data", data]
    calibrate_program.main([*argv, "--precision", "1"])
    # Thresholds leave only what is right; a label that none can make precise keeps its spans.
    rows = settings_of(model)["calibration"]["labels"]
    found = Extractor.from_pretrained(model)
    scores = evaluate(found, doubtful)["labels"]
    reached = [label for label, row in rows.items() if row["threshold"]]
    assert set(reached) == set(settings_of(model)["thresholds"])
    for label, row in rows.items():
        if row["threshold"] is not None and row["candidates"]:
            assert scores[label]["precision"] == 1
            assert scores[label]["recall"] == row["recall"]
        else:
            assert scores[label]["recall"] == row["recall_before"]
    write_calibration(model, {"thresholds": {"指标": 0.5}})
    with pytest.raises(SystemExit) as caught:
        calibrate_program.main(argv)
    assert caught.value.code == 2
    assert "--no-thresholds" in capsys.readouterr().err
    calibrate_program.main([*argv, "--no-thresholds"])
    assert settings_of(model)["thresholds"] == {}
    (model / "zhibiao.json").write_text("[")
    with pytest.raises(ModelError, match=r"zhibiao\.json: cannot be read as JSON"):
        write_calibration(model, {})


def test_written_thresholds_give_what_was_promised(ruled: Extractor) -> None:
    """甲 is always wrong, so no threshold makes 机构 precise; the rest needs none."""
    found = calibrate(ruled, read_outcomes(ruled, [long_report()]), "d", 0.9, "characters")
    labels = found["calibration"]["labels"]
    assert found["thresholds"] == {}
    assert labels["机构"]["threshold"] is None
    assert labels["指标"]["threshold"] == 0.0


def test_by_length_of_few_reports() -> None:
    assert len(by_length([outcome([], [])], 10, 1)) == 1
    (row,) = by_genre([outcome([], [])], 10, 1)
    assert row["micro_f1_interval"] is None


def test_gold_tags_match_the_extractors_order(ruled: Extractor) -> None:
    """The rule's tag numbers are those of the label set, or every test here proves nothing."""
    tags = spans_to_tags(len(SENTENCE), ENTITIES)
    assert [RULE.get(c, 0) for c in SENTENCE] == tags.tolist()
