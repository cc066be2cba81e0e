"""Tables turned to text: rows of cells, their heads and the caption's unit.

Readers write a row as one line with ``|`` between its cells; pasted tables have tabs or several
spaces. A value that fills its cell takes its indicator, unit and year from the head of its row
and of its column.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from zhibiao.linking.structure import Slice
from zhibiao.spans import Span

__all__ = ["Cell", "Table", "Tables"]

_LINE = re.compile(r"[^\n]+")
_BAR = re.compile(r"\|")
_TAB = re.compile(r"\t")
_SPACES = re.compile(r" {2,}|　+|(?<=\S) ?　")
_CAPTION_UNIT = re.compile(r"单位\s*[:：]\s*([^\s，。；;,（）()|:：]{1,8})")
_HEAD_UNIT = re.compile(r"(?:[（(/]|±)\s*([^（）()\s|]{1,8}?)\s*[）)]?\s*$")
_ONLY = re.compile(r"\s*(\S+)\s*")
_UNITS = re.compile(
    r"[十百千万亿]*(?:元|美元|吨|人|家|件|项|个|户|亩|公顷|平方米|公里|千瓦时|千克|公斤|米|次|台|套|篇|名|所|辆|头|%|％|‰)"
    r"(?:次|年|标准煤)?|[%％‰]|个百分点"
)
# Each value looks along its row and up its column: these bound what that costs.
_MOST_COLUMNS = 200
_MOST_HEADS = 50
_FILLED = 2  # characters of a cell besides value and unit, such as a sign or a footnote mark


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table.

    ``fixed`` says that a single value fills it, ``is_name`` that an organisation does.
    """

    start: int
    end: int
    spans: tuple[Span, ...]
    fixed: bool
    is_name: bool = False

    def first(self, label: str) -> Span | None:
        """The first span of a label in the cell."""
        return next((span for span in self.spans if span.label == label), None)


@dataclass(slots=True)
class Table:
    """Consecutive rows; ``heads`` are the rows above the first value, the last 50 at most."""

    rows: list[list[Cell]]
    heads: list[list[Cell]]
    caption: Slice
    _starts: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self._starts = [row[0].start for row in self.rows]

    def row(self, value: Span) -> list[Cell]:
        """The row of a value."""
        return self.rows[max(bisect_right(self._starts, value.start) - 1, 0)]

    def place(self, value: Span) -> tuple[list[Cell], int] | None:
        """The row and the column number of a value that fills its cell."""
        row = self.row(value)
        for column, cell in enumerate(row):
            if cell.start <= value.start < cell.end:
                return (row, column) if cell.fixed else None
        return None

    def head(self, row: list[Cell], column: int) -> Iterator[Cell]:
        """The cells above a column, the nearest first; none where the columns do not match."""
        for head in reversed(self.heads):
            if len(head) == len(row):
                yield head[column]

    def matches(self, row: list[Cell]) -> bool:
        """Whether the row has as many cells as the table's heads."""
        return all(len(head) == len(row) for head in self.heads)


class Tables:
    """The tables of a report."""

    def __init__(self, text: str, spans: Sequence[Span]) -> None:
        self._text = text
        self._spans = spans
        self._starts = [span.start for span in spans]
        self.tables = list(self._find())
        self._table_starts = [table.rows[0][0].start for table in self.tables]

    def at(self, offset: int) -> Table | None:
        """The table that an offset lies in."""
        number = bisect_right(self._table_starts, offset) - 1
        if number < 0 or offset >= self.tables[number].rows[-1][-1].end:
            return None
        return self.tables[number]

    def _find(self) -> Iterator[Table]:
        block: list[list[Cell]] = []
        before = Slice(0, 0)
        caption = before
        for line in _LINE.finditer(self._text):
            cells = self._cells(line.start(), line.end())
            if 1 < len(cells) <= _MOST_COLUMNS:
                if not block:
                    caption = before
                block.append(cells)
                continue
            if block:
                yield from self._table(block, caption)
                block = []
            if line.group().strip():
                before = Slice(line.start(), line.end())
        if block:
            yield from self._table(block, caption)

    def _table(self, block: list[list[Cell]], caption: Slice) -> Iterator[Table]:
        filled = [number for number, row in enumerate(block) if any(cell.fixed for cell in row)]
        # Menus and page furniture have cells too, but no value of their own.
        if len(block) > 1 and filled:
            yield Table(block, block[max(0, filled[0] - _MOST_HEADS) : filled[0]], caption)

    def _cells(self, start: int, end: int) -> list[Cell]:
        text = self._text
        line = text[start:end]
        if "|" in line:
            parts = _BAR
            # A markdown row has bars at both edges.
            while start < end and text[start] in " |":
                start += 1
            first_bar = text.find("|", start, end)
            if first_bar >= 0:
                end = max(first_bar, start + len(text[start:end].rstrip(" |")))
        elif "\t" in line:
            parts = _TAB
        else:
            parts = _SPACES
            start += len(line) - len(line.lstrip())
        cells = []
        position = start
        for match in parts.finditer(text, start, end):
            cells.append(self._cell(position, match.start()))
            position = match.end()
        cells.append(self._cell(position, end))
        return cells

    def _cell(self, start: int, end: int) -> Cell:
        first = bisect_left(self._starts, start)
        last = bisect_left(self._starts, end)
        spans = tuple(self._spans[first:last])
        values = [span for span in spans if span.label == "数值"]
        known = sum(s.end - s.start for s in spans if s.label in ("数值", "单位"))
        rest = len(self._text[start:end].strip()) - known
        words = self._text[start:end].strip()
        is_name = (
            len(spans) == 1
            and spans[0].label in ("机构", "企业名")
            and len(words) == spans[0].end - spans[0].start
        )
        return Cell(start, end, spans, len(values) == 1 and rest <= _FILLED, is_name)

    def unit_in(self, cells: Sequence[Cell]) -> Span | Slice | None:
        """The unit that one of the cells names: a 单位 span, or else the place of its words."""
        for cell in cells:
            if unit := cell.first("单位"):
                return unit
        for cell in cells:
            words = self._text[cell.start : cell.end]
            # 「产值（万元）」, 「增减%」, or a cell that is a unit and nothing else.
            match = _HEAD_UNIT.search(words) or _ONLY.fullmatch(words)
            if match and _UNITS.fullmatch(match.group(1)):
                return Slice(cell.start + match.start(1), cell.start + match.end(1))
        return None

    def unit_of_caption(self, table: Table) -> Span | Slice | None:
        """「单位：亿元」 in the line above a table."""
        match = _CAPTION_UNIT.search(self._text, table.caption.start, table.caption.end)
        if match is None or not _UNITS.fullmatch(match.group(1)):
            return None
        number = bisect_left(self._starts, match.start(1))
        if number < len(self._spans) and self._starts[number] == match.start(1):
            return self._spans[number]
        return Slice(*match.span(1))
