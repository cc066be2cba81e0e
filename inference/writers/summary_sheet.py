"""The sheet that sums up a run: model, counts, failures, legend."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from xlsxwriter import Workbook

from inference.doubts import FAIR, LOW
from inference.run import Run
from inference.writers.sheet import Sheet, Styles
from inference.writers.tables import Cell, Coloured
from zhibiao.spans import LABELS

__all__ = ["add_summary_sheet"]

_MOST_INDICATORS = 100
_Line = tuple[str, list[Cell]]


def add_summary_sheet(book: Workbook, styles: Styles, run: Run, *, records: bool) -> None:
    """Add the sheet 汇总."""
    sheet = Sheet(book, styles, "汇总", (), (36, 30, 10, 10, 10, *(9 for _ in LABELS)))
    for look, cells in _lines(run, records):
        sheet.add(cells, [look] * len(cells))


def _lines(run: Run, records: bool) -> Iterator[_Line]:
    yield "title", ["汇总"]
    yield from _overview(run, records)
    if run.failures:
        yield from _section("未能读取", ("原因",), ([failure] for failure in run.failures))
    reports: Iterable[list[Cell]] = (
        [
            report.id,
            report.source,
            report.characters,
            *([report.records, report.doubtful] if records else []),
            *(report.spans[label] for label in LABELS),
        ]
        for report in run.reports
    )
    heads = ("报告", "来源", "字数", *(("记录", "低置信度") if records else ()), *LABELS)
    yield from _section("各份报告", heads, reports)
    if records:
        common = run.indicators.most_common(_MOST_INDICATORS)
        title = "最常见的指标" if len(run.indicators) > _MOST_INDICATORS else "指标"
        yield from _section(title, ("指标", "记录"), ([name, count] for name, count in common))
        yield from _legend()


def _overview(run: Run, records: bool) -> Iterator[_Line]:
    model = " ".join(str(run.model[key]) for key in ("name", "version") if run.model.get(key))
    yield "", ["模型", model]
    yield "", ["报告", len(run.reports)]
    yield "", ["字数", sum(report.characters for report in run.reports)]
    yield "", ["实体", sum(sum(report.spans.values()) for report in run.reports)]
    if records:
        yield "", ["记录", sum(report.records for report in run.reports)]
        yield "", [f"低置信度的记录（<{LOW}）", sum(report.doubtful for report in run.reports)]
    yield "", ["未能读取", len(run.failures)]
    if run.too_many_rows:
        yield "", ["序列", "记录太多，没有合并成序列；请分批处理"]


def _section(title: str, heads: Iterable[str], rows: Iterable[list[Cell]]) -> Iterator[_Line]:
    yield "", []
    yield "title", [title]
    yield "head", list(heads)
    for row in rows:
        yield "", row


def _legend() -> Iterator[_Line]:
    words = (
        ("数值、下限、上限", "换算到基本单位的数：7600 多万元是 76,000,000 元；百分数仍是百分数"),
        ("性质", "水平：这个数本身；变化：增长、减少了多少；占比：占另一个总量的份额"),
        ("实绩/目标", "目标包括计划、力争、任务和规定的标准"),
        ("置信度", f"各栏中最低的一个；低于 {LOW} 红色，低于 {FAIR} 黄色"),
        ("底色为橙的单元格", f"这一栏的置信度低于 {LOW}，请对照原句"),
        ("底色为蓝的单元格", "有人在网页上改过；原来的内容见“说明”"),
        ("序号", "“记录”和“来源”两个工作表用同一个序号"),
        ("序列", "各份报告里同一主体的同一指标；互相矛盾的数都列出，不作取舍"),
    )
    yield from _section("说明", ("栏", "含义"), ([name, meaning] for name, meaning in words))
    kinds = [*LABELS, "限定"]
    pieces = [piece for kind in kinds for piece in ((kind, kind), ("　", ""))]
    yield "", ["原句里的颜色", Coloured(tuple(pieces))]
