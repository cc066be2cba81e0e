"""A table as CSV for spreadsheets."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

from inference.prediction import Prediction
from inference.run import Run
from inference.writers.tables import Cell, RowT, Table
from zhibiao.files import replacing

__all__ = ["is_formula", "neutralised", "write_csv"]

# Spreadsheet programs run cells that begin so as formulas; some take the full-width forms too.
_FORMULA = tuple("=+-@＝＋－＠")
_SPACING = tuple("\t\r\n")
# What Excel turns into a date or cuts to 15 digits while it opens a CSV: 1-2, 3/4, 2016-3-1.
_REWRITTEN = re.compile(r"[0-9]{1,4}(?:[-/][0-9]{1,2}){1,2}|[0-9]{16,}", re.ASCII)


@contextmanager
def write_csv(path: Path, _run: Run, table: Table[RowT]) -> Iterator[Callable[[Prediction], None]]:
    """Write CSV as Excel reads it: UTF-8 with a byte order mark, CRLF, texts neutralised."""
    with replacing(path, encoding="utf-8-sig", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(table.heads)
        count = 0

        def write(prediction: Prediction) -> None:
            nonlocal count
            for row in table.rows(prediction, count):
                writer.writerow(map(_written, table.cells(row)))
                count += 1

        yield write


def _written(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float):
        return f"{cell:.4f}"
    if isinstance(cell, Decimal):
        return format(cell, "f")  # a number, however it begins
    if isinstance(cell, int):
        return str(cell)
    return neutralised(str(cell))


def is_formula(cell: str) -> bool:
    """Whether a spreadsheet might run the text as a formula."""
    return cell.startswith(_SPACING) or cell.lstrip().startswith(_FORMULA)


def neutralised(cell: str) -> str:
    """The text with an apostrophe before it when Excel might not show it as it is.

    A formula would run (negative numbers such as ``-3.2`` get one too: ``-3.2+cmd`` begins no
    differently), ``1-2`` would become a date, and long numbers would lose digits. The exact text
    stands in the JSONL.
    """
    return f"'{cell}" if is_formula(cell) or _REWRITTEN.fullmatch(cell) else cell
