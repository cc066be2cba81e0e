"""Gold rows: the sheets of a corpus, or a JSON Lines file beside its reports."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from zhibiao.corpus import read_reports
from zhibiao.errors import FormatError
from zhibiao.records import Mention, Record
from zhibiao.reports import Report
from zhibiao.rows import read_rows

__all__ = ["GoldReport", "GoldRows", "read_gold"]


@dataclass(frozen=True, slots=True)
class GoldReport:
    """A report and its gold rows, one for each of its 数值 spans, in order."""

    report: Report
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class GoldRows:
    """The reports of a source whose gold rows are complete, and how many reports the source has."""

    source: str
    reports: tuple[GoldReport, ...]
    total: int


def read_gold(source: str, records: str | Path | None = None) -> GoldRows:
    """Gold rows of ``CORPUS:SPLIT`` (sheets ``CORPUS/records/ID.csv``) or of ``FILE.jsonl``.

    For a file the rows are in ``records``, by default ``records.jsonl`` beside it, in the form of
    :meth:`zhibiao.records.Record.to_dict`; other keys are ignored. A report without values needs
    no rows: whatever is predicted there is wrong.

    Raises:
        FormatError: names file and line: a report or sheet that breaks its format, rows of an
            unknown report, a value without a row or with two, or no rows at all.
    """
    reports = read_reports(source)
    if source.endswith(".jsonl"):
        path = Path(records) if records else Path(source).with_name("records.jsonl")
        found = _read_jsonl(path, {report.id: report for report in reports})
    else:
        path = Path(source.rpartition(":")[0]) / "records"
        sheets = {report.id: path / f"{report.id}.csv" for report in reports}
        found = {
            report.id: read_rows(sheets[report.id], report)
            for report in reports
            if sheets[report.id].is_file()
        }
    if not found:
        raise FormatError(f"{path}: no rows of the reports of {source}; write some first")
    chosen = tuple(
        GoldReport(report, tuple(found.get(report.id, ())))
        for report in reports
        if report.id in found or not any(span.label == "数值" for span in report.spans)
    )
    return GoldRows(source, chosen, len(reports))


def _read_jsonl(path: Path, reports: Mapping[str, Report]) -> dict[str, list[Record]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"{path}: cannot be read as UTF-8 ({error}); see --records") from error
    found: dict[str, list[Record]] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            data = json.loads(line)
        except json.JSONDecodeError as error:
            raise FormatError(f"{where}: broken JSON: {error.msg}") from error
        report = reports.get(str(data.get("id"))) if isinstance(data, dict) else None
        if report is None:
            raise FormatError(f"{where}: expected an object with the 'id' of one of the reports")
        for name in ("measure", "status", "bound"):
            if not data.get(name):
                raise FormatError(f"{where}: {name!r} is missing; a gold row states it")
        found.setdefault(report.id, []).append(Record.from_dict(data, report.text, where))
    for report_id, rows in found.items():
        rows.sort(key=lambda row: row.value)
        values = [s for s in reports[report_id].spans if s.label == "数值"]
        if [row.value for row in rows] != [Mention.of(reports[report_id].text, s) for s in values]:
            raise FormatError(
                f"{path}: report {report_id!r}: {len(rows)} rows for {len(values)} values; "
                "write one row for each 数值"
            )
    return found
