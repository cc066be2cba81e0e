"""Spans as a table for spreadsheets, one row a span."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from inference.prediction import Prediction, Run
from zhibiao.files import replacing

__all__ = ["COLUMNS", "neutralised", "sentence_around", "write_table"]

COLUMNS = (
    "报告编号",
    "来源文件",
    "标签",
    "文本",
    "起始",
    "结束",
    "置信度",
    "页码",
    "段落",
    "所在句",
)

# Spreadsheet programs run cells that begin so as formulas; some take the full-width forms too.
_FORMULA = tuple("=+-@＝＋－＠")
_SPACING = tuple("\t\r\n")
_SENTENCE_END = "。！？!?\n\r"
_CLOSING = "”’」』）)】"
_REACH = 200  # a flattened table may run on for pages without a sentence end


@contextmanager
def write_table(path: Path, _run: Run) -> Iterator[Callable[[Prediction], None]]:
    """Write CSV as Excel reads it: UTF-8 with a byte order mark, CRLF, formulas neutralised."""
    with replacing(path, encoding="utf-8-sig", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)

        def write(prediction: Prediction) -> None:
            report = prediction.report
            for span in prediction.spans:
                place = prediction.place_of(span)
                writer.writerow(
                    (
                        neutralised(report.id),
                        neutralised(report.source),
                        span.label,
                        neutralised(prediction.text_of(span)),
                        span.start,
                        span.end,
                        f"{span.score:.4f}",
                        "" if place is None or place.page is None else place.page,
                        "" if place is None else place.paragraph,
                        neutralised(sentence_around(report.text, span.start, span.end)),
                    )
                )

        yield write


def neutralised(cell: str) -> str:
    """The cell with an apostrophe before it when a spreadsheet might run it as a formula.

    Negative numbers such as ``-3.2`` get one too: ``-3.2+cmd`` begins no differently, and the
    exact text stands in the JSONL. Numeric columns never begin with a sign.
    """
    risky = cell.startswith(_SPACING) or cell.lstrip().startswith(_FORMULA)
    return f"'{cell}" if risky else cell


def sentence_around(text: str, start: int, end: int) -> str:
    """The sentence or line that holds ``text[start:end]``, on one line, white space collapsed.

    At most 200 characters before and after; an ellipsis marks where more was cut off.
    """
    low = max(0, start - _REACH)
    before = text[low:start]
    begin = low + max(before.rfind(mark) for mark in _SENTENCE_END) + 1
    while begin < start and begin > low and text[begin] in _CLOSING:
        begin += 1
    after = text[end : end + _REACH]
    ends = [place for mark in _SENTENCE_END if (place := after.find(mark)) >= 0]
    stop = end + (min(ends) + 1 if ends else len(after))
    while ends and stop < len(text) and text[stop] in _CLOSING:
        stop += 1
    sentence = " ".join(text[begin:stop].split())
    cut_before = "…" if begin == low > 0 else ""
    cut_after = "…" if not ends and stop < len(text) else ""
    return f"{cut_before}{sentence}{cut_after}"
