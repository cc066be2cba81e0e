"""Records in files: those of an exported report, and those that an import is given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from zhibiao.errors import FormatError
from zhibiao.records import Record
from zhibiao.reports import Report

__all__ = ["GivenRecords", "exported_records"]


def exported_records(report: Report) -> tuple[Record, ...] | None:
    """The records that an export put into a report's meta; None where records were not annotated.

    Raises:
        FormatError: they are something else.
    """
    rows = report.meta.get("records")
    if rows is None:
        return None
    if not isinstance(rows, list):
        raise FormatError(f"报告 {report.id} 的 meta 里 records 不是记录的列表；请改名或删去")
    return tuple(
        Record.from_dict(row, report.text, f"报告 {report.id} 的第 {number} 条记录")
        for number, row in enumerate(rows, start=1)
    )


class GivenRecords:
    """The rows of a JSON Lines file by report: one a line with the report's ``id``, as an export
    writes ``records.jsonl``, or those under ``records`` of each report, as predict.py writes them.

    Raises:
        FormatError: (when made) the file cannot be read, or a line is neither.
    """

    def __init__(self, path: Path) -> None:
        self._rows: dict[str, list[tuple[str, Any]]] = {}
        try:
            with open(path, encoding="utf-8-sig", newline="\n") as stream:
                for number, line in enumerate(stream, start=1):
                    if line.strip():
                        self._add(line, f"{path}:{number}")
        except (OSError, UnicodeDecodeError) as error:
            raise FormatError(f"{path}：不能按 UTF-8 读取（{error}）") from error

    def _add(self, line: str, where: str) -> None:
        try:
            data = json.loads(line)
        except ValueError as error:
            raise FormatError(f"{where}：JSON 有误（{error}）；请改正或删去这一行") from error
        report = data.get("id") if isinstance(data, dict) else None
        rows = data.get("records", [data]) if isinstance(data, dict) else None
        if not isinstance(report, str) or not isinstance(rows, list):
            raise FormatError(f"{where}：应是一条带 id 的记录，或一份带 id 和 records 的报告")
        self._rows.setdefault(report, []).extend((where, row) for row in rows)

    def take(self, report: str, text: str) -> tuple[tuple[Record, ...], list[str]]:
        """The records of a report, and a line for each row that is none of its text's."""
        records: list[Record] = []
        problems: list[str] = []
        for where, row in self._rows.pop(report, ()):
            try:
                records.append(Record.from_dict(row, text, where))
            except FormatError as error:
                problems.append(f"{error}（报告 {report}，这一条没有导入）")
        return tuple(records), problems

    @property
    def left(self) -> tuple[str, ...]:
        """The ids of reports whose records nobody has taken."""
        return tuple(self._rows)
