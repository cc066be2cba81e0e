"""All results in one Excel workbook, in memory that does not grow with the number of reports."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TextIO, cast

from xlsxwriter import Workbook
from xlsxwriter.exceptions import XlsxWriterException

from inference.doubts import LOW
from inference.prediction import Prediction
from inference.run import Run
from inference.writers.edited import edited_fields
from inference.writers.series_sheets import add_series_sheets
from inference.writers.sheet import Sheet, Styles, is_exact
from inference.writers.summary_sheet import add_summary_sheet
from inference.writers.tables import RECORDS, SOURCES, SPANS, Cell, Column, RecordRow, Table
from zhibiao.errors import OutputError
from zhibiao.files import replacing

__all__ = ["write_workbook"]

_NOTES = RECORDS.heads.index("说明")
_CREATED = datetime(2000, 1, 1)
"""Said to be the time of every workbook, so that the same reports give the same bytes."""
_INEXACT = "超过 Excel 的 15 位有效数字，按文本保存"


@contextmanager
def write_workbook(
    path: Path, run: Run, *, records: bool = True
) -> Iterator[Callable[[Prediction], None]]:
    """Write an xlsx file: 记录, 来源, 实体, 汇总, and 序列, 冲突, 图表 where there are any.

    Without ``records`` only 实体 and 汇总.

    Raises:
        OutputError: the workbook cannot be written.
    """
    # XlsxWriter keeps finished rows in files of its own: here, where there is room for results.
    with replacing(path) as stream, TemporaryDirectory(prefix=".xlsx.", dir=path.parent) as rows:
        options = {"constant_memory": True, "tmpdir": rows, "use_zip64": True}
        # What `replacing` opens is a text file over a binary one.
        book = Workbook(cast(TextIO, stream).buffer, options)
        book.set_properties({"created": _CREATED})
        try:
            sheets = _Sheets(book, records)
            yield sheets.add
            sheets.close(run)
            book.close()
        except XlsxWriterException as error:
            raise OutputError(f"{path}：无法写入（{error}）；请换一个空间足够的文件夹") from error
        finally:
            for part in book.worksheets():
                if part.row_data_fh is not None:
                    part.row_data_fh.close()


class _Sheets:
    def __init__(self, book: Workbook, records: bool) -> None:
        self._book = book
        self._styles = Styles(book)
        self._records = self._sources = None
        if records:
            self._records = self._sheet("记录", RECORDS, frozen_columns=1, confidence="置信度")
            self._sources = self._sheet("来源", SOURCES, wrapped={"原句", "句外依据"})
        self._spans = self._sheet("实体", SPANS, confidence="置信度")
        self._count = 0

    def _sheet(
        self,
        name: str,
        table: Table[Any],
        *,
        frozen_columns: int = 0,
        wrapped: frozenset[str] | set[str] = frozenset(),
        confidence: str = "",
    ) -> Sheet:
        return Sheet(
            self._book,
            self._styles,
            name,
            table.heads,
            [column.width for column in table.columns],
            frozen_columns=frozen_columns,
            wrapped={table.heads.index(head) for head in wrapped},
            confidence=table.heads.index(confidence) if confidence else None,
        )

    def add(self, prediction: Prediction) -> None:
        if self._records and self._sources:
            for row in RECORDS.rows(prediction, self._count):
                looks = [_look(column, row) for column in RECORDS.columns]
                self._records.add(_noting(RECORDS.cells(row)), looks)
                self._sources.add(SOURCES.cells(row))
            self._count += len(prediction.records)
        for span_row in SPANS.rows(prediction, 0):
            self._spans.add(SPANS.cells(span_row))

    def close(self, run: Run) -> None:
        for sheet in (self._records, self._sources, self._spans):
            if sheet:
                sheet.close()
        add_summary_sheet(self._book, self._styles, run, records=self._records is not None)
        add_series_sheets(self._book, self._styles, run.series)


def _look(column: Column[RecordRow], row: RecordRow) -> str:
    if column.field in edited_fields(row.record):
        return "edited"
    confidence = row.record.confidence.get(column.field, 1.0)
    return "doubtful" if confidence < LOW else ""


def _noting(cells: tuple[Cell, ...]) -> list[Cell]:
    """The cells of a record, with a note where a number must stay a text."""
    noted = list(cells)
    if any(isinstance(cell, Decimal) and not is_exact(cell) for cell in cells):
        noted[_NOTES] = "；".join(filter(None, (str(cells[_NOTES]), _INEXACT)))
    return noted
