"""The output formats: what stands in the files, and what must not get through."""

from __future__ import annotations

import csv
import html
import json
import re
from collections.abc import Callable, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from inference.prediction import Prediction
from inference.run import Run
from inference.writers import FORMATS, SPAN_FORMATS, Format
from inference.writers.csv_file import neutralised
from inference.writers.page import check_pages
from inference.writers.sentences import sentence_around
from inference.writers.tables import RECORDS, SPANS
from tests.fakes import RegexExtractor
from tests.hand_records import predicted_by_hand, record
from zhibiao.errors import OutputError
from zhibiao.inputs import Input
from zhibiao.readers import Document, Place, read_bytes
from zhibiao.spans import LABELS, Span

EVIL = "<script>alert(1)</script>&amp;\"'<img src=x onerror=alert(2)>]]></mark></main>"


def predicted(text: str, name: str = "r.txt", document: Document | None = None) -> Prediction:
    return Prediction(Input(name, name, text, document, 0), RegexExtractor().extract(text))


def written(
    folder: Path,
    format: str,
    *predictions: Prediction,
    failures: tuple[str, ...] = (),
    formats: Mapping[str, Format] = FORMATS,
) -> Path:
    run = Run({"name": "模型<b>", "version": "1"}, failures)
    with formats[format].write(folder / formats[format].target, run) as write:
        for prediction in predictions:
            run.add(prediction)
            write(prediction)
    return folder / formats[format].entry


def spans_written(folder: Path, *predictions: Prediction) -> list[dict[str, str]]:
    return rows(written(folder, "csv", *predictions, formats=SPAN_FORMATS))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def test_jsonl_keeps_every_character(tmp_path: Path) -> None:
    text = "\u2028产值\r\n12\t万元\x00😀\u3000" + EVIL
    path = written(tmp_path, "jsonl", predicted(text))
    (line,) = path.read_text(encoding="utf-8").split("\n")[:-1]
    assert json.loads(line)["text"] == text


@pytest.mark.parametrize(("formats", "heads"), [(FORMATS, RECORDS), (SPAN_FORMATS, SPANS)])
def test_table_opens_in_excel(tmp_path: Path, formats: Mapping[str, Format], heads: Any) -> None:
    path = written(tmp_path, "csv", formats=formats)
    assert path.read_bytes() == b"\xef\xbb\xbf" + ",".join(heads.heads).encode() + b"\r\n"


def test_table_rows(tmp_path: Path) -> None:
    text = '标题\n2016年，"产值"达到5.2亿元，\t好。下一句。'
    document = read_bytes(text.encode(), "甲.txt")
    prediction = predicted(text, "甲,乙.txt", document)
    found = spans_written(tmp_path, prediction)
    assert [(row["标签"], row["文本"]) for row in found] == [
        ("年份", "2016年"),
        ("指标", "产值"),
        ("数值", "5.2"),
        ("单位", "亿元"),
    ]
    assert found[1] == {
        "报告编号": "甲,乙.txt",
        "来源文件": "甲,乙.txt",
        "标签": "指标",
        "文本": "产值",
        "起始": "10",
        "结束": "12",
        "置信度": "0.9877",
        "页码": "",
        "段落": "2",
        "所在句": '2016年，"产值"达到5.2亿元， 好。',
    }


def test_table_names_pages(tmp_path: Path) -> None:
    text = "产值\n12"
    places = (Place(0, 2, 1, 1, "paragraph"), Place(3, 5, 2, 2, "paragraph"))
    prediction = predicted(text, "a.pdf", Document(text, places, "pdf"))
    found = spans_written(tmp_path, prediction)
    assert [(row["页码"], row["段落"]) for row in found] == [("1", "1"), ("2", "2")]


def test_table_has_no_formulas(tmp_path: Path) -> None:
    text = "=1\n-3.2\n+4件\n@5\n"
    found = spans_written(tmp_path, predicted(text, "=cmd|' /C calc'!A0.txt"))
    assert [row["文本"] for row in found] == ["'=1", "'-3.2", "'+4", "件", "'@5"]
    assert {row["报告编号"][:2] for row in found} == {"'="}
    assert {row["来源文件"][:2] for row in found} == {"'="}
    assert [row["所在句"][0] for row in found] == ["'"] * 5


@pytest.mark.parametrize(
    "cell",
    ["=1", "+1", "-1", "@a", "＝1", "－1", "\t=1", "\rx", "\n1", "  =1", "\u3000=1"],
)
def test_risky_cells(cell: str) -> None:
    assert neutralised(cell) == "'" + cell


@pytest.mark.parametrize("cell", ["1-2", "3/4", "2016-3-1", "12345678901234567"])
def test_cells_that_excel_would_rewrite(cell: str) -> None:
    assert neutralised(cell) == "'" + cell


@pytest.mark.parametrize("cell", ["", "1", "产值=5", "'x", " 产值", "2016-2020", "3-5项", "1.5"])
def test_harmless_cells(cell: str) -> None:
    assert neutralised(cell) == cell


@pytest.mark.parametrize(
    ("text", "word", "sentence"),
    [
        ("甲。乙丙！丁", "乙", "乙丙！"),
        ("甲", "甲", "甲"),
        ("他说：“甲。”乙丙。”丁", "丙", "乙丙。”"),
        ("甲\n 乙\u3000\t丙 \n丁", "丙", "乙 丙"),
        ("一" * 300 + "乙" + "二" * 300, "乙", "…" + "一" * 200 + "乙" + "二" * 200 + "…"),
        ("一" * 200 + "乙" + "二" * 200, "乙", "一" * 200 + "乙" + "二" * 200),
        ("甲。乙。丙", "乙。丙", "乙。丙"),
    ],
)
def test_sentences(text: str, word: str, sentence: str) -> None:
    start = text.index(word)
    assert sentence_around(text, start, start + len(word)) == sentence


class _Page(HTMLParser):
    """Collects what a browser would show and run."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.shown: dict[str, str] = {}
        self._open: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "input"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        for tag in set(self._open):
            self.shown[tag] = self.shown.get(tag, "") + data


def pages(index: Path) -> list[Path]:
    return sorted(path for path in index.parent.iterdir() if path != index)


def test_page_shows_the_text_unchanged(tmp_path: Path) -> None:
    text = "\n\n  2016年  \t产值\n" + EVIL + "12万元\n \n"
    (path,) = pages(written(tmp_path, "html", predicted(text, EVIL)))
    page = _Page(path)
    assert page.shown["main"] == text
    assert page.shown["mark"] == "2016年产值1212万元"
    assert page.shown["h1"] == page.shown["title"] == EVIL


def test_pages_run_nothing_foreign(tmp_path: Path) -> None:
    document = read_bytes(f"产值12{EVIL}".encode(), "x.txt")
    prediction = predicted(document.text, f"{EVIL}/{EVIL}.txt", document)
    index = written(tmp_path, "html", prediction, predicted("无"), failures=(EVIL,))
    for path in (index, *pages(index)):
        page = _Page(path)
        tags = [tag for tag, _ in page.tags]
        assert "img" not in tags
        assert tags.count("script") == (1 if path == index or "aside" in tags else 0)
        for tag, attributes in page.tags:
            assert not any(name.startswith("on") or name == "src" for name in attributes), tag
            link = attributes.get("href") or ""
            assert link.startswith("#") or not link or (index.parent / unquote(link)).is_file()
        content = path.read_text(encoding="utf-8")
        assert "http://" not in content
        assert "https://" not in content
        assert "default-src 'none'" in html.unescape(content)


def test_page_links_follow_the_order(tmp_path: Path) -> None:
    index = written(tmp_path, "html", *(predicted("无", f"甲/{n}号.txt") for n in "一二三"))
    names = [path.name for path in pages(index)]
    assert names == ["0001-一号-txt.html", "0002-二号-txt.html", "0003-三号-txt.html"]
    links = [
        [unquote(a["href"] or "") for tag, a in _Page(path).tags if tag == "a"]
        for path in pages(index)
    ]
    assert links == [
        ["index.html", names[1]],
        ["index.html", names[0], names[2]],
        ["index.html", names[1]],
    ]


def test_legend_counts(tmp_path: Path) -> None:
    index = written(tmp_path, "html", predicted("产值12万元，专利申请3件"), predicted("产值"))
    legend = " ".join(_Page(pages(index)[0]).shown["label"].split())
    assert legend == "机构 0指标 2数值 2单位 2年份 0企业名 0在文中注明标签"
    counts = ["全部15", "0", "0", "0", "3", "2", "2", "0", "0", "7"]
    assert _Page(index).shown["tfoot"].split() == counts


def test_style_names_every_label() -> None:
    style = (Path(__file__).parent.parent / "inference/templates/style.css").read_text("utf-8")
    shown = re.findall(r"\.l(\d)::after \{ content: \"(.*?)\"", style)
    assert shown == [(str(n), label) for n, label in enumerate(LABELS)]


def test_long_names_and_many_spans(tmp_path: Path) -> None:
    text = "产值12万元" * 20_000
    (path,) = pages(written(tmp_path, "html", predicted(text, "长" * 200 + ".txt")))
    assert len(path.name.encode()) < 200
    assert path.read_text(encoding="utf-8").count("<mark") == 60_000


@pytest.mark.parametrize(
    ("prepare", "refused"),
    [
        (lambda path: None, False),
        (lambda path: path.mkdir(), False),
        (lambda path: path.touch(), True),
        (lambda path: (path.mkdir(), (path / "index.html").touch()), True),
        (lambda path: (path.mkdir(), (path / "mine.doc").touch()), True),
        (lambda path: written(path.parent, "html"), False),
    ],
)
def test_only_own_pages_are_replaced(
    tmp_path: Path, prepare: Callable[[Path], object], refused: bool
) -> None:
    target = tmp_path / "html"
    prepare(target)
    if refused:
        with pytest.raises(OutputError, match="html"):
            check_pages(target)
    else:
        check_pages(target)
        written(tmp_path, "html", predicted("无"))
        assert len(list(target.iterdir())) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["html"]


@pytest.mark.parametrize("format", FORMATS)
def test_a_writer_that_fails_leaves_nothing(tmp_path: Path, format: str) -> None:
    prediction = predicted_by_hand("甲", "产值12万元", record("产值12万元", "12"))
    with (
        pytest.raises(ZeroDivisionError),
        FORMATS[format].write(tmp_path / FORMATS[format].target, Run({}, ())) as write,
    ):
        write(prediction)
        write(prediction)
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("format", FORMATS)
def test_a_missing_folder_is_an_output_error(tmp_path: Path, format: str) -> None:
    target = tmp_path / "gone" / FORMATS[format].target
    with pytest.raises(OutputError, match="gone"), FORMATS[format].write(target, Run({}, ())):
        pass


def test_offsets_count_code_points(tmp_path: Path) -> None:
    prediction = Prediction(Input("a", "a", "😀😀产值", None, 0), [Span(2, 4, "指标", 1.0)])
    (row,) = spans_written(tmp_path, prediction)
    assert (row["文本"], row["起始"], row["结束"]) == ("产值", "2", "4")
