"""Spans as regions and back, with every check that the server does not make."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.regions import to_regions, to_spans
from zhibiao import LABELS, Span

TEXT = "青岭县科技局2019年受理专利 36 件。"


def region(start: Any, end: Any, *labels: str, **more: Any) -> dict[str, Any]:
    value = {"start": start, "end": end, "labels": list(labels), **more}
    return {"type": "labels", "from_name": "label", "to_name": "text", "value": value}


def test_there_and_back() -> None:
    spans = (Span(0, 6, "机构", 0.9), Span(6, 11, "年份", 0.75), Span(16, 18, "数值", 0.5))
    checked = to_spans(to_regions(spans), TEXT)
    assert checked.spans == spans
    assert checked.problems == ()


def test_the_text_of_a_region_is_ignored() -> None:
    checked = to_spans([region(6, 11, "年份", text="完全不同\\n的字")], TEXT)
    assert [span.key for span in checked.spans] == [(6, 11, "年份")]
    assert checked.problems == ()


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (region(0, 999, "机构"), "超出正文"),
        (region(-1, 3, "机构"), "超出正文"),
        (region(4, 4, "机构"), "为空"),
        (region(5, 2, "机构"), "为空"),
        (region("0", 6, "机构"), "不是整数"),
        (region(True, 6, "机构"), "不是整数"),
        (region(None, 6, "机构"), "不是整数"),
        (region(0.0, 6, "机构"), "不是整数"),
        (region(0, 6, "地名"), "未知"),
        (region(0, 6), "应恰有一个"),
        (region(0, 6, "机构", "企业名"), "应恰有一个"),
        (region(15, 16, "数值"), "只有空白"),
        ({"type": "labels"}, "不是整数"),
        ({"type": "labels", "value": None}, "不是整数"),
    ],
)
def test_an_impossible_region_is_a_problem_and_the_rest_stays(
    bad: dict[str, Any], said: str
) -> None:
    good = region(6, 11, "年份")
    checked = to_spans([bad, good], TEXT)
    assert [span.key for span in checked.spans] == [(6, 11, "年份")]
    assert len(checked.problems) == 1
    assert said in checked.problems[0]


def test_blank_edges_move_inward_and_are_named() -> None:
    checked = to_spans([region(15, 19, "数值")], TEXT)
    assert [TEXT[s.start : s.end] for s in checked.spans] == ["36"]
    assert "空白" in checked.problems[0]


def test_of_overlapping_regions_the_longest_stays() -> None:
    regions = [region(3, 6, "机构"), region(0, 6, "机构"), region(5, 8, "年份")]
    checked = to_spans(regions, TEXT)
    assert [span.key for span in checked.spans] == [(0, 6, "机构")]
    assert len(checked.problems) == 2
    assert all("重叠" in line for line in checked.problems)


def test_the_same_region_twice_is_one_span() -> None:
    checked = to_spans([region(0, 6, "机构"), region(0, 6, "机构")], TEXT)
    assert len(checked.spans) == 1
    assert "两次" in checked.problems[0]


def test_neighbours_stay_apart() -> None:
    checked = to_spans([region(0, 3, "机构"), region(3, 6, "机构")], TEXT)
    assert [span.key for span in checked.spans] == [(0, 3, "机构"), (3, 6, "机构")]
    assert checked.problems == ()


def test_other_results_are_passed_over() -> None:
    relation = {"type": "relation", "from_id": "a", "to_id": "b"}
    choice = {"type": "choices", "value": {"choices": ["x"]}}
    assert to_spans([relation, choice, "x", None], TEXT) == to_spans([], TEXT)


@given(
    st.text(alphabet=st.characters(codec="utf-8"), max_size=60),
    st.lists(st.tuples(st.integers(-3, 63), st.integers(-3, 63), st.sampled_from(LABELS))),
)
def test_whatever_comes_the_spans_obey_the_rules(
    text: str, raw: list[tuple[int, int, str]]
) -> None:
    from zhibiao.spans import check_spans

    checked = to_spans([region(start, end, label) for start, end, label in raw], text)
    check_spans(text, checked.spans)
    # Nothing vanishes: every region is a span or is named in a line.
    assert len(checked.spans) + len(checked.problems) >= len(raw)
    strange = {span.key for span in checked.spans} - set(raw)
    assert len(strange) <= len(checked.problems)
