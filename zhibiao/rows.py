"""Rows files: the gold records of one report, as a CSV that people edit in a spreadsheet.

One line for each 数值 span, in the order of the text. A cell that refers to a span holds the
span's number in the report (from 1, all labels counted) and its text: ``12 科技计划项目``; several
are joined by ``；``. The number makes the reference unambiguous, the text makes it readable and
shows when the report was edited since. ``qualifier`` is any text of the report: its last
occurrence before the value is meant, or else the first after it; ``text@start`` says otherwise.
``context`` is there for readers only: it is written, and ignored when read.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from zhibiao.errors import FormatError
from zhibiao.files import replacing
from zhibiao.records import BOUNDS, FIELDS, MEASURES, STATUSES, Mention, Record
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


def read_rows(path: str | Path, report: Report) -> list[Record]:
    """The gold records of a report, one for each of its 数值 spans, in order.

    Raises:
        FormatError: names file, line and column: a missing column, a reference whose number and
            text do not agree or whose label does not fit, an unknown choice, a qualifier that is
            not in the text, a value without a line or with two.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as stream:
            lines = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FormatError(f"{path}: cannot be read as UTF-8 CSV ({error})") from error
    records = [
        _record(line, report, f"{path}:{number}") for number, line in enumerate(lines, start=2)
    ]
    values = [Mention.of(report.text, span) for span in report.spans if span.label == "数值"]
    if [record.value for record in records] != values:
        missing = sorted(set(values) - {record.value for record in records})
        hint = f"no line for {missing[0].text!r} at {missing[0].start}" if missing else "order"
        raise FormatError(
            f"{path}: {len(records)} lines for {len(values)} values ({hint}); "
            "write one line for each 数值, in the order of the text"
        )
    return records


def _record(line: dict[str, str | None], report: Report, where: str) -> Record:
    def cell(column: str) -> str:
        content = line.get(column)
        if content is None:
            raise FormatError(f"{where}: column {column!r} is missing")
        return content.strip()

    def mentions(column: str) -> tuple[Mention, ...]:
        references = [part for part in cell(column).split("；") if part.strip()]
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
        year_value=cell("year_value"),
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
    if mention.text.replace("\n", " ") != text.strip():
        raise FormatError(f"{where}: {column} {reference!r}: span {number} is {mention.text!r}")
    if span.label not in labels:
        raise FormatError(
            f"{where}: {column} {reference!r}: a {span.label}, expected {'、'.join(labels)}"
        )
    return mention


def _qualifier(content: str, value_start: int, text: str, where: str) -> Mention | None:
    if not content:
        return None
    wanted, at, offset = content.rpartition("@")
    if at and offset.isascii() and offset.isdigit():
        start = int(offset) if text.startswith(wanted, int(offset)) else -1
        content = wanted
    else:
        start = text.rfind(content, 0, value_start)
        if start < 0:
            start = text.find(content, value_start)
    if start < 0:
        raise FormatError(f"{where}: qualifier {content!r} is not in the text there")
    return Mention.at(text, start, start + len(content))


def write_rows(path: str | Path, report: Report, records: Sequence[Record]) -> None:
    """Write the gold records of a report; :func:`read_rows` gives the same records back."""
    numbers = {(s.start, s.end): number for number, s in enumerate(report.spans, start=1)}

    def refer(mention: Mention | None) -> str:
        if mention is None:
            return ""
        shown = mention.text.replace("\n", " ")
        return f"{numbers[mention.start, mention.end]} {shown}"

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
    found = _qualifier(wanted.text, record.value.start, text, "qualifier")
    return wanted.text if found == wanted else f"{wanted.text}@{wanted.start}"


def _context(text: str, value: Mention) -> str:
    before = text[max(0, value.start - _BEFORE) : value.start]
    after = text[value.end : value.end + _AFTER]
    return f"{before}【{value.text}】{after}".replace("\n", "⏎")
