"""Writers of predictions: one output format each, complete or not there at all.

A writer is a context manager that gives a function to call with each prediction. Its output
takes its name in the folder when the block ends well, and leaves nothing behind when it does not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from inference.prediction import Prediction
from inference.run import Run
from inference.writers.csv_file import write_csv
from inference.writers.jsonl import write_jsonl
from inference.writers.page import check_pages, write_pages
from inference.writers.parquet import check_parquet, write_parquet
from inference.writers.tables import RECORDS, SPANS
from inference.writers.workbook import write_workbook
from zhibiao.errors import OutputError

__all__ = ["DEFAULT_FORMATS", "FORMATS", "SPAN_FORMATS", "Format"]


def _check_file(target: Path) -> None:
    if target.is_dir():
        raise OutputError(f"{target}：这里应是文件，却已有同名文件夹；请换一个输出文件夹")


@dataclass(frozen=True, slots=True)
class Format:
    """An output format: its file or folder name, what it is for, and how to check and write it.

    ``check`` raises OutputError, before any work is done, when the target must not be replaced.
    """

    target: str
    entry: str
    note: str
    write: Callable[[Path, Run], AbstractContextManager[Callable[[Prediction], None]]]
    check: Callable[[Path], None] = _check_file


_JSONL = Format("predictions.jsonl", "predictions.jsonl", "每行一份报告，供程序使用", write_jsonl)
_HTML = Format("html", "html/index.html", "网页，用浏览器打开", write_pages, check_pages)

FORMATS: Mapping[str, Format] = {
    "xlsx": Format(
        "records.xlsx", "records.xlsx", "记录、来源、汇总等工作表，用 Excel 打开", write_workbook
    ),
    "csv": Format("records.csv", "records.csv", "每行一条记录", partial(write_csv, table=RECORDS)),
    "html": _HTML,
    "jsonl": _JSONL,
    "parquet": Format(
        "records.parquet",
        "records.parquet",
        "每行一条记录，供程序使用",
        write_parquet,
        check_parquet,
    ),
}
"""The output formats by the name that ``--format`` takes."""

SPAN_FORMATS: Mapping[str, Format] = {
    "xlsx": Format(
        "spans.xlsx",
        "spans.xlsx",
        "实体和汇总，用 Excel 打开",
        partial(write_workbook, records=False),
    ),
    "csv": Format("spans.csv", "spans.csv", "每行一个片段", partial(write_csv, table=SPANS)),
    "html": _HTML,
    "jsonl": _JSONL,
}
"""The same where spans are not linked to records."""

DEFAULT_FORMATS = ("xlsx", "csv", "html", "jsonl")
"""What is written when nothing is said: all that needs no further package."""
