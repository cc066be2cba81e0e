"""Spans, report JSONL and tagged text: strict reading, exact round trips."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zhibiao import (
    FormatError,
    Report,
    Span,
    SpanError,
    format_tagged,
    parse_tagged,
    read_jsonl,
    read_tagged,
    write_jsonl,
    write_tagged,
)
from zhibiao.spans import LABELS, check_spans


def test_parse_gives_code_point_offsets() -> None:
    text, spans = parse_tagged("𠮷⟦机构|科技局⟧达⟦数值|3⟧⟦单位|件⟧")
    assert text == "𠮷科技局达3件"
    assert [(s.start, s.end, s.label) for s in spans] == [
        (1, 4, "机构"),
        (5, 6, "数值"),
        (6, 7, "单位"),
    ]


def test_bars_and_escapes_stay() -> None:
    tagged = r"a|b\\⟦机构|市|局⟧\⟦x\⟧"
    text, spans = parse_tagged(tagged)
    assert text == "a|b\\市|局⟦x⟧"
    assert format_tagged(text, spans) == tagged


@pytest.mark.parametrize(
    ("tagged", "message"),
    [
        ("一\n⟦单位|件", "x:2: ⟦ is never closed"),
        ("件⟧", "x:1: ⟧ without ⟦"),
        ("⟦单位|a⟦数值|1⟧⟧", "x:1: ⟦ inside a span"),
        ("⟦地点|县⟧", "unknown label '地点'"),
        ("⟦县⟧", "no label after ⟦"),
        ("a\\n", "a backslash escapes only"),
        ("\n\n⟦单位|件 ⟧", "x:3: an empty span, or white space at its edge"),
        ("⟦单位|⟧", "x:1: an empty span"),
    ],
)
def test_broken_tagged_text(tagged: str, message: str) -> None:
    with pytest.raises(FormatError) as caught:
        parse_tagged(tagged, "x")
    assert message in str(caught.value)


@st.composite
def reports(draw: st.DrawFn) -> tuple[str, list[Span]]:
    alphabet = st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("⟦⟧\\|一\n")
    pieces = draw(st.lists(st.tuples(st.text(alphabet, max_size=6), st.booleans()), max_size=8))
    text, spans = "", []
    for piece, tagged in pieces:
        if tagged and piece and piece == piece.strip():
            label = draw(st.sampled_from(LABELS))
            spans.append(Span(len(text), len(text) + len(piece), label))
        text += piece
    return text, spans


@given(reports())
def test_tagged_text_round_trip(report: tuple[str, list[Span]]) -> None:
    text, spans = report
    assert parse_tagged(format_tagged(text, spans)) == (text, tuple(spans))


@pytest.mark.parametrize(
    ("span", "message"),
    [
        (Span(0, 3, "指标"), "outside the text"),
        (Span(-1, 1, "指标"), "outside the text"),
        (Span(1, 1, "指标"), "or empty"),
        (Span(0, 1, "地点"), "unknown label"),
    ],
)
def test_bad_spans(span: Span, message: str) -> None:
    with pytest.raises(SpanError) as caught:
        check_spans("专利", [span], "r1")
    assert "r1: span 1" in str(caught.value)
    assert message in str(caught.value)


def test_overlap_and_order() -> None:
    with pytest.raises(SpanError, match=r"span 2.*overlaps"):
        check_spans("专利申请", [Span(0, 2, "指标"), Span(1, 3, "指标")])


def test_jsonl_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    wanted = [
        Report("一", "专利3件\u2028。", (Span(0, 2, "指标"), Span(2, 3, "数值")), {"year": 2016}),
        Report("二", "𠮷"),
    ]
    assert write_jsonl(path, wanted) == 2
    assert list(read_jsonl(path)) == wanted


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", ":2: broken JSON at column"),
        ("[]", ":2: expected a JSON object"),
        ('{"id": "b", "text": "x", "span": []}', ":2: unknown key 'span'; did you mean 'spans'?"),
        ('{"id": "b", "text": "\\ud83d"}', "half a surrogate pair"),
        ('{"id": "b"}', ":2: 'text' is missing"),
        ('{"id": "", "text": "x"}', ":2: 'id' is empty"),
        ('{"id": "a", "text": "x"}', "already used in line 1"),
        ('{"id": "b", "text": "x", "spans": {}}', "'spans' must be a list"),
        (
            '{"id": "b", "text": "x", "spans": [{"start": true, "end": 1, "label": "指标"}]}',
            "span 1",
        ),
        ('{"id": "b", "text": "x", "spans": [{"start": 0, "end": 2, "label": "指标"}]}', "span 1"),
    ],
)
def test_broken_jsonl(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text(json.dumps({"id": "a", "text": "y"}) + "\n" + line + "\n", encoding="utf-8")
    with pytest.raises(FormatError) as caught:
        list(read_jsonl(path))
    assert str(path) in str(caught.value)
    assert message in str(caught.value)


def test_failed_write_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"

    def broken() -> object:
        yield Report("a", "x")
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        write_jsonl(path, broken())  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_tagged_file_round_trip(tmp_path: Path) -> None:
    report = Report("x01", "专利3件\n", (Span(0, 2, "指标"),), {"genre": "other", "year": "2016"})
    write_tagged(tmp_path / "x01.txt", report)
    assert read_tagged(tmp_path / "x01.txt") == report


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("专利\n", ":1: the header"),
        ("---\nid a\n---\nx\n", ":2: expected a new 'key: value'"),
        ("---\nid: a\nid: b\n---\nx\n", ":3: expected a new"),
        ("---\nid: a\n---\nx", "must end with a newline"),
        ("---\nid: a\n---\nx\r\n", "carriage returns"),
        ("---\nid: a\n---\nx\n⟦单位|y\n", ":5: ⟦ is never closed"),
    ],
)
def test_broken_tagged_file(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(content.encode())
    with pytest.raises(FormatError) as caught:
        read_tagged(path)
    assert message in str(caught.value)
