"""A value that fills a cell of a table: what the heads of its row and column say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from zhibiao.linking.choices import Choice
from zhibiao.linking.structure import Slice
from zhibiao.linking.tables import Cell, Table, Tables
from zhibiao.spans import Span

__all__ = ["CellLinks", "link_cell", "link_row"]

_CHANGE = re.compile(r"同比|增[长减幅速]|增加|[±+]|较上年|比上年|变动|变化|涨跌")
_SHARE = re.compile(r"占比|比重|份额|完成率|占.{1,8}%")
_TARGET = re.compile(r"目标|计划|合同指标|任务|预期|预算|考核指标|分值|要求")
_MISMATCH = "这一行的列数与表头不同，列可能错位"
_ACTUAL = re.compile(r"完成|实际|实绩|决算|现状|累计")


@dataclass(frozen=True, slots=True)
class CellLinks:
    """What the table says of a value; None leaves the field to the rules of running text."""

    unit: Choice[Span | Slice | None]
    indicator: Choice[Span | None]
    year: Choice[Span | None] | None
    measure: Choice[str] | None
    status: Choice[str] | None


def link_cell(text: str, tables: Tables, value: Span) -> CellLinks | None:
    """The links of a value that fills its cell, None for every other value."""
    table = tables.at(value.start)
    place = table.place(value) if table else None
    if table is None or place is None:
        return None
    row, column = place
    heads = list(table.head(row, column))
    words = " ".join(text[cell.start : cell.end] for cell in heads)
    return CellLinks(
        unit=_unit(tables, table, row, column, heads),
        indicator=_indicator(table, row, column, heads),
        year=_year(table, row, column, heads),
        measure=_measure(words, heads),
        status=_status(words, heads),
    )


def _unit(
    tables: Tables, table: Table, row: list[Cell], column: int, heads: list[Cell]
) -> Choice[Span | Slice | None]:
    """In the cell, in the column's head, in the row, in the caption: the nearest wins."""
    if own := row[column].first("单位"):
        return Choice(own, "cell")
    if head := tables.unit_in(heads):
        return Choice(head, "column_head", note="单位取自表头")
    others = [cell for cell in row if not cell.first("数值")]
    if beside := tables.unit_in(others):
        return Choice(beside, "row_head")
    if caption := tables.unit_of_caption(table):
        return Choice(caption, "caption", note="单位取自表上方的说明")
    return Choice(None, "none", note="表中没有写单位")


def _indicator(
    table: Table, row: list[Cell], column: int, heads: list[Cell]
) -> Choice[Span | None]:
    """A column that counts something of its own, else the head of the row."""
    note = "" if table.matches(row) else _MISMATCH
    if name := _first(heads, "指标"):
        return Choice(name, "column_head", ((name.start, name.end),))
    if name := _first(_outwards(row, column), "指标"):
        return Choice(name, "row_head", ((name.start, name.end),), note)
    return Choice(None, "none", note=note or "表中没有找到它度量的指标")


def _year(
    table: Table, row: list[Cell], column: int, heads: list[Cell]
) -> Choice[Span | None] | None:
    if year := _first(heads, "年份"):
        return Choice(year, "column_head")
    if year := _first(_outwards(row, column), "年份"):
        return Choice(year, "row_head")
    if not table.matches(row) and _first(_all(table.heads), "年份"):
        return Choice(None, "mismatch", note=_MISMATCH)
    return None


def _all(rows: list[list[Cell]]) -> Iterator[Cell]:
    return (cell for row in rows for cell in row)


def _measure(words: str, heads: list[Cell]) -> Choice[str] | None:
    for measure, pattern in (("change", _CHANGE), ("share", _SHARE)):
        if pattern.search(words):
            return Choice(measure, "column_head", _places(heads))
    return None


def _status(words: str, heads: list[Cell]) -> Choice[str] | None:
    if _ACTUAL.search(words):
        return Choice("actual", "column_head", _places(heads))
    if _TARGET.search(words):
        return Choice("target", "column_head", _places(heads))
    return None


def link_row(tables: Tables, value: Span) -> Choice[tuple[Span, ...]] | None:
    """The organisations that fill a cell of the value's row, such as the office in charge."""
    table = tables.at(value.start)
    row = table.row(value) if table else []
    names = tuple(cell.spans[0] for cell in row if cell.is_name)
    return Choice(names, "row") if names else None


def _places(cells: list[Cell]) -> tuple[tuple[int, int], ...]:
    return tuple((cell.start, cell.end) for cell in cells)


def _first(cells: list[Cell] | Iterator[Cell], label: str) -> Span | None:
    return next((span for cell in cells if (span := cell.first(label))), None)


def _outwards(row: list[Cell], column: int) -> Iterator[Cell]:
    """The other cells of a row: those to the left, the nearest first, then those to the right."""
    yield from reversed(row[:column])
    yield from row[column + 1 :]
