"""Strict scores against hand-computed ones and against seqeval."""

from __future__ import annotations

from typing import Any

import pytest

from zhibiao import Span
from zhibiao.metrics import score_reports, seqeval_f1

GOLD = [Span(0, 2, "指标"), Span(2, 4, "数值"), Span(4, 5, "单位"), Span(8, 11, "机构")]
# One right, one boundary error, one label error, one missed, one invented.
FOUND = [Span(0, 2, "指标"), Span(2, 3, "数值"), Span(4, 5, "指标"), Span(12, 14, "年份")]


def test_hand_computed_scores() -> None:
    scores = score_reports([(GOLD, FOUND), ([Span(0, 1, "数值")], [Span(0, 1, "数值")])])
    assert (scores.micro.right, scores.micro.predicted, scores.micro.gold) == (2, 5, 5)
    assert scores.micro.f1 == pytest.approx(0.4)
    assert scores.labels["指标"].precision == pytest.approx(0.5)
    assert scores.labels["指标"].recall == pytest.approx(1.0)
    assert scores.labels["数值"].f1 == pytest.approx(0.5)
    # 企业名 occurs nowhere and is left out: (2/3 + 1/2 + 0 + 0 + 0) / 5
    assert scores.macro_f1 == pytest.approx((2 / 3 + 1 / 2) / 5)


def test_seqeval_agrees() -> None:
    scores = score_reports([(GOLD, FOUND)])
    assert seqeval_f1([(15, GOLD, FOUND)]) == pytest.approx(scores.micro.f1)


def test_both_seqeval_arguments_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    import seqeval.metrics
    from seqeval.scheme import IOB2

    seen: dict[str, Any] = {}

    def spy(*_: Any, **arguments: Any) -> float:
        seen.update(arguments)
        return 0.0

    monkeypatch.setattr(seqeval.metrics, "f1_score", spy)
    seqeval_f1([(15, GOLD, FOUND)])
    assert seen["mode"] == "strict"
    assert seen["scheme"] is IOB2


def test_nothing_at_all() -> None:
    scores = score_reports([([], [])])
    assert scores.micro.f1 == scores.macro_f1 == 0.0
