"""The workbook and the Parquet file: what an analyst's programs read back."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.worksheet.worksheet import Worksheet

from inference.prediction import Prediction
from inference.run import Run
from inference.writers import FORMATS, SPAN_FORMATS
from inference.writers.tables import RECORDS
from tests.hand_records import predicted_by_hand, record
from zhibiao.errors import OutputError
from zhibiao.readers import read_bytes
from zhibiao.records import Mention, Record
from zhibiao.spans import LABELS

SENTENCE = "全县专利申请1.2亿件，县科技公司投资7600多万元，增长8.5%。"
TEXT = f"云杉县2018年总结\n一、成效\n{SENTENCE}\n下一句。"


def row(text: str = TEXT, value: str = "1.2", number: str = "120000000", **fields: Any) -> Record:
    given: dict[str, Any] = {
        "unit": "亿件",
        "indicator": "专利申请",
        "year": "2018年",
        "year_value": "2018",
        "base": "件",
        "confidence": {"unit": 0.99, "indicator": 0.95, "year": 0.9},
    }
    return record(text, value, number, **{**given, **fields})


def written(
    folder: Path, *predictions: Prediction, failures: tuple[str, ...] = (), records: bool = True
) -> openpyxl.Workbook:
    format = (FORMATS if records else SPAN_FORMATS)["xlsx"]
    run = Run({"name": "紧凑", "version": "1.0"}, failures)
    with format.write(folder / format.target, run) as write:
        for prediction in predictions:
            run.add(prediction)
            write(prediction)
    assert [path.name for path in folder.iterdir()] == [format.target]
    return openpyxl.load_workbook(folder / format.target, rich_text=True)


def named(sheet: Worksheet, number: int = 2) -> dict[str, Any]:
    """A row by the heads of its columns: the cells."""
    return {str(head.value): sheet.cell(number, head.column) for head in sheet[1]}


def values(sheet: Worksheet) -> list[list[Any]]:
    return [[cell.value for cell in line] for line in sheet.iter_rows()]


def test_records_have_numbers_and_years_as_numbers(tmp_path: Path) -> None:
    document = read_bytes(TEXT.encode(), "甲.txt")
    money = row(
        value="7600多",
        number="76000000",
        unit="万元",
        indicator="投资",
        base="元",
        subject=("县科技公司",),
        year_value="2016-2020",
        bound="approx",
        status="target",
        notes=("年份取自标题",),
        confidence={"unit": 0.99, "indicator": 0.5, "year": 0.7},
        quantity={"flags": ("约数",)},
    )
    rate = row(
        value="8.5", number="8.5", unit="%", indicator="投资", base="%", measure="change",
        year_value="20**", confidence={},
    )  # fmt: skip
    prediction = predicted_by_hand("甲.txt", TEXT, row(), money, rate, document=document)
    sheet = written(tmp_path, prediction)["记录"]
    assert tuple(cell.value for cell in sheet[1]) == RECORDS.heads

    first, second, third = (named(sheet, number) for number in (2, 3, 4))
    shown = {head: cell.value for head, cell in second.items() if cell.value is not None}
    assert shown == {
        "序号": 2,
        "报告": "甲.txt",
        "主体": "县科技公司",
        "年份": "2016-2020",
        "指标": "投资",
        "数值原文": "7600多",
        "单位": "万元",
        "数值": 76_000_000,
        "基本单位": "元",
        "性质": "水平",
        "实绩/目标": "目标",
        "界限": "约",
        "置信度": 0.5,
        "说明": "年份取自标题；约数",
        "原句": SENTENCE,
        "位置": "第 3 段",
        "起始": TEXT.index("7600多"),
    }
    types = {head: first[head].data_type for head in ("序号", "年份", "数值", "置信度", "起始")}
    assert set(types.values()) == {"n"}
    assert (first["年份"].value, first["年份"].number_format) == (2018, "0")
    assert (first["数值"].value, first["数值"].number_format) == (120_000_000, "#,##0")
    assert first["数值原文"].data_type == "s"
    assert (third["数值"].value, third["数值"].number_format) == (8.5, "#,##0.0")
    assert (third["年份"].value, third["性质"].value) == ("20**", "变化")
    assert third["置信度"].value is None


def test_ranges_have_bounds(tmp_path: Path) -> None:
    text = "专利申请3至5件"
    one = record(
        text, "3至5", indicator="专利申请", unit="件",
        quantity={"low": Decimal(3), "high": Decimal("5.25"), "unit_base": "件"},
    )  # fmt: skip
    cells = named(written(tmp_path, predicted_by_hand("甲", text, one))["记录"])
    assert (cells["数值"].value, cells["下限"].value, cells["上限"].value) == (None, 3, 5.25)


@pytest.mark.parametrize(
    ("number", "cell", "inexact"),
    [
        ("123456789012345", 123456789012345, False),
        ("0.000123456789012345", 0.000123456789012345, False),
        ("12300000000000000000", 1.23e19, False),
        ("-3.20", -3.2, False),
        ("0", 0, False),
        ("1234567890123456", "1234567890123456", True),
        ("0.3333333333333333333333333333", "0.3333333333333333333333333333", True),
        ("1" + "0" * 400, "1" + "0" * 400, True),
    ],
)
def test_numbers_are_exact_or_texts(
    tmp_path: Path, number: str, cell: float | str, inexact: bool
) -> None:
    text = "产值12元"
    cells = named(
        written(tmp_path, predicted_by_hand("甲", text, record(text, "12", number)))["记录"]
    )
    assert cells["数值"].value == cell
    assert cells["数值"].data_type == ("s" if inexact else "n")
    assert ("15 位" in str(cells["说明"].value)) is inexact


def test_filters_frozen_heads_and_colours(tmp_path: Path) -> None:
    prediction = predicted_by_hand("甲", TEXT, row(), row(confidence={"year": 0.3, "unit": 0.9}))
    book = written(tmp_path, prediction)
    assert book.sheetnames == ["记录", "来源", "实体", "汇总"]
    panes = {sheet.title: sheet.freeze_panes for sheet in book}
    assert panes == {"记录": "B2", "来源": "A2", "实体": "A2", "汇总": None}
    sheet = book["记录"]
    assert sheet.auto_filter.ref == "A1:T3"
    assert book["来源"].auto_filter.ref == "A1:E3"
    assert book["实体"].auto_filter.ref == "A1:J5"
    assert all(cell.font.bold for cell in sheet[1])
    assert sheet.column_dimensions["R"].width > 50  # the sentence

    (area,) = sheet.conditional_formatting
    assert str(area.sqref) == "P2:P3"
    assert sheet["P1"].value == "置信度"
    rules = [(rule.formula[0], rule.dxf.fill.bgColor.rgb) for rule in area.rules]
    assert rules == [
        ("AND(ISNUMBER($P2),$P2>=0,$P2<0.6)", "FFF4A9A0"),
        ("AND(ISNUMBER($P2),$P2>=0.6,$P2<0.8)", "FFFBE3A6"),
    ]
    # The cell of the doubtful field itself has a colour too.
    assert named(sheet, 3)["年份"].fill.fgColor.rgb == "FFFDE2C4"
    plain = [named(sheet, 2)["年份"], named(sheet, 3)["单位"]]
    assert all(cell.fill.fill_type is None for cell in plain)


def test_sources_colour_the_words_of_the_record(tmp_path: Path) -> None:
    one = row(
        qualifier="全县",
        evidence={"status": (record(TEXT, "成效").value,)},
        subject=("县科技公司",),
    )
    sheet = written(tmp_path, predicted_by_hand("甲", TEXT, one))["来源"]
    cells = named(sheet)
    source = cells["原句"].value
    assert isinstance(source, CellRichText)
    assert str(source) == SENTENCE
    coloured = {
        block.text: block.font.color.rgb
        for block in source
        if isinstance(block, TextBlock) and block.font.color is not None and block.font.b
    }
    assert list(coloured) == ["全县", "专利申请", "1.2", "亿件", "县科技公司"]
    assert len(set(coloured.values())) == 5
    assert cells["句外依据"].value == "年份：2018年（第 4 字）；实绩/目标：成效（第 14 字）"
    assert cells["序号"].value == 1


def test_a_sentence_of_one_slice(tmp_path: Path) -> None:
    for number, text in enumerate(("8", "12")):
        folder = tmp_path / str(number)
        folder.mkdir()
        sheet = written(folder, predicted_by_hand("甲", text, record(text, text)))["来源"]
        assert str(named(sheet)["原句"].value) == text


HOSTILE = (
    "=HYPERLINK(\"http://x\")",
    "+1+1",
    "-1-1",
    "@SUM(A1)",
    "＝1",
    "<r><t>x</t></r>",
    "_x0041_",
    "a\x00\x08\ufffe",
    "<b>&amp;'\"",
    "{=1}",
    "https://example.invalid/",
    "#N/A",
    "456",
)  # fmt: skip


@pytest.mark.parametrize("word", HOSTILE)
def test_texts_stay_texts(tmp_path: Path, word: str) -> None:
    text = f"{word}\n产值12元{word}"
    start = text.index("产值")
    one = record(text, "12", "12", unit="元", indicator="产值", notes=(word,))
    prediction = predicted_by_hand(f"{word}.txt", text, one)
    prediction = replace(prediction, report=replace(prediction.report, id=word))
    book = written(tmp_path, prediction, failures=(word,))
    shown = "a\u2400\u2408\ufffd" if word.startswith("a\x00") else word
    cells = named(book["记录"])
    for head in ("报告", "说明"):
        assert (str(cells[head].value), cells[head].data_type) == (shown, "s")
    assert cells["报告"].quotePrefix is (word[0] in "=+-@＝")
    assert str(named(book["来源"])["原句"].value) == f"产值12元{shown}"
    assert named(book["实体"])["起始"].value == start
    everything = [cell for sheet in book for line in sheet.iter_rows() for cell in line]
    assert not [cell for cell in everything if cell.data_type in "fe" or cell.hyperlink]
    assert any(str(cell.value) == shown for (cell, *_) in book["汇总"].iter_rows())
    with zipfile.ZipFile(tmp_path / "records.xlsx") as archive:
        assert all(b"<f>" not in archive.read(name) for name in archive.namelist())


def test_a_source_never_becomes_a_formula(tmp_path: Path) -> None:
    text = "=12元+cmd"
    cell = named(written(tmp_path, predicted_by_hand("甲", text, record(text, "12")))["来源"])[
        "原句"
    ]
    assert (str(cell.value), cell.data_type, cell.quotePrefix) == (text, "s", True)


def test_too_long_sources_lose_their_colours_and_no_more(tmp_path: Path) -> None:
    text = "1" * 40_000
    cell = named(written(tmp_path, predicted_by_hand("甲", text, record(text, text)))["来源"])[
        "原句"
    ]
    assert str(cell.value).startswith("1" * 32_000)
    assert len(str(cell.value)) <= 32_767


def test_too_long_texts_are_cut(tmp_path: Path) -> None:
    word = "😀" * 20_000
    one = record("产值12元", "12", notes=(word,))
    note = named(written(tmp_path, predicted_by_hand("甲", "产值12元", one))["记录"])["说明"].value
    assert len(note.encode("utf-16-le")) // 2 <= 32_767
    assert note.startswith("😀" * 16_000)
    assert note.endswith("全文见 JSONL）")


def test_long_sheets_go_on_in_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inference.writers.sheet.MOST_ROWS", 4)
    text = "产值12元"
    one = record(text, "12", "12", confidence={"unit": 0.1})
    book = written(tmp_path, *(predicted_by_hand(str(n), text, one, one) for n in range(4)))
    parts = ["记录", "记录 (2)", "记录 (3)"]
    assert set(parts) <= set(book.sheetnames)
    numbers = [[line[0] for line in values(book[name])[1:]] for name in parts]
    assert numbers == [[1, 2, 3], [4, 5, 6], [7, 8]]
    for name in parts:
        sheet = book[name]
        assert tuple(cell.value for cell in sheet[1]) == RECORDS.heads
        assert sheet.freeze_panes == "B2"
        assert sheet.auto_filter.ref == f"A1:T{sheet.max_row}"
        assert [str(area.sqref) for area in sheet.conditional_formatting] == [
            f"P2:P{sheet.max_row}"
        ]
    assert sum(len(values(book[name])) - 1 for name in book.sheetnames if "来源" in name) == 8


def test_summary(tmp_path: Path) -> None:
    one, other = row(confidence={"year": 0.3}), row(value="8.5", unit="%", indicator="投资")
    book = written(
        tmp_path,
        predicted_by_hand("甲", TEXT, one, other),
        predicted_by_hand("乙", TEXT, one),
        failures=("丙.docx：无法读取",),
    )
    lines = [[cell for cell in line if cell is not None] for line in values(book["汇总"])]
    for wanted in (
        ["模型", "紧凑 1.0"],
        ["报告", 2],
        ["字数", 2 * len(TEXT)],
        ["记录", 3],
        ["低置信度的记录（<0.6）", 2],
        ["未能读取", 1],
        ["丙.docx：无法读取"],
        ["报告", "来源", "字数", "记录", "低置信度", *LABELS],
        ["甲", "in/甲", len(TEXT), 2, 1, 0, 2, 2, 2, 1, 0],
        ["乙", "in/乙", len(TEXT), 1, 1, 0, 1, 1, 1, 1, 0],
        ["专利申请", 2],
        ["投资", 1],
    ):
        assert wanted in lines
    assert lines.index(["专利申请", 2]) < lines.index(["投资", 1])


def yearly(name: str, year: int, number: str, unit: str = "件") -> Prediction:
    text = f"云杉县{year}年总结\n全县专利申请量{number}{unit}。"
    one = record(
        text, number, number, unit=unit, indicator="专利申请量", year=f"{year}年",
        year_value=str(year), base=unit, confidence={"year": 0.9},
    )  # fmt: skip
    return predicted_by_hand(name, text, one)


def test_series_know_a_rise_from_a_fall() -> None:
    run = Run(model={})
    for name, words in (("总结", "增长"), ("公报", "下降")):
        text = f"云杉县2018年总结\n全县专利申请量同比{words}3%。"
        at = text.index(words)
        run.add(
            predicted_by_hand(
                name,
                text,
                record(
                    text, "3", "3", unit="%", indicator="专利申请量", year="2018年",
                    year_value="2018", base="%", measure="change",
                    evidence={"measure": (Mention.at(text, at, at + 2),)},
                ),
            )
        )  # fmt: skip
    (series,) = run.series
    assert len(series.conflicts) == 1


def test_series_over_reports(tmp_path: Path) -> None:
    book = written(
        tmp_path,
        yearly("2018", 2018, "612"),
        yearly("2019", 2019, "705"),
        yearly("2020", 2020, "813"),
        yearly("公报", 2020, "820"),
    )
    assert book.sheetnames[-4:] == ["汇总", "序列", "冲突", "图表"]
    sheet = book["序列"]
    cells = named(sheet)
    assert sheet.max_row == 2
    shown = {head: cell.value for head, cell in cells.items() if cell.value is not None}
    assert shown == {
        "指标": "专利申请量",
        "写法": "专利申请量",
        "主体": "云杉县",
        "性质": "水平",
        "实绩/目标": "实绩",
        "基本单位": "件",
        "报告数": 4,
        "冲突": 1,
        "2018": 612,
        "2019": 705,
        "2020": "813件 ≠ 820件",
    }
    assert [cell.value for cell in sheet[1] if isinstance(cell.value, int)] == [2018, 2019, 2020]
    assert cells["2020"].fill.fgColor.rgb == "FFF8CFCF"
    conflicts = [named(book["冲突"], number) for number in (2, 3)]
    assert [(c["年份"].value, c["数值"].value, c["报告"].value) for c in conflicts] == [
        (2020, 813, "2020"),
        (2020, 820, "公报"),
    ]
    # The chart draws numbers alone: Excel draws a text as zero, and nobody chose 813 or 820.
    chart_sheet = book["图表"]
    assert values(chart_sheet)[:2] == [
        ["指标", 2018, 2019, 2020],
        ["云杉县 专利申请量（件）", 612, 705, None],
    ]
    (chart,) = chart_sheet._charts
    (series,) = chart.series
    assert series.val.numRef.f == "图表!$B$2:$D$2"
    assert series.cat.numRef.f == "图表!$B$1:$D$1"


def test_no_series_of_one_report_and_no_chart_of_one_year(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    assert written(tmp_path / "one", yearly("甲", 2018, "612")).sheetnames[-1] == "汇总"
    (tmp_path / "two").mkdir()
    book = written(tmp_path / "two", yearly("甲", 2018, "612"), yearly("乙", 2018, "612"))
    assert book.sheetnames[-2:] == ["汇总", "序列"]
    assert named(book["序列"])["2018"].value == 612


def test_too_many_rows_for_series_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inference.run._MOST_ROWS", 1)
    book = written(tmp_path, yearly("甲", 2018, "612"), yearly("乙", 2019, "705"))
    assert "序列" not in book.sheetnames
    assert any("没有合并成序列" in str(line[1]) for line in values(book["汇总"]))
    assert len(values(book["记录"])) == 3


def test_spans_alone(tmp_path: Path) -> None:
    book = written(tmp_path, predicted_by_hand("甲", TEXT, row()), records=False)
    assert book.sheetnames == ["实体", "汇总"]
    assert [line[2:4] for line in values(book["实体"])[1:]] == [
        ["年份", "2018年"],
        ["指标", "专利申请"],
        ["数值", "1.2"],
        ["单位", "亿件"],
    ]


def test_nothing_to_write(tmp_path: Path) -> None:
    book = written(tmp_path, failures=("甲：坏了",))
    assert [len(values(book[name])) for name in ("记录", "来源", "实体")] == [1, 1, 1]
    assert book["记录"].auto_filter.ref == "A1:T1"


def parquet(folder: Path, *predictions: Prediction) -> Any:
    pq = pytest.importorskip("pyarrow.parquet")
    format = FORMATS["parquet"]
    run = Run({"name": "紧凑", "version": "1.0"}, ())
    format.check(folder / format.target)
    with format.write(folder / format.target, run) as write:
        for prediction in predictions:
            write(prediction)
    return pq.read_table(folder / format.target)


def test_parquet_keeps_types_and_exact_numbers(tmp_path: Path) -> None:
    one = row(number="1234567890123456789", subject=("县科技公司",), notes=("一", "二"))
    document = read_bytes(TEXT.encode(), "甲.txt")
    table = parquet(tmp_path, predicted_by_hand("甲", TEXT, one, document=document))
    (found,) = table.to_pylist()
    assert found == {
        "id": "甲",
        "source": "in/甲",
        "value": "1.2",
        "value_start": TEXT.index("1.2"),
        "value_end": TEXT.index("1.2") + 3,
        "unit": "亿件",
        "indicator": "专利申请",
        "indicator_start": TEXT.index("专利申请"),
        "qualifier": None,
        "subject": ["县科技公司"],
        "year": "2018年",
        "year_value": "2018",
        "measure": "level",
        "status": "actual",
        "bound": "eq",
        "value_number": 1234567890123456789.0,
        "value_low": None,
        "value_high": None,
        "value_number_exact": "1234567890123456789",
        "value_low_exact": None,
        "value_high_exact": None,
        "unit_base": "件",
        "confidence": [("unit", 0.99), ("indicator", 0.95), ("year", 0.9)],
        "notes": ["一", "二"],
        "sentence": SENTENCE,
        "page": None,
        "paragraph": 3,
    }
    assert str(table.schema.field("value_number").type) == "double"
    assert table.schema.metadata[b"zhibiao.model.name"].decode() == "紧凑"


def test_parquet_in_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inference.writers.parquet._GROUP_ROWS", 3)
    table = parquet(tmp_path, *(predicted_by_hand(str(n), TEXT, row(), row()) for n in range(5)))
    assert table.column("id").to_pylist() == [str(n) for n in range(5) for _ in range(2)]
    (tmp_path / "empty").mkdir()
    assert parquet(tmp_path / "empty").num_rows == 0


def test_parquet_needs_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(OutputError, match="pyarrow"):
        FORMATS["parquet"].check(tmp_path / "records.parquet")
