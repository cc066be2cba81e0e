"""The sheets of what several reports say of one indicator: series, conflicts, charts."""

from __future__ import annotations

import re
from collections.abc import Sequence

from xlsxwriter import Workbook

from inference.lines import Line, charted, lines_of
from inference.words import MEASURE_WORDS, STATUS_WORDS
from inference.writers.sheet import Sheet, Styles
from inference.writers.tables import Cell
from zhibiao.series import Point, Series

__all__ = ["add_series_sheets"]

_NAME = "序列"
_FIXED = (
    ("指标", 26),
    ("写法", 30),
    ("限定", 14),
    ("主体", 24),
    ("性质", 8),
    ("实绩/目标", 11),
    ("基本单位", 10),
    ("报告数", 8),
    ("冲突", 7),
    ("说明", 24),
)
_CONFLICTS = (
    ("指标", 26),
    ("限定", 14),
    ("主体", 24),
    ("年份", 10),
    ("性质", 8),
    ("实绩/目标", 11),
    ("数值", 16),
    ("基本单位", 10),
    ("数值原文", 12),
    ("单位", 9),
    ("报告", 30),
    ("起始", 8),
)
_WIDTH, _HEIGHT = 560, 300  # pixels of a chart
_CHART_ROWS = 16  # of 20 pixels
_SINGLE_YEAR = re.compile(r"[0-9]{4}")


def add_series_sheets(book: Workbook, styles: Styles, series: Sequence[Series]) -> None:
    """Add 序列, one row a line of numbers; 冲突 and 图表 where there are any."""
    lines = lines_of(series)
    if not lines:
        return
    values = {year for line in lines for year in line.points if year}
    # Single years first: they are the axis of the charts, and a period must not stand between.
    years = sorted(year for year in values if _SINGLE_YEAR.fullmatch(year))
    _add_lines(book, styles, lines, years, sorted(values - set(years)))
    _add_conflicts(book, styles, lines)
    _add_charts(book, styles, lines, years)


def _add_lines(
    book: Workbook,
    styles: Styles,
    lines: Sequence[Line],
    years: Sequence[str],
    others: Sequence[str],
) -> None:
    columns = [*years, *others, ""]
    sheet = Sheet(
        book,
        styles,
        _NAME,
        [*(head for head, _ in _FIXED), *map(int, years), *others, "无年份"],
        [*(width for _, width in _FIXED), *(14 for _ in columns)],
        frozen_columns=1,
    )
    for line in lines:
        cells: list[Cell] = [
            line.series.indicator,
            "、".join(line.series.variants),
            line.series.qualifier,
            line.subject,
            MEASURE_WORDS[line.series.measure],
            STATUS_WORDS[line.status],
            line.series.unit,
            len(line.reports),
            len(line.conflicts) or None,
            line.series.note,
        ]
        looks = [""] * len(cells)
        cells.extend(_cell(line, year) for year in columns)
        looks.extend("conflict" if year in line.conflicts else "" for year in columns)
        sheet.add(cells, looks)
    sheet.close()


def _cell(line: Line, year: str) -> Cell:
    """The number of a year; what is not one number stays as it is written."""
    number = line.number(year)
    if number is not None:
        return number
    written = dict.fromkeys(_written(point) for point in line.points.get(year, ()))
    return (" ≠ " if year in line.conflicts else " / ").join(written)


def _written(point: Point) -> str:
    record = point.row.record
    return record.value.text + (record.unit.text if record.unit else "")


def _add_conflicts(book: Workbook, styles: Styles, lines: Sequence[Line]) -> None:
    if not any(line.conflicts for line in lines):
        return
    sheet = Sheet(
        book, styles, "冲突", [head for head, _ in _CONFLICTS], [width for _, width in _CONFLICTS]
    )
    for line in lines:
        for year in sorted(line.conflicts):
            for point in line.points[year]:
                record = point.row.record
                sheet.add(
                    [
                        record.indicator.text if record.indicator else line.series.indicator,
                        record.qualifier.text if record.qualifier else None,
                        line.subject,
                        int(year) if _SINGLE_YEAR.fullmatch(year) else year,
                        MEASURE_WORDS[line.series.measure],
                        STATUS_WORDS[line.status],
                        point.quantity.number,
                        point.quantity.unit_base,
                        record.value.text,
                        record.unit.text if record.unit else None,
                        point.row.report_id,
                        record.value.start,
                    ]
                )
    sheet.close()


def _add_charts(
    book: Workbook, styles: Styles, lines: Sequence[Line], years: Sequence[str]
) -> None:
    """Charts of their own, because units and magnitudes differ from line to line.

    Their numbers stand above them: Excel would draw the texts of 序列 as zeros. A year without
    agreement is a gap.
    """
    chosen = charted(lines)
    if not chosen:
        return
    names = [f"{line.subject} {line.title}".strip() for line in chosen]
    sheet = Sheet(book, styles, "图表", ["指标", *map(int, years)], [44, *(14 for _ in years)])
    for line, name in zip(chosen, names, strict=True):
        sheet.add([name, *map(line.number, years)])
    for number, name in enumerate(names):
        chart = book.add_chart({"type": "line"})
        chart.add_series(
            {
                "name": name,
                "categories": [sheet.name, 0, 1, 0, len(years)],
                "values": [sheet.name, number + 1, 1, number + 1, len(years)],
                "marker": {"type": "circle", "size": 6},
                "data_labels": {"value": True, "position": "above"},
            }
        )
        chart.set_title({"name": name, "name_font": {"size": 12}})
        chart.set_legend({"none": True})
        chart.set_y_axis({"major_gridlines": {"visible": True, "line": {"color": "#d9dee4"}}})
        chart.set_size({"width": _WIDTH, "height": _HEIGHT})
        row = len(chosen) + 2 + number // 2 * _CHART_ROWS
        offset = {"x_offset": number % 2 * (_WIDTH + 20)}
        sheet.part.insert_chart(row, 0, chart, offset)
    sheet.close()
