"""What training.check_data finds: each kind of trouble, on data made to have just that."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from training.check_data import Checked, Limits, check_data, main
from zhibiao import FormatError, Report, Span, parse_tagged, read_jsonl, write_jsonl, write_tagged

TRAIN = (
    "⟦年份|2016年⟧，⟦机构|县科技局⟧与⟦企业名|恒川机电⟧合作，⟦指标|专利申请量⟧达⟦数值|813⟧⟦单位|件⟧，"
    "各乡镇积极响应，工作扎实推进。"
)
OTHER = (
    "⟦机构|市教育局⟧统计，⟦年份|2018年⟧⟦企业名|丰禾书店⟧捐赠⟦指标|图书⟧⟦数值|一千二百⟧⟦单位|册⟧，"
    "师生十分欢迎。"
)
QUIET = Limits(rare=1, few=1)


def report(report_id: str, tagged: str) -> Report:
    text, spans = parse_tagged(tagged)
    return Report(report_id, text, spans)


def check(tmp_path: Path, train: list[Any], validation: list[Any], **more: Any) -> Checked:
    """Check reports, or rows of JSON that need not be reports."""
    sources = {}
    for name, rows in (("train", train), ("validation", validation)):
        path = tmp_path / f"{name}.jsonl"
        plain = [row.to_dict() if isinstance(row, Report) else row for row in rows]
        lines = [json.dumps(row) + "\n" for row in plain]  # \\u escapes hold half surrogates too
        path.write_text("".join(lines), encoding="utf-8")
        sources[name] = [str(path)]
    return check_data(sources, **{"limits": QUIET, **more})


def found(checked: Checked) -> list[tuple[str, str]]:
    return [(finding.level, finding.kind) for finding in checked.findings]


def test_good_data_has_no_findings_and_right_figures(tmp_path: Path) -> None:
    checked = check(tmp_path, [report("a", TRAIN)], [report("b", OTHER)])
    assert found(checked) == []
    assert checked.errors == 0
    text = report("a", TRAIN).text
    assert checked.figures["splits"]["train"] == {
        "reports": 1,
        "characters": len(text),
        "spans": 6,
        "windows": 1,
    }
    assert checked.figures["labels"]["validation"] == dict.fromkeys(
        ("机构", "指标", "数值", "单位", "年份", "企业名"), 1
    )
    lengths = checked.figures["span_lengths"]["数值"]  # 813 and 一千二百
    assert (lengths["min"], lengths["50%"], lengths["max"]) == (3, 3, 4)


def test_length_quantiles_are_lengths_that_occur(tmp_path: Path) -> None:
    rows = [Report(f"r{n}", "县" * n, (Span(0, 1, "机构"),)) for n in range(1, 101)]
    checked = check(tmp_path, rows, [report("b", OTHER)])
    assert checked.figures["report_lengths"]["train"] == {
        "min": 1,
        "25%": 25,
        "50%": 50,
        "75%": 75,
        "95%": 95,
        "max": 100,
    }


def row(report_id: str, text: str, *spans: tuple[int, int, str]) -> dict[str, Any]:
    keys = ("start", "end", "label")
    made = [dict(zip(keys, span, strict=True)) for span in spans]
    return {"id": report_id, "text": text, "spans": made}


@pytest.mark.parametrize(
    ("bad", "kind", "place"),
    [
        (row("x", "科局三件", (0, 3, "机构"), (2, 4, "单位")), "overlap", "'三件' overlaps 机构"),
        (row("x", "科局 ", (0, 3, "机构")), "edge", "white space at the edge"),
        (row("x", "科局", (0, 3, "机构")), "bounds", "outside the text of 2"),
        (row("x", "科局", (1, 1, "机构")), "bounds", "or empty"),
        (row("x", "科局", (1, 2, "机构"), (0, 1, "机构")), "order", "not sorted"),
        (row("x", "科局", (0, 2, "地点")), "label", "unknown label '地点'"),
        ({"id": "x", "text": 3}, "syntax", "'text' is missing"),
        ({"id": "x", "text": "\ud800"}, "syntax", "half a surrogate pair"),
    ],
)
def test_what_the_strict_reader_refuses_is_an_error(
    tmp_path: Path, bad: dict[str, Any], kind: str, place: str
) -> None:
    checked = check(tmp_path, [report("a", TRAIN), bad], [report("b", OTHER)])
    with pytest.raises(FormatError):
        list(read_jsonl(tmp_path / "train.jsonl"))
    assert ("error", kind) in found(checked)
    (finding,) = (f for f in checked.findings if f.kind == kind)
    assert finding.places[0].startswith(f"{tmp_path / 'train.jsonl'}:2")
    assert place in finding.places[0]


def test_every_problem_of_a_file_is_named(tmp_path: Path) -> None:
    bad = [row(f"r{n}", "科局三件", (0, 3, "机构"), (2, 9, "单位")) for n in range(3)]
    checked = check(tmp_path, [*bad, row("x", "县", (0, 1, "甲"))], [report("b", OTHER)])
    counts = {f.kind: len(f.places) for f in checked.findings if f.level == "error"}
    assert counts == {"bounds": 3, "label": 1}


def test_an_empty_split_and_one_without_spans(tmp_path: Path) -> None:
    checked = check(tmp_path, [report("a", TRAIN)], [])
    assert [f.message for f in checked.findings] == ["validation: no reports"]
    checked = check(tmp_path, [report("a", TRAIN)], [Report("b", "师生欢迎。")])
    assert [f.message for f in checked.findings] == ["validation: no report has any span"]
    assert checked.errors == 1


def test_rare_labels_are_a_warning(tmp_path: Path) -> None:
    limits = Limits(rare=3, few=2)
    rows = [report("a", TRAIN), Report("c", "813、814", (Span(0, 3, "数值"), Span(4, 7, "数值")))]
    checked = check(tmp_path, rows, [report("b", OTHER)], limits=limits)
    assert found(checked) == [("warning", "rare")] * 2
    assert checked.findings[0].message == (
        "train: fewer than 3 spans: 机构 1, 指标 1, 单位 1, 年份 1, 企业名 1"
    )
    assert "数值 1" in checked.findings[1].message


def test_spans_lost_to_windows(tmp_path: Path) -> None:
    # Two windows of 10 with an overlap of 2 see 0-10 and 8-18: the span 5-12 is whole in neither.
    rows = [Report("long", "县" * 18, (Span(5, 12, "机构"),))]
    checked = check(tmp_path, rows, [], limits=Limits(rare=1, few=0, window=10, overlap=2))
    lost = [finding for finding in checked.findings if finding.kind == "lost"]
    assert lost[0].level == "error"
    assert lost[0].places == ("report long: 1 (its longest span has 7 characters)",)
    wide = check(tmp_path, rows, [], limits=Limits(rare=1, few=0, window=12, overlap=2))
    assert "lost" not in [finding.kind for finding in wide.findings]


def test_one_report_in_two_splits(tmp_path: Path) -> None:
    checked = check(tmp_path, [report("a", TRAIN)], [report("a", OTHER)])
    assert found(checked) == [("error", "leakage")]
    checked = check(tmp_path, [report("a", TRAIN), report("a", "⟦数值|3⟧")], [report("b", OTHER)])
    assert found(checked) == [("error", "id")]


def test_the_same_text_in_two_splits_whatever_its_spaces(tmp_path: Path) -> None:
    wrapped = report("b", TRAIN.replace("，", "，\n"))
    checked = check(tmp_path, [report("a", TRAIN)], [wrapped])
    assert found(checked) == [("error", "leakage")]
    (line,) = checked.findings[0].places
    assert line.startswith("train a (")
    assert "and validation b (" in line
    again = check(tmp_path, [report("a", TRAIN), report("c", TRAIN)], [report("b", OTHER)])
    assert found(again) == [("warning", "same")]


def test_of_three_copies_the_leak_is_not_hidden_by_the_one_at_home(tmp_path: Path) -> None:
    rows = [report("b", TRAIN), report("c", TRAIN)]
    checked = check(tmp_path, [report("a", TRAIN)], rows)
    (finding,) = checked.findings
    assert (finding.level, len(finding.places)) == ("error", 2)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        # The last character is in one 5-gram only; the seven in the middle are in many.
        (TRAIN.replace("推进。", "推进！"), [("error", "leakage")]),
        (TRAIN.replace("各乡镇积极响应", "各乡镇人民欢迎"), [("warning", "alike")]),
    ],
)
def test_near_duplicates_across_splits(
    tmp_path: Path, changed: str, expected: list[tuple[str, str]]
) -> None:
    checked = check(tmp_path, [report("a", TRAIN)], [report("b", changed)])
    assert found(checked) == expected


def test_without_datasketch_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasketch", None)
    checked = check(tmp_path, [report("a", TRAIN)], [report("b", TRAIN)])
    assert found(checked) == [("error", "leakage"), ("warning", "alike")]
    assert "were not looked for" in checked.findings[1].message


def test_conflicting_labels_of_a_string(tmp_path: Path) -> None:
    rows = [
        report("a", TRAIN),
        report("c", "⟦年份|2016⟧，⟦年份|2016⟧，去年。"),
        report("d", "售出⟦数值|2016⟧台。"),
    ]
    checked = check(tmp_path, rows, [report("b", OTHER)])
    assert found(checked) == [("warning", "conflict")]
    (conflict,) = checked.figures["conflicts"]
    assert conflict["string"] == "2016"
    assert conflict["labels"] == {"年份": 2, "数值": 1}
    assert conflict["first"]["数值"] == f"{tmp_path / 'train.jsonl'}:3 (2, 6)"


def test_odd_shapes_are_warnings(tmp_path: Path) -> None:
    rows = [
        report("a", TRAIN),
        report("c", "⟦机构|县\n科技局⟧，⟦指标|产值，⟧"),
        Report("d", "没有\x07片段"),
    ]
    checked = check(tmp_path, rows, [report("b", OTHER)])
    kinds = ["newline", "punctuation", "control", "bare"]
    assert found(checked) == [("warning", kind) for kind in kinds]
    assert "U+0007" in checked.findings[2].places[0]


def test_characters_unknown_to_the_tokenizer(tmp_path: Path, tiny_model: Path) -> None:
    rows = [report("a", "二〇一六年龘龘靐"), report("c", TRAIN)]
    checked = check(tmp_path, rows, [], tokenizer=tiny_model)
    (finding,) = (f for f in checked.findings if f.kind == "characters")
    assert finding.level == "warning"
    assert finding.places[0] == "龘 U+9F98: 2"
    assert "靐 U+9750: 1" in finding.places
    assert not [place for place in finding.places if place.startswith("年")]


def test_a_corpus_with_a_broken_file(tmp_path: Path) -> None:
    folder = tmp_path / "reports"
    folder.mkdir()
    write_tagged(folder / "a.txt", report("a", TRAIN))
    (folder / "b.txt").write_text("---\nid: b\n---\n⟦单位|件\n", encoding="utf-8")
    listing = "train a\ntrain b\nvalidation c\n"
    (tmp_path / "splits.txt").write_text(listing, encoding="utf-8")
    sources = {name: [f"{tmp_path}:{name}"] for name in ("train", "validation", "test")}
    checked = check_data(sources, limits=QUIET)
    messages = [finding.message for finding in checked.findings]
    assert messages == [
        "train: 1 records that cannot be read",
        "validation: 1 records that cannot be read",
        "test: no reports",
    ]
    assert "no such file" in checked.findings[1].places[0]


def test_other_label_sets(tmp_path: Path) -> None:
    rows = [row("a", "东山", (0, 2, "scene"))]
    checked = check(tmp_path, rows, [row("b", "西湖边", (0, 2, "scene"))], labels=("scene",))
    assert found(checked) == []


@pytest.mark.parametrize(("window", "overlap"), [(10, 6), (0, 0), (10, -1)])
def test_windows_that_do_not_fit(tmp_path: Path, window: int, overlap: int) -> None:
    limits = Limits(window=window, overlap=overlap)
    with pytest.raises(FormatError, match="half of window"):
        check(tmp_path, [report("a", TRAIN)], [], limits=limits)


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["train=one.jsonl", "validation=two.jsonl"], 0, "0 errors, "),
        (["one.jsonl", "two.jsonl", "--rare", "1"], 0, "two"),
        (["train=one.jsonl", "train=two.jsonl"], 0, "fit to train on"),
        (["a=one.jsonl", "b=one.jsonl"], 1, "do not train yet"),
        (["one.jsonl", "--labels", "机构"], 1, "labels outside the label set: 企业名 1, 单位 1"),
        (["--config", "c.yaml"], 1, "with window 8 and overlap 2"),
        (["--config", "c.yaml", "--window", "100"], 0, "fit to train on"),
        (["--config", "five.yaml"], 1, "train: labels outside the label set: 年份 1"),
        (["--config", "bad.yaml"], 2, "window: Input should be a valid integer"),
        ([], 2, "nothing to check"),
        (["none.jsonl"], 2, "none.jsonl: no such file"),
        (["one.txt"], 2, "write FILE.jsonl or CORPUS:SPLIT"),
        (["one.jsonl", "--window", "4", "--overlap", "3"], 2, "half of window 4"),
    ],
)
def test_program(
    arguments: list[str],
    status: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    write_jsonl("one.jsonl", [report("a", TRAIN)])
    write_jsonl("two.jsonl", [report("b", OTHER + "⟦企业名|丰禾书店联合东山文化传播⟧")])
    config = "encoder: null\nepochs: 3\nwindow: 8\noverlap: 2\ntrain: [one.jsonl]\n"
    config += "validation: [two.jsonl]\n"
    Path("c.yaml").write_text(config, encoding="utf-8")
    config += "labels: [机构, 指标, 数值, 单位, 企业名]\n"
    Path("five.yaml").write_text(config, encoding="utf-8")
    Path("bad.yaml").write_text("window: wide\n", encoding="utf-8")
    with pytest.raises(SystemExit) as stop:
        main([*arguments, "--json", "out.json"])
    printed = capsys.readouterr()
    assert stop.value.code == status, printed
    assert said in printed.out + printed.err
    assert Path("out.json").exists() == (status < 2)
    if status < 2:
        whole = json.loads(Path("out.json").read_text("utf-8"))
        assert (whole["errors"] > 0) == (status == 1)
        assert {"findings", "splits", "labels", "report_lengths", "span_lengths"} <= set(whole)


def test_the_projects_own_corpus_is_fit(root: Path) -> None:
    sources = {name: [f"{root / 'data'}:{name}"] for name in ("train", "validation", "test")}
    checked = check_data(sources)
    assert [finding for finding in checked.findings if finding.level == "error"] == []
    assert checked.figures["splits"]["train"]["reports"] > 200
