"""Rows files: the gold records of one report, as a CSV that people edit in a spreadsheet.

One line for each 数值 span, in the order of the text. A cell that refers to a span holds the
span's number in the report (from 1, all labels counted) and its text: ``12 科技计划项目``; several
are joined by ``；``. The number makes the reference unambiguous, the text makes it readable and
shows when the report was edited since. ``qualifier`` is any text of the report: its last
occurrence before the value is meant, or else the first after it; ``text@start`` says otherwise.
``context`` is there for readers only: it is written, and ignored when read, and so are columns
that the format does not know.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from zhibiao.errors import FormatError
from zhibiao.files import replacing
from zhibiao.records import BOUNDS, FIELDS, MEASURES, STATUSES, Mention, Record, find_qualifier
from zhibiao.reports import Report

__all__ = ["read_rows", "write_rows"]

_COLUMNS = ("context", *FIELDS)
_BEFORE, _AFTER = 16, 10
_CHOICES = {"measure": MEASURES, "status": STATUSES, "bound": BOUNDS}
_LABELS = {
    "value": ("数值",),
    "unit": ("单位",),
    "indicator": ("指标",),
    "subject": ("机构", "企业名"),
    "year": ("年份",),
}
_REFERENCE_BREAK = re.compile(r"；(?=\s*[0-9]+ |\s*$)")  # a name may hold the separator itself
_YEARS = re.compile(r"([0-9]{4})(?:-([0-9]{4}))?")
_MASK = re.compile(r"[xXＸ×*＊_＿某Oo○〇□?？]")


def read_rows(path: str | Path, report: Report) -> list[Record]:
    """The gold records of a report, one for each of its 数值 spans, in order.

    Raises:
        FormatError: names file, line and column: a missing column, a line with too many cells, a
            reference whose number and text do not agree or whose label does not fit, an unknown
            choice, a year of another form, a qualifier that is not in the text, a value without
            a line or with two.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)
            header = reader.fieldnames or ()
            # A line is known by where it ends: cells may hold line breaks.
            lines = [(reader.line_num, line) for line in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FormatError(f"{path}: cannot be read as UTF-8 CSV ({error})") from error
    for column in FIELDS:
        if column not in header:
            raise FormatError(f"{path}:1: column {column!r} is missing")
    records = [_record(line, report, f"{path}:{number}") for number, line in lines]
    _check_values([record.value for record in records], report, path)
    return records


def _check_values(found: list[Mention], report: Report, path: str | Path) -> None:
    wanted = [Mention.of(report.text, span) for span in report.spans if span.label == "数值"]
    if found == wanted:
        return
    counts = Counter(found)
    if missing := [value for value in wanted if not counts[value]]:
        problem = f"no line for {missing[0].text!r} at {missing[0].start}"
    elif double := [value for value in wanted if counts[value] > 1]:
        problem = f"two lines for {double[0].text!r} at {double[0].start}"
    else:
        problem = "another order"
    raise FormatError(
        f"{path}: {len(found)} lines for {len(wanted)} values ({problem}); "
        "write one line for each 数值, in the order of the text"
    )


def _record(line: dict[str, str | None], report: Report, where: str) -> Record:
    if None in line:  # csv gathers the cells that have no column under it
        raise FormatError(f"{where}: more cells than columns; quote cells that hold commas")

    def cell(column: str) -> str:
        content = line[column]
        if content is None:
            raise FormatError(f"{where}: column {column!r} is missing")
        return content.strip()

    def mentions(column: str) -> tuple[Mention, ...]:
        references = [part for part in _REFERENCE_BREAK.split(cell(column)) if part.strip()]
        return tuple(_resolve(part, report, _LABELS[column], where, column) for part in references)

    def one(column: str) -> Mention | None:
        found = mentions(column)
        if len(found) > 1:
            raise FormatError(f"{where}: column {column!r} takes one reference, found {len(found)}")
        return found[0] if found else None

    def choice(column: str) -> str:
        content = cell(column)
        if content not in _CHOICES[column]:
            raise FormatError(
                f"{where}: {column} {content!r}: use one of {', '.join(_CHOICES[column])}"
            )
        return content

    value = one("value")
    if value is None:
        raise FormatError(f"{where}: column 'value' is empty")
    return Record(
        value=value,
        unit=one("unit"),
        indicator=one("indicator"),
        qualifier=_qualifier(cell("qualifier"), value.start, report.text, where),
        subject=mentions("subject"),
        year=one("year"),
        year_value=_year_value(cell("year_value"), report.text, where),
        measure=choice("measure"),
        status=choice("status"),
        bound=choice("bound"),
    )


def _resolve(
    reference: str, report: Report, labels: tuple[str, ...], where: str, column: str
) -> Mention:
    number, _, text = reference.strip().partition(" ")
    if not number.isascii() or not number.isdigit() or not 1 <= int(number) <= len(report.spans):
        raise FormatError(
            f"{where}: {column} {reference!r}: write a span's number (1 to {len(report.spans)}), "
            "a space and its text"
        )
    span = report.spans[int(number) - 1]
    mention = Mention.of(report.text, span)
    if _on_one_line(mention.text) != text.strip():
        raise FormatError(f"{where}: {column} {reference!r}: span {number} is {mention.text!r}")
    if span.label not in labels:
        raise FormatError(
            f"{where}: {column} {reference!r}: a {span.label}, expected {'、'.join(labels)}"
        )
    return mention


def _year_value(content: str, text: str, where: str) -> str:
    years = _YEARS.fullmatch(content)
    masked = content in text and _MASK.search(content)
    if content and not masked and not (years and years[1] <= (years[2] or years[1])):
        raise FormatError(
            f"{where}: year_value {content!r}: write 2016, 2016-2020, a masked year as it stands "
            "in the report, or nothing"
        )
    return content


def _qualifier(content: str, value_start: int, text: str, where: str) -> Mention | None:
    if not content:
        return None
    wanted, at, offset = content.rpartition("@")
    if at and wanted and offset.isascii() and offset.isdigit():
        start, content = int(offset), wanted
        there = text.startswith(wanted, start)
        found = Mention.at(text, start, start + len(wanted)) if there else None
    else:
        found = find_qualifier(content, value_start, text)
    if found is None:
        raise FormatError(f"{where}: qualifier {content!r} is not in the text there")
    return found


def write_rows(path: str | Path, report: Report, records: Sequence[Record]) -> None:
    """Write the gold records of a report; :func:`read_rows` gives the same records back.

    Raises:
        FormatError: a field refers to something that is no span of the report.
        OutputError: the folder does not exist or is not writable.
    """
    numbers = {(s.start, s.end): number for number, s in enumerate(report.spans, start=1)}

    def refer(mention: Mention | None) -> str:
        if mention is None:
            return ""
        number = numbers.get((mention.start, mention.end))
        if number is None:
            raise FormatError(
                f"{path}: {mention.text!r} at {mention.start} is no span of report {report.id!r}; "
                "a sheet can only refer to spans"
            )
        return f"{number} {_on_one_line(mention.text)}"

    # Spreadsheet programs take a CSV for UTF-8 only when it begins with the mark.
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for record in records:
        writer.writerow(
            (
                _context(report.text, record.value),
                refer(record.value),
                refer(record.unit),
                refer(record.indicator),
                _qualifier_cell(record, report.text),
                "；".join(refer(mention) for mention in record.subject),
                refer(record.year),
                record.year_value,
                record.measure,
                record.status,
                record.bound,
            )
        )
    with replacing(path) as stream:
        stream.write("\ufeff" + buffer.getvalue())


def _qualifier_cell(record: Record, text: str) -> str:
    wanted = record.qualifier
    if wanted is None:
        return ""
    # A text that ends like "@12" would be read as an offset.
    plain = not re.search(r"@[0-9]+$", wanted.text, re.ASCII)
    if plain and find_qualifier(wanted.text, record.value.start, text) == wanted:
        return wanted.text
    return f"{wanted.text}@{wanted.start}"


def _on_one_line(text: str) -> str:
    return text.replace("\n", " ")


def _context(text: str, value: Mention) -> str:
    before = text[max(0, value.start - _BEFORE) : value.start]
    after = text[value.end : value.end + _AFTER]
    return f"{before}【{value.text}】{after}".replace("\n", "⏎")
