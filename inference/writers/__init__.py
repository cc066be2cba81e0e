"""Writers of predictions: one output format each, complete or not there at all.

A writer is a context manager that gives a function to call with each prediction. Its output
takes its name in the folder when the block ends well, and leaves nothing behind when it does not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from inference.prediction import Prediction, Run
from inference.writers.jsonl import write_jsonl
from inference.writers.page import check_pages, write_pages
from inference.writers.table import write_table
from zhibiao.errors import OutputError

__all__ = ["FORMATS", "Format"]


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


FORMATS: Mapping[str, Format] = {
    "jsonl": Format(
        "predictions.jsonl", "predictions.jsonl", "每行一份报告，供程序使用", write_jsonl
    ),
    "csv": Format("spans.csv", "spans.csv", "每行一个片段，可用 Excel 打开", write_table),
    "html": Format("html", "html/index.html", "网页，用浏览器打开", write_pages, check_pages),
}
"""The output formats by the name that ``--format`` takes."""
