"""Report JSONL, read leniently: every problem of every line, where the strict reader stops."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from training.formats.draft import Draft, Problem
from training.formats.lines import RecordError, each_json_line
from zhibiao.errors import FormatError
from zhibiao.reports import Report, write_jsonl
from zhibiao.spans import Span

__all__ = ["read", "write"]


def read(path: Path) -> Iterator[Draft | Problem]:
    """Drafts and problems of a report JSONL file (see :mod:`zhibiao.reports`)."""
    return each_json_line(path, _build)


def _build(data: Mapping[str, Any], where: str, number: int) -> Iterator[Draft | Problem]:
    try:
        bare = Report.from_dict({**data, "spans": []}, where)
    except FormatError as error:
        raise RecordError(str(error).removeprefix(f"{where}: ")) from error
    raw = data.get("spans", [])
    if not isinstance(raw, list):
        raise RecordError("'spans' must be a list")
    spans = []
    for n, item in enumerate(raw, start=1):
        item = item if isinstance(item, dict) else {}
        start, end, label = item.get("start"), item.get("end"), item.get("label")
        # bool is an int in Python, and JSON true is never an offset.
        if type(start) is not int or type(end) is not int or not isinstance(label, str):
            raise RecordError(f"span {n}: start and end must be integers and label a string")
        spans.append(Span(start, end, label))
    if any(one.start > other.start for one, other in pairwise(spans)):
        # A note: converting sorts. The strict reader, and so training, refuses the file.
        yield Problem(where, "order", "spans are not sorted by start", note=True)
    yield Draft(bare.id, bare.text, tuple(spans), where, bare.meta)


def write(path: Path, reports: Sequence[Report]) -> list[Problem]:
    """Write report JSONL; it holds everything."""
    write_jsonl(path, reports)
    return []
