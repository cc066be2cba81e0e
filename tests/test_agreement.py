"""Agreement of annotators: figures by hand, differences, sources, the page, adjudication."""

from __future__ import annotations

import argparse
import html
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import krippendorff
import numpy as np
import pytest

from annotation import agreement as command
from annotation.adjudication import adjudication
from annotation.agreement import Agreement, agreement
from annotation.disagreement import Version, compare, read_versions
from annotation.disagreement_page import write_page
from annotation.interface import COLOURS
from tests.browser import chromium
from zhibiao import FormatError, Report, Span, write_jsonl, write_tagged
from zhibiao.spans import LABELS

TEXT = "发明专利813件"
# 0123 456 7


def version(name: str, *reports: Report) -> Version:
    return Version(name, Path(f"{name}.jsonl"), {report.id: report for report in reports})


def report(
    spans: Sequence[tuple[int, int, str]],
    text: str = TEXT,
    report_id: str = "r",
    meta: Mapping[str, Any] | None = None,
) -> Report:
    return Report(report_id, text, tuple(Span(*span) for span in spans), meta or {})


def two() -> tuple[Version, Version]:
    first = report([(0, 4, "指标"), (4, 7, "数值"), (7, 8, "单位")])
    return version("甲", first), version("乙", report([(2, 4, "指标"), (4, 7, "数值")]))


# ---- figures -----------------------------------------------------------------------------------


def test_two_annotators_by_hand() -> None:
    # character   发    明    专    利    8     1     3     件
    # 甲          B-指  I-指  I-指  I-指  B-数  I-数  I-数  B-单
    # 乙          O     O     B-指  I-指  B-数  I-数  I-数  O
    #
    # 16 values: B-指 2, I-指 4, O 3, B-数 2, I-数 4, B-单 1. Each unit has two values, so it adds
    # its two ordered pairs to the coincidence matrix:
    #         B-指 I-指  O   B-数 I-数 B-单 | n
    #   B-指   .    1    1    .    .    .   | 2
    #   I-指   1    2    1    .    .    .   | 4
    #   O      1    1    .    .    .    1   | 3
    #   B-数   .    .    .    2    .    .   | 2
    #   I-数   .    .    .    .    4    .   | 4
    #   B-单   .    .    1    .    .    .   | 1
    # Observed off the diagonal: 8. Expected: (16² - (4+16+9+4+16+1)) / (16-1) = 206 / 15.
    # alpha = 1 - 8 * 15 / 206.
    #
    # 指标 alone: B 2, I 4, other 10; off the diagonal 6; expected (256 - (4+16+100)) / 15 = 136/15.
    # 单位 alone: B 1, other 15; off the diagonal 2; expected (256 - (1+225)) / 15 = 30/15: alpha 0.
    # 数值: the same everywhere: 1. The other three: nobody used them.
    (pair,) = agreement(two()).pairs
    assert pair.alpha["all"] == pytest.approx(1 - 8 * 15 / 206)
    assert pair.alpha["指标"] == pytest.approx(1 - 6 * 15 / 136)
    assert pair.alpha["单位"] == pytest.approx(0)
    assert pair.alpha["数值"] == pytest.approx(1)
    # Strictly: 3 spans and 2, one in common.
    assert pair.f1() == pytest.approx(2 * 1 / 5)
    assert (pair.f1("指标"), pair.f1("数值"), pair.f1("单位")) == (0, 1, 0)
    for label in ("机构", "年份", "企业名"):
        assert pair.f1(label) is None
        assert pair.alpha[label] is None


def test_three_annotators_one_missing_by_hand() -> None:
    # r1           专         利         3    件       r2   今         年
    # 甲           B-指       I-指       B-数 B-单           B-年       I-年
    # 乙           B-指       I-指       B-数 B-单           O          O
    # 丙           O          O          B-数 B-单           (did not do it: missing)
    # r3 by 甲 alone: no unit has two values, nothing counts.
    #
    # A unit of m values adds its ordered pairs, each 1/(m-1). r1: 专 (B,B,O) adds B-B 1, B-O 1,
    # O-B 1; 利 the same with I; 3 adds 3 on the diagonal, 件 too. r2: each character adds 2 off it.
    # n: B-指 2, I-指 2, O 4, B-数 3, B-单 3, B-年 1, I-年 1: 16. Off the diagonal: 2+2+2+2 = 8.
    # Expected: (256 - (4+4+16+9+9+1+1)) / 15 = 212 / 15.
    same = [(0, 2, "指标"), (2, 3, "数值"), (3, 4, "单位")]
    found = agreement(
        [
            version(
                "甲",
                report(same, "专利3件", "r1"),
                report([(0, 2, "年份")], "今年", "r2"),
                report([(0, 2, "机构")], "区委", "r3"),
            ),
            version("乙", report(same, "专利3件", "r1"), report([], "今年", "r2")),
            version("丙", report(same[1:], "专利3件", "r1")),
        ]
    )
    assert found.alpha["all"] == pytest.approx(1 - 8 * 15 / 212)
    # 指标 in r1 and r2: B 2, I 2, other 12; off the diagonal 4; expected (256-(4+4+144))/15.
    assert found.alpha["指标"] == pytest.approx(1 - 4 * 15 / 104)
    assert found.alpha["机构"] is None
    assert (found.shared, found.single) == (2, 1)
    by_name = {(pair.first.name, pair.second.name): pair for pair in found.pairs}
    assert list(by_name) == [("甲", "乙"), ("甲", "丙"), ("乙", "丙")]
    pair = by_name["甲", "丙"]
    assert (pair.reports, pair.only_first, pair.only_second) == (1, 2, 0)
    assert pair.f1() == pytest.approx(2 * 2 / 5)


def test_merged_neighbours_differ() -> None:
    whole = version("甲", report([(0, 4, "指标")]))
    halves = version("乙", report([(0, 2, "指标"), (2, 4, "指标")]))
    alpha = agreement([whole, halves]).pairs[0].alpha["指标"]
    assert alpha is not None
    assert alpha < 1


@pytest.mark.parametrize("annotators", [2, 4])
def test_alpha_is_that_of_the_whole_table(annotators: int) -> None:
    # The program adds up the units on which all agree; the library is given each of them here.
    random = np.random.default_rng(7)
    labels = [LABELS[1], LABELS[3]]
    versions: list[dict[str, Report]] = [{} for _ in range(annotators)]
    columns = []
    for number in range(12):
        table = np.full((annotators, 30), np.nan)
        for annotator in range(annotators):
            if random.random() < 0.2:
                continue
            tags = np.zeros(30)
            spans = []
            for start in range(0, 30, 3):
                if random.random() < 0.8:
                    which = int(start // 3 % 2 if random.random() < 0.9 else random.integers(2))
                    end = start + int(random.integers(2, 4))
                    spans.append((start, end, labels[which]))
                    tags[start], tags[start + 1 : end] = 1 + 2 * which, 2 + 2 * which
            table[annotator] = tags
            versions[annotator][str(number)] = report(spans, "文" * 30, str(number))
        columns.append(table)
    expected = krippendorff.alpha(
        reliability_data=np.concatenate(columns, axis=1), level_of_measurement="nominal"
    )
    named = [Version(str(n), Path(str(n)), reports) for n, reports in enumerate(versions)]
    assert agreement(named).alpha["all"] == pytest.approx(expected)
    assert 0 < expected < 1


def test_nobody_marked_anything() -> None:
    (pair,) = agreement([version("甲", report([])), version("乙", report([]))]).pairs
    assert pair.f1() is None
    assert set(pair.alpha.values()) == {None}


# ---- differences -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "kinds"),
    [
        ([(0, 2, "指标")], [(0, 2, "指标")], []),
        ([(0, 2, "指标")], [], ["first"]),
        ([], [(0, 2, "指标")], ["second"]),
        ([(0, 2, "指标")], [(1, 4, "指标")], ["boundary"]),
        ([(0, 2, "机构")], [(0, 2, "企业名")], ["label"]),
        ([(0, 2, "机构")], [(0, 3, "企业名")], ["both"]),
        ([(0, 4, "指标")], [(0, 2, "指标"), (2, 4, "指标")], ["split"]),
        ([(0, 2, "指标"), (3, 4, "数值")], [(0, 4, "指标")], ["split"]),
        ([(0, 6, "指标")], [(1, 2, "指标"), (4, 5, "数值")], ["split"]),
        ([(0, 3, "指标"), (3, 6, "指标")], [(0, 2, "指标"), (2, 5, "指标")], ["split"]),
        # Neighbours that touch without overlapping are two differences.
        ([(0, 2, "指标")], [(2, 4, "指标")], ["first", "second"]),
        # What both have keeps the differences around it apart.
        (
            [(0, 2, "指标"), (2, 4, "数值"), (4, 6, "单位")],
            [(2, 4, "数值"), (4, 5, "单位")],
            ["first", "boundary"],
        ),
    ],
)
def test_kinds(
    first: list[tuple[int, int, str]], second: list[tuple[int, int, str]], kinds: list[str]
) -> None:
    one, other = version("甲", report(first)), version("乙", report(second))
    found = compare(one, other)
    assert [item.kind for item in found.get("r", [])] == kinds
    assert bool(found) == bool(kinds)
    # Every span that only one side has is in exactly one difference.
    items = found.get("r", [])
    assert {s.key for item in items for s in item.first} == set(first) - set(second)
    assert {s.key for item in items for s in item.second} == set(second) - set(first)


def test_place_and_labels_of_a_difference() -> None:
    one = version("甲", report([(0, 2, "指标"), (3, 5, "数值")]))
    (item,) = compare(one, version("乙", report([(1, 4, "机构")])))["r"]
    assert (item.start, item.end, item.labels) == (0, 5, ("机构", "指标", "数值"))


# ---- sources -----------------------------------------------------------------------------------


def export(folder: Path, **reports: list[Report]) -> Path:
    (folder / "annotators").mkdir(parents=True)
    for name, items in reports.items():
        write_jsonl(folder / "annotators" / f"{name}.jsonl", items)
    return folder


def test_export_folder_has_a_version_an_annotator(tmp_path: Path) -> None:
    named = report([], meta={"annotator": "li@example.cn"})
    folder = export(tmp_path / "out", li=[named], wang=[report([])])
    write_jsonl(folder / "reports.jsonl", [named])
    assert [(v.name, list(v.reports)) for v in read_versions([folder])] == [
        ("li@example.cn", ["r"]),
        ("wang", ["r"]),
    ]


def test_folder_of_tagged_texts_against_a_file(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    write_tagged(tmp_path / "first" / "x.txt", report([(0, 4, "指标")]))
    write_jsonl(tmp_path / "second.jsonl", [report([])])
    one, other = read_versions([tmp_path / "first", tmp_path / "second.jsonl"])
    assert (one.name, other.name) == ("first", "second")
    assert [item.kind for item in compare(one, other)["r"]] == ["first"]


def test_equal_names_become_paths(tmp_path: Path) -> None:
    paths = [tmp_path / "a" / "reports.jsonl", tmp_path / "b" / "reports.jsonl"]
    for path in paths:
        path.parent.mkdir()
        write_jsonl(path, [report([])])
    assert [v.name for v in read_versions(paths)] == [str(path) for path in paths]


@pytest.mark.parametrize(
    ("text", "offset"), [("发明专利814件", 6), (TEXT + "。", 8), (TEXT[:3], 3)]
)
def test_texts_must_be_equal(tmp_path: Path, text: str, offset: int) -> None:
    write_jsonl(tmp_path / "a.jsonl", [report([])])
    write_jsonl(tmp_path / "b.jsonl", [report([], text)])
    with pytest.raises(FormatError) as caught:
        read_versions([tmp_path / "a.jsonl", tmp_path / "b.jsonl"])
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'b.jsonl'}：报告 'r' 的正文")
    assert f"偏移 {offset} 起" in message
    assert "\n" not in message


def test_sources_that_cannot_be_compared(tmp_path: Path) -> None:
    alone = export(tmp_path / "alone", li=[report([])])
    empty = export(tmp_path / "empty")
    bare = tmp_path / "bare"
    bare.mkdir()
    other = tmp_path / "other.jsonl"
    write_jsonl(other, [report([], report_id="s")])
    table = tmp_path / "table.csv"
    table.touch()
    twice = tmp_path / "twice"
    twice.mkdir()
    for name in ("x", "y"):
        write_tagged(twice / f"{name}.txt", report([]))
    for sources, expected in (
        ([alone], "只有一份标注（li）"),
        ([alone, other], "没有一份报告有两人标注"),
        ([other, other], "给了两次"),
        ([alone, empty], "没有任何人的标注"),
        ([alone, bare], "没有 annotators 文件夹"),
        ([alone, table], "不是报告 JSONL"),
        ([alone, tmp_path / "none"], "不存在"),
        ([alone, twice], "与 .*x.txt 相同"),
    ):
        with pytest.raises(FormatError, match=expected):
            read_versions(sources)


# ---- the command -------------------------------------------------------------------------------


def run(*arguments: str | Path) -> int:
    parser = argparse.ArgumentParser()
    command.configure(parser)
    return command.run(parser.parse_args([str(argument) for argument in arguments]))


def test_command_prints_lists_and_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "全县\n专利数3件"
    link = "http://127.0.0.1:8080/projects/1/data?task=7"
    folder = export(
        tmp_path / "out",
        li=[
            report([(3, 5, "指标"), (6, 7, "数值")], text, meta={"link": link}),
            report([], "无", "solo"),
        ],
        wang=[report([(3, 6, "指标"), (6, 7, "数值")], text)],
    )
    assert run(folder, "--list", "--json", tmp_path / "figures.json") == 0
    printed = capsys.readouterr().out
    assert "r:3 边界不同 全县⏎【li：⟦指标|专利⟧数｜wang：⟦指标|专利数⟧】3件\n" in printed
    assert "都标了的报告 1 份，仅前者标的 1 份，仅后者标的 0 份" in printed
    assert "另有 1 份报告只有一人标注" in printed
    assert "分歧 1 处：边界不同 1" in printed
    rows = {
        cells[0]: cells[1:]
        for line in printed.splitlines()
        if len(cells := [cell.strip() for cell in line.strip("│┃ ").split("│")]) == 6
    }
    assert rows["年份"][:2] == ["—", "—"]
    assert rows["数值"] == ["1.0000", "1.0000", "1", "1", "1"]
    assert rows["全部"][0] == "0.5000"
    data = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert data["reports"] == {"shared": 1, "single": 1}
    assert [item["name"] for item in data["annotators"]] == ["li", "wang"]
    (pair,) = data["pairs"]
    assert pair["labels"]["年份"] == {
        "f1": None,
        "alpha": None,
        "both": 0,
        "first": 0,
        "second": 0,
    }
    assert pair["all"]["f1"] == 0.5
    assert pair["differences"] == [
        {
            "report": "r",
            "kind": "boundary",
            "start": 3,
            "end": 6,
            "text": "专利数",
            "first": [{"start": 3, "end": 5, "label": "指标"}],
            "second": [{"start": 3, "end": 6, "label": "指标"}],
            "links": {"first": link, "second": None},
        }
    ]


def test_names_and_texts_are_no_markup(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, spans in (("a[red]", [(0, 1, "指标")]), ("b", [])):
        write_jsonl(tmp_path / f"{name}.jsonl", [report(spans, "专[bold]\x1b[31m利")])
    assert run(tmp_path / "a[red].jsonl", tmp_path / "b.jsonl", "--list") == 0
    printed = capsys.readouterr().out
    assert "a[red]：⟦指标|专⟧｜b：专】[bold]\\x1b" in printed
    assert "前者 a[red]，后者 b" in printed
    assert "\x1b[31m" not in printed


# ---- the page ----------------------------------------------------------------------------------


def page(path: Path, versions: Sequence[Version], **options: int) -> str:
    write_page(path, agreement(versions), **options)
    return path.read_text(encoding="utf-8")


def cells(source: str) -> list[str]:
    """The texts of the versions' cells, without elements."""
    found = re.findall(r"<td>((?:(?!</td>).)*)</td>", source.partition("<main>")[2], re.DOTALL)
    return [html.unescape(re.sub(r"<[^>]*>", "", cell)) for cell in found]


def test_page_shows_both_versions(tmp_path: Path) -> None:
    source = page(tmp_path / "p.html", two())
    assert cells(source) == [TEXT, TEXT]
    assert 'data-kind="boundary" data-labels="指标"' in source
    assert 'data-kind="first" data-labels="单位"' in source
    assert 'data-tag="指标 1">发明专利</mark>' in source
    assert '发明<mark class="differs l1" data-n="1" data-tag="指标 1">专利</mark>' in source
    assert '<mark class="gap" data-n="2" data-tag="未标 2">件</mark>' in source
    # Agreed spans are there, quietly.
    assert source.count('<mark class="same l2" title="数值（一致）">813</mark>') == 2
    # 0.400 is the F1 of all labels, the dash that of a label nobody used.
    assert "<td>—<small>0 / 0 / 0</small></td>" in source
    assert 'class="total">0.400<small>1 / 3 / 2</small>' in source


def test_page_needs_nothing_else_and_escapes_everything(tmp_path: Path) -> None:
    text = '</td><script>alert("专利")</script>&amp;\x00\u202e\x7f件　数'
    at = text.index("专利")
    meta = {"annotator": "<b>", "task": 3, "link": "javascript:alert(1)"}
    one = version("<i>甲</i>", report([(at, at + 2, "指标")], text, '"><u>', meta))
    safe = {**meta, "link": 'https://host/data?task=3&x="><s>'}
    other = version("乙\u202e", report([], text, '"><u>', safe))
    source = page(tmp_path / "p.html", [one, other])
    shown = text.replace("\x00", "⟨U+0000⟩").replace("\u202e", "⟨U+202E⟩")
    assert cells(source) == [shown.replace("\x7f", "⟨U+007F⟩")] * 2
    assert source.count("<script") == 1
    for raw in ("<i>", "<u>", "<s>", "javascript:", "\x00", "\u202e"):
        assert raw not in source
    assert re.findall(r"(?:src|href)\s*=\s*\"([^\"]*)", source) == [
        "https://host/data?task=3&amp;x=&#34;&gt;&lt;s&gt;"
    ]
    assert "url(" not in source
    assert "@import" not in source
    assert "default-src &#39;none&#39;" in source


def test_page_leaves_out_what_is_agreed(tmp_path: Path) -> None:
    filler = "去年完成了全部工作，成效明显。" * 40
    lines = ["开头一行", filler + "专利申请量813件" + filler, "结尾一行", "再下一行"]
    text = "\n".join(lines)
    at = text.index("专利申请量")
    versions = [
        version("甲", report([(at, at + 5, "指标")], text), report([], "一样", "same")),
        version("乙", report([(at + 2, at + 5, "指标")], text), report([], "一样", "same")),
    ]
    source = page(tmp_path / "p.html", versions)
    first, second = cells(source)
    assert first == second
    assert first.strip("…") in text
    assert len(first) < 200
    assert "一样" not in source
    assert "再下一行" not in source


def test_page_gives_the_neighbouring_lines(tmp_path: Path) -> None:
    text = "第一行\n\n今年专利3件\n\n最后一行"
    versions = [
        version("甲", report([(5, 7, "年份")], text)),
        version("乙", report([], text)),
    ]
    source = page(tmp_path / "p.html", versions)
    assert cells(source) == ["今年专利3件"] * 2
    around = re.findall(r'class="around"><td colspan="2"><bdi>([^<]*)', source)
    assert around == ["第一行", "最后一行"]


def test_page_shows_nothing_twice(tmp_path: Path) -> None:
    # One line too long for one passage: the passages meet without a gap or an overlap.
    text = "".join(f"第{number}项工作进展顺利，" for number in range(100))
    spans = [(match.start(), match.end(), "数值") for match in re.finditer(r"\d+", text)]
    versions = [version("甲", report(spans, text)), version("乙", report([], text))]
    source = page(tmp_path / "p.html", versions)
    found = cells(source)
    assert len(found) > 2
    # Each difference is whole, and stands in the passage that names it.
    for passage in source.split('<tbody class="passage">')[1:]:
        numbers = re.findall(r'class="chip" data-n="(\d+)"', passage)
        assert re.findall(r'class="differs l2" data-n="(\d+)"', passage) == numbers
    marked = re.findall(r'class="differs[^>]*>([^<]*)', source)
    assert marked == [str(number) for number in range(100)]
    for side in (0, 1):
        assert "".join(cell.strip("…") for cell in found[side::2]) == text


def test_page_cuts_no_name_in_two(tmp_path: Path) -> None:
    name, filler = "青岭县科学技术信息研究所", "，" * 65
    text = "前文" * 50 + name + filler + "专利" + filler + name + "后文" * 50
    at = text.index("专利")
    agreed = [(m.start(), m.end(), "机构") for m in re.finditer(name, text)]
    both = [agreed[0], (at, at + 2, "指标"), agreed[1]]
    versions = [version("甲", report(both, text)), version("乙", report(agreed, text))]
    assert cells(page(tmp_path / "p.html", versions)) == [f"…{name}{filler}专利{filler}{name}…"] * 2


def test_page_stays_small(tmp_path: Path) -> None:
    # Every second character differs in a line of 20,000; one annotator marked half of another.
    dense, long = "专利" * 10_000, "文" * 200_000
    spans = [(at, at + 1, "指标") for at in range(0, len(dense), 2)]
    versions = [
        version("甲", report(spans, dense, "d"), report([(0, 100_000, "机构")], long, "l")),
        version("乙", report([], dense, "d"), report([], long, "l")),
    ]
    source = page(tmp_path / "p.html", versions, limit=500)
    assert source.count('class="chip"') == 500
    assert "只显示前 500 处，略去 9,501 处" in source
    assert len(source) < 500_000
    source = page(tmp_path / "q.html", [version(v.name, v.reports["l"]) for v in versions])
    first, _ = cells(source)
    assert "（略 " in first
    assert len(first) < 1000


def test_page_of_equal_versions(tmp_path: Path) -> None:
    same = report([(0, 4, "指标")])
    source = page(tmp_path / "p.html", [version("甲", same), version("乙", same)])
    assert "没有分歧" in source
    assert 'class="report"' not in source


def test_filters_in_a_browser(tmp_path: Path) -> None:
    more = report([(0, 2, "机构")], "区委\n区政府", "s")
    one = version("甲", *two()[0].reports.values(), more)
    other = version("乙", *two()[1].reports.values(), report([(0, 2, "企业名")], more.text, "s"))
    page(tmp_path / "p.html", [one, other])
    with chromium() as browser:
        tab = browser.new_page()
        problems: list[str] = []
        tab.on("console", lambda message: problems.append(message.text))
        tab.on("pageerror", lambda error: problems.append(str(error)))
        tab.goto((tmp_path / "p.html").as_uri())

        def seen() -> tuple[str, list[str]]:
            names = tab.locator(".report:visible h3 bdi").all_inner_texts()
            return tab.locator("#count").inner_text(), names

        assert seen() == ("显示 3 / 3 处", ["r", "s"])
        # The style is applied: the content security policy lets it through.
        colour = tab.locator("mark.differs.l1").first.evaluate(
            "mark => getComputedStyle(mark).borderTopColor"
        )
        red, green, blue = bytes.fromhex(COLOURS["指标"].removeprefix("#"))
        assert colour == f"rgb({red}, {green}, {blue})"
        tab.locator("#kinds input[value=boundary]").uncheck()
        assert seen() == ("显示 2 / 3 处", ["r", "s"])
        # The hidden kind is quiet in a passage that stays because of another.
        assert tab.locator("mark.l1.off").count() == 2
        tab.locator("#labels input[value=单位]").uncheck()
        assert seen() == ("显示 1 / 3 处", ["s"])
        # One of a difference's two labels is enough.
        tab.locator("#labels input[value=机构]").uncheck()
        assert seen() == ("显示 1 / 3 处", ["s"])
        tab.locator("#report").select_option("1")
        assert seen() == ("显示 0 / 3 处", [])
        tab.locator("#kinds input[value=boundary]").check()
        assert seen() == ("显示 1 / 3 处", ["r"])
        browser.close()
    assert problems == []


# ---- adjudication ------------------------------------------------------------------------------


def test_adjudication_has_the_reports_that_differ() -> None:
    def meta(name: str) -> dict[str, Any]:
        return {"task": 5, "source": "a.docx", "annotator": name, "annotation": 9}

    first, second = two()
    one = Report("r", TEXT, first.reports["r"].spans, meta("甲"))
    other = Report("r", TEXT, second.reports["r"].spans, {**meta("乙"), "note": "看过"})
    same = report([(0, 2, "年份")], "今年", "same")
    solo = report([], "无", "solo")
    versions = [
        version("甲", same, one, solo),
        version("乙", other, same),
        version("丙", report([], "今年", "late")),
    ]
    (case,) = adjudication(versions)
    assert (case.report_id, case.text) == ("r", TEXT)
    assert case.meta == {"task": 5, "source": "a.docx", "note": "看过"}
    assert case.versions == (("甲", one), ("乙", other))
    everything = adjudication(versions, everything=True)
    assert [(c.report_id, c.differs) for c in everything] == [("same", False), ("r", True)]


def test_adjudication_ignores_scores() -> None:
    sure = Report("r", TEXT, (Span(0, 4, "指标", 1.0),))
    unsure = Report("r", TEXT, (Span(0, 4, "指标", 0.6),))
    versions = [version("甲", sure), version("乙", unsure)]
    assert adjudication(versions) == []
    assert compare(*versions) == {}


def test_agreement_is_the_result(root: Path) -> None:
    folder = root / "data" / "agreement"
    found: Agreement = agreement(read_versions([folder / "first", folder / "second"]))
    (pair,) = found.pairs
    f1, alpha = pair.f1(), pair.alpha["all"]
    assert f1 is not None
    assert alpha is not None
    # Long spans whose borders differ count as nearly agreed in alpha.
    assert 0.9 < f1 < alpha < 1
