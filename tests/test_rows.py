"""Row sheets: what is written is read again, and every mistake is named with its place."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from pathlib import Path

import pytest

from zhibiao import Report, write_tagged
from zhibiao.errors import FormatError
from zhibiao.records import FIELDS, Mention, Record, find_qualifier
from zhibiao.rows import read_rows, write_rows
from zhibiao.tagged import parse_tagged

TAGGED = (
    "⟦年份|2019年⟧，⟦机构|云泽县农机站⟧、⟦企业名|云泽；农具厂⟧推广⟦指标|插秧\n机⟧⟦数值|46⟧⟦单位|台⟧，"
    "其中高速型⟦数值|9⟧⟦单位|台⟧，高速型占比提高；⟦年份|20**年⟧完成⟦指标|维修⟧⟦数值|七⟧⟦单位|次⟧。"
)
TEXT, SPANS = parse_tagged(TAGGED)
REPORT = Report("r1", TEXT, SPANS)
ROWS = (
    "5 46,6 台,4 插秧 机,,2 云泽县农机站；3 云泽；农具厂,1 2019年,2019,level,actual,eq",
    "7 9,8 台,4 插秧 机,高速型,,1 2019年,2019,level,actual,eq",
    "11 七,12 次,10 维修,,,9 20**年,20**,level,target,ge",
)


def mention(text: str, occurrence: int = 0) -> Mention:
    start = -1
    for _ in range(occurrence + 1):
        start = TEXT.index(text, start + 1)
    return Mention.at(TEXT, start, start + len(text))


RECORDS = [
    Record(
        mention("46"),
        mention("台"),
        mention("插秧\n机"),
        None,
        (mention("云泽县农机站"), mention("云泽；农具厂")),
        mention("2019年"),
        "2019",
    ),
    Record(
        mention("9", 1),
        mention("台", 1),
        mention("插秧\n机"),
        mention("高速型"),
        (),
        mention("2019年"),
        "2019",
    ),
    Record(
        mention("七"),
        mention("次"),
        mention("维修"),
        None,
        (),
        mention("20**年"),
        "20**",
        "level",
        "target",
        "ge",
    ),
]


def sheet(folder: Path, *lines: str, header: str = ",".join(FIELDS)) -> Path:
    path = folder / "r1.csv"
    path.write_text("\n".join((header, *lines)) + "\n", encoding="utf-8")
    return path


def changed(line: int, **cells: str) -> tuple[str, ...]:
    """The good rows with some cells of one line replaced."""
    fields = dict(zip(FIELDS, ROWS[line].split(","), strict=True)) | cells
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="").writerow(fields.values())
    return (*ROWS[:line], buffer.getvalue(), *ROWS[line + 1 :])


def test_a_sheet_written_by_hand_is_read(tmp_path: Path) -> None:
    assert read_rows(sheet(tmp_path, *ROWS), REPORT) == RECORDS


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "r1.csv"
    write_rows(path, REPORT, RECORDS)
    assert read_rows(path, REPORT) == RECORDS
    assert path.read_bytes().startswith(b"\xef\xbb\xbfcontext,value,")
    with open(path, encoding="utf-8-sig", newline="") as stream:
        contexts = [line["context"] for line in csv.DictReader(stream)]
    assert contexts[0].endswith("插秧⏎机【46】台，其中高速型9台，")


@pytest.mark.parametrize(
    ("text", "qualifier", "cell"),
    [
        ("省级3项，省级9项。", (0, 2), "省级@0"),
        ("省级3项，省级9项。", (5, 7), "省级"),
        ("9项为省级，省级。", (3, 5), "省级"),
        ("9项为省级，省级。", (6, 8), "省级@6"),
        # Looks like an offset, and is the text itself.
        ("甲@3类9项。", (0, 3), "甲@3@0"),
    ],
)
def test_a_qualifier_keeps_its_place(
    tmp_path: Path, text: str, qualifier: tuple[int, int], cell: str
) -> None:
    report = Report("q", text, parse_tagged(text.replace("9", "⟦数值|9⟧"))[1])
    value = Mention.of(text, report.spans[0])
    record = Record(value, qualifier=Mention.at(text, *qualifier))
    write_rows(tmp_path / "q.csv", report, [record])
    assert cell in (tmp_path / "q.csv").read_text(encoding="utf-8").split(",")
    assert read_rows(tmp_path / "q.csv", report) == [record]


def test_a_qualifier_is_found_before_the_value_first() -> None:
    assert find_qualifier("高速型", mention("9", 1).start, TEXT) == mention("高速型")
    assert find_qualifier("高速型", mention("46").start, TEXT) == mention("高速型")
    assert find_qualifier("高速型", mention("七").start, TEXT) == mention("高速型", 1)
    assert find_qualifier("低速型", 0, TEXT) is None


@pytest.mark.parametrize(
    ("line", "column", "cell", "message"),
    [
        (0, "value", "", "r1.csv:2: column 'value' is empty"),
        (0, "value", "46", "r1.csv:2: value '46': write a span's number (1 to 12)"),
        (0, "value", "0 46", "value '0 46': write a span's number (1 to 12)"),
        (0, "value", "13 46", "value '13 46': write a span's number (1 to 12)"),
        (0, "value", "² 46", "value '² 46': write a span's number (1 to 12)"),
        (0, "value", "5 47", "value '5 47': span 5 is '46'"),
        (0, "value", "6 台", "value '6 台': a 单位, expected 数值"),
        (0, "value", "5 46；7 9", "column 'value' takes one reference, found 2"),
        (1, "unit", "5 46", "r1.csv:3: unit '5 46': a 数值, expected 单位"),
        (1, "indicator", "4 插秧机", r"indicator '4 插秧机': span 4 is '插秧\n机'"),
        (1, "indicator", "1 2019年", "indicator '1 2019年': a 年份, expected 指标"),
        (1, "subject", "4 插秧 机", "subject '4 插秧 机': a 指标, expected 机构、企业名"),
        (0, "subject", "2 云泽县农机站、3 云泽；农具厂", "span 2 is '云泽县农机站'"),
        (1, "qualifier", "低速型", "r1.csv:3: qualifier '低速型' is not in the text there"),
        (1, "qualifier", "高速型@3", "qualifier '高速型' is not in the text there"),
        (1, "qualifier", "@3", "qualifier '@3' is not in the text there"),
        (2, "year", "10 维修", "r1.csv:4: year '10 维修': a 指标, expected 年份"),
        (2, "year_value", "2019年", "r1.csv:4: year_value '2019年': write 2016, 2016-2020"),
        (2, "year_value", "2020-2019", "year_value '2020-2019': write 2016, 2016-2020"),
        (2, "year_value", "19", "year_value '19': write 2016, 2016-2020"),
        (2, "year_value", "20XX", "year_value '20XX': write 2016, 2016-2020"),
        (2, "measure", "", "measure '': use one of level, change, share"),
        (2, "status", "Actual", "status 'Actual': use one of actual, target"),
        (2, "bound", "~", "bound '~': use one of eq, approx, ge, le, gt, lt"),
    ],
)
def test_a_wrong_cell_is_named(
    tmp_path: Path, line: int, column: str, cell: str, message: str
) -> None:
    with pytest.raises(FormatError) as caught:
        read_rows(sheet(tmp_path, *changed(line, **{column: cell})), REPORT)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ((), "0 lines for 3 values (no line for '46'"),
        (ROWS[:2], "2 lines for 3 values (no line for '七'"),
        ((*ROWS, ROWS[0]), "4 lines for 3 values (two lines for '46'"),
        ((ROWS[1], ROWS[0], ROWS[2]), "3 lines for 3 values (another order)"),
        ((ROWS[0] + ",", *ROWS[1:]), "r1.csv:2: more cells than columns"),
        ((ROWS[0].rpartition(",")[0], *ROWS[1:]), "r1.csv:2: column 'bound' is missing"),
        # The place is that of the line in the file, empty lines and line breaks in cells counted.
        ((ROWS[0], "", ROWS[1] + "?", ROWS[2]), "r1.csv:4: bound 'eq?'"),
        ((ROWS[0].replace("5 46", '"5 46\n"'), ROWS[1] + "?"), "r1.csv:4: bound 'eq?'"),
        (('"5 46" x,', *ROWS[1:]), "cannot be read as UTF-8 CSV"),
    ],
)
def test_wrong_lines_are_named(tmp_path: Path, lines: tuple[str, ...], message: str) -> None:
    with pytest.raises(FormatError) as caught:
        read_rows(sheet(tmp_path, *lines), REPORT)
    assert message in str(caught.value)


def test_a_missing_column_and_a_wrong_encoding(tmp_path: Path) -> None:
    without = ",".join(name for name in FIELDS if name != "subject")
    with pytest.raises(FormatError, match=r"r1\.csv:1: column 'subject' is missing"):
        read_rows(sheet(tmp_path, header=without), REPORT)
    (tmp_path / "r1.csv").write_bytes(",".join(FIELDS).encode() + "\n县".encode("gb18030"))
    with pytest.raises(FormatError, match="cannot be read as UTF-8 CSV"):
        read_rows(tmp_path / "r1.csv", REPORT)
    with pytest.raises(FormatError, match="No such file"):
        read_rows(tmp_path / "r2.csv", REPORT)


def test_a_mention_that_is_no_span_cannot_be_written(tmp_path: Path) -> None:
    record = Record(mention("46"), indicator=mention("推广"))
    with pytest.raises(FormatError, match=r"'推广' at \d+ is no span of report 'r1'"):
        write_rows(tmp_path / "r1.csv", REPORT, [record])
    assert not (tmp_path / "r1.csv").exists()


def test_record_sheet(root: Path, tmp_path: Path) -> None:
    def run(*options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "scripts/record_sheet.py", str(tmp_path), "r1", *options],
            cwd=root,
            capture_output=True,
            text=True,
            check=False,
        )

    (tmp_path / "reports").mkdir()
    write_tagged(tmp_path / "reports" / "r1.txt", Report("r1", TEXT, SPANS, {"genre": "other"}))
    made = run()
    assert made.returncode == 0, made.stderr
    assert "⟦5 数值|46⟧⟦6 单位|台⟧" in made.stdout
    assert "written, 3 lines to fill" in made.stdout
    path = tmp_path / "records" / "r1.csv"
    assert [record.value for record in read_rows(path, REPORT)] == [r.value for r in RECORDS]
    # A person fills it in another program, which loses the contexts.
    sheet(path.parent, *ROWS)
    assert run("--quiet", "--rewrite").stdout == f"{path}: 3 records, right in form\n"
    assert read_rows(path, REPORT) == RECORDS
    assert "【46】" in path.read_text(encoding="utf-8")
    sheet(path.parent, *ROWS[:2])
    wrong = run("--quiet")
    assert wrong.returncode == 1
    assert "2 lines for 3 values" in wrong.stderr
