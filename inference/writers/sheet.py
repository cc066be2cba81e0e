"""One sheet of a workbook within the limits of Excel, written row by row.

What Excel would refuse or change is made harmless here: too many rows go on in a further sheet,
longer texts are cut, characters that XML cannot hold become signs, numbers that a double cannot
hold stay texts, and texts never become formulas.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from decimal import Decimal
from typing import Any

from xlsxwriter import Workbook
from xlsxwriter.format import Format
from xlsxwriter.utility import xl_col_to_name
from xlsxwriter.worksheet import Worksheet

from inference.doubts import FAIR, LOW
from inference.writers.csv_file import is_formula
from inference.writers.tables import Cell, Coloured

__all__ = ["Sheet", "Styles", "is_exact"]

MOST_ROWS = 1_048_576
MOST_CHARACTERS = 32_767  # UTF-16 units of one cell
_EXACT_DIGITS = 15
_CUT = "…（过长，全文见 JSONL）"
_SIGNS = {code: 0x2400 + code for code in range(0x20) if code not in (0x09, 0x0A)}
_SIGNS |= {0xFFFE: 0xFFFD, 0xFFFF: 0xFFFD}
_COLOURS = {
    # The darkest colours of the pages' legend: readable as text on white.
    "机构": "#2f4fc4",
    "指标": "#0b5c33",
    "数值": "#b00020",
    "单位": "#a4541a",
    "年份": "#6a3d9a",
    "企业名": "#1976a8",
    "限定": "#5c6570",
}
_LOOKS: dict[str, dict[str, Any]] = {
    "": {},
    "head": {"bold": True, "font_color": "#ffffff", "bg_color": "#2b4a6f", "border": 1},
    "title": {"bold": True, "font_size": 14},
    "doubtful": {"bg_color": "#fde2c4"},
    "edited": {"bg_color": "#d6e6f7"},
    "conflict": {"bg_color": "#f8cfcf", "bold": True},
}


def is_exact(number: Decimal) -> bool:
    """Whether Excel shows this very number: it keeps 15 significant digits of a double."""
    digits = number.normalize().as_tuple().digits
    return len(digits) <= _EXACT_DIGITS and -300 < number.adjusted() < 300


class Styles:
    """The formats of a workbook, each made once."""

    def __init__(self, book: Workbook) -> None:
        self._book = book
        self._made: dict[tuple[Any, ...], Format] = {}

    def get(self, look: str = "", **more: Any) -> Format:
        """The format of a look with further properties of XlsxWriter."""
        key = (look, *more.items())
        if key not in self._made:
            self._made[key] = self._book.add_format({"valign": "top", **_LOOKS[look], **more})
        return self._made[key]

    def ink(self, kind: str) -> Format:
        """The format of a slice of coloured text."""
        key = (None, kind)
        if key not in self._made:
            colour = {"bold": True, "font_color": _COLOURS[kind]} if kind else {}
            self._made[key] = self._book.add_format(colour)
        return self._made[key]


class Sheet:
    """Rows below a frozen head with filters; ``wrapped`` columns break their lines.

    ``confidence`` is the column whose numbers get a colour when they are low.
    """

    def __init__(
        self,
        book: Workbook,
        styles: Styles,
        name: str,
        heads: Sequence[str | int],
        widths: Sequence[int],
        *,
        frozen_columns: int = 0,
        wrapped: Set[int] = frozenset(),
        confidence: int | None = None,
    ) -> None:
        self.name = name
        self._book = book
        self._styles = styles
        self._heads = heads
        self._widths = widths
        self._frozen = frozen_columns
        self._wrapped = wrapped
        self._confidence = confidence
        self._parts = 0
        self._row = 0
        self.part: Worksheet
        self._begin_part()

    def _begin_part(self) -> None:
        self._parts += 1
        name = self.name if self._parts == 1 else f"{self.name} ({self._parts})"
        self.part = self._book.add_worksheet(name)
        for column, width in enumerate(self._widths):
            self.part.set_column(column, column, width)
        self._row = 0
        if self._heads:
            self.part.freeze_panes(1, self._frozen)
            self._write(self._heads, ["head"] * len(self._heads))

    def add(self, cells: Sequence[Cell], looks: Sequence[str] = ()) -> None:
        """Write a row; ``looks`` names the look of each cell, by default the plain one."""
        if self._row == MOST_ROWS:
            self.close()
            self._begin_part()
        self._write(cells, looks or [""] * len(cells))

    def _write(self, cells: Sequence[Cell], looks: Sequence[str]) -> None:
        for column, (cell, look) in enumerate(zip(cells, looks, strict=True)):
            if cell is not None and cell != "":
                self._put(column, cell, look)
            elif look:
                self.part.write_blank(self._row, column, None, self._styles.get(look))
        self._row += 1

    def _put(self, column: int, cell: Cell, look: str) -> None:
        if isinstance(cell, Decimal) and is_exact(cell):
            exponent = cell.normalize().as_tuple().exponent
            places = -exponent if isinstance(exponent, int) and -28 <= exponent < 0 else 0
            self._put_number(column, float(cell), "#,##0" + "." * (places > 0) + "0" * places, look)
        elif isinstance(cell, float):
            self._put_number(column, cell, "0.00", look)
        elif isinstance(cell, int):
            self._put_number(column, cell, "0", look)
        else:
            self._put_text(column, cell, look)

    def _put_number(self, column: int, number: float, pattern: str, look: str) -> None:
        style = self._styles.get(look, num_format=pattern)
        self.part.write_number(self._row, column, number, style)

    def _put_text(self, column: int, cell: Cell, look: str) -> None:
        text = _clean(format(cell, "f") if isinstance(cell, Decimal) else str(cell))
        wrap = {"text_wrap": True} if column in self._wrapped else {}
        # The prefix keeps a text a text also when somebody edits the cell or saves it as CSV.
        quoted = {"quote_prefix": True} if is_formula(text) else {}
        style = self._styles.get(look, **wrap, **quoted)
        pieces: tuple[tuple[str, str], ...] = ()
        if isinstance(cell, Coloured) and len(str(cell)) <= MOST_CHARACTERS // 2:
            pieces = tuple((_clean(piece), kind) for piece, kind in cell.pieces)
        elif text.startswith("<r>") and text.endswith("</r>"):
            # XlsxWriter takes such a text for its own markup; in slices it is escaped.
            pieces = ((text, ""),)
        if len(pieces) == 1 and len(text) > 1:  # XlsxWriter wants more than one slice
            ((whole, kind),) = pieces
            pieces = ((whole[:1], kind), (whole[1:], kind))
        if len(pieces) > 1:
            slices = [part for piece, kind in pieces for part in (self._styles.ink(kind), piece)]
            self.part.write_rich_string(self._row, column, *slices, style)
        else:
            self.part.write_string(self._row, column, text, style)

    def close(self) -> None:
        """Set filters and colours over the rows of the part."""
        if not self._heads:
            return
        last = max(self._row - 1, 0)
        self.part.autofilter(0, 0, last, len(self._heads) - 1)
        if self._confidence is None or last == 0:
            return
        column = xl_col_to_name(self._confidence)
        for low, high, colour in ((0, LOW, "#f4a9a0"), (LOW, FAIR, "#fbe3a6")):
            self.part.conditional_format(
                1,
                self._confidence,
                last,
                self._confidence,
                {
                    "type": "formula",
                    # Empty cells count as 0 in comparisons.
                    "criteria": f"=AND(ISNUMBER(${column}2),${column}2>={low},${column}2<{high})",
                    "format": self._book.add_format({"bg_color": colour}),
                },
            )


def _clean(text: str) -> str:
    """The text as a cell can hold it."""
    text = text.translate(_SIGNS)
    # The long way only where it matters: this runs for every cell.
    if len(text) <= MOST_CHARACTERS // 2 or len(text.encode("utf-16-le")) <= 2 * MOST_CHARACTERS:
        return text
    units = text.encode("utf-16-le")[: 2 * (MOST_CHARACTERS - len(_CUT))]
    return units.decode("utf-16-le", errors="ignore") + _CUT
