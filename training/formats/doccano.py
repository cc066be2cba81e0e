"""doccano JSONL for sequence labelling, in both of its forms.

Read: ``"label": [[start, end, label], ...]`` (also ``"labels"``) and ``"entities": [{"label",
"start_offset", "end_offset"}, ...]`` with relations. Written: the first, which every version
imports. Offsets are code points, half-open; a project set to count grapheme clusters exports other
numbers, which this reader cannot tell.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from training.formats.draft import Draft, Problem
from training.formats.lines import RecordError, each_json_line, write_json_lines
from zhibiao.reports import Report
from zhibiao.spans import Span

__all__ = ["read", "write"]

_OWN = frozenset(
    ("id", "text", "data", "label", "labels", "entities", "relations", "report_id", "meta")
)


def read(path: Path) -> Iterator[Draft | Problem]:
    """Drafts and problems of a doccano export.

    The report's id is ``report_id`` (which :func:`write` writes and doccano keeps), else doccano's
    ``id``, else STEM-LINE. Other keys, doccano's metadata, go into meta.
    """

    def build(data: Mapping[str, Any], where: str, number: int) -> Iterator[Draft | Problem]:
        text = data.get("text", data.get("data"))
        if not isinstance(text, str):
            raise RecordError("'text' is missing or is not a string")
        spans = tuple(_spans(data))
        if data.get("relations"):
            count = len(data["relations"])
            yield Problem(where, "left-out", f"{count} relations are not read", note=True)
        names = (data.get("report_id"), data.get("id"))
        report_id = next((str(n) for n in names if n not in (None, "")), f"{path.stem}-{number}")
        meta = data["meta"] if isinstance(data.get("meta"), dict) else {}
        meta = meta | {key: data[key] for key in data if key not in _OWN and data[key] != []}
        yield Draft(report_id, text, spans, where, meta)

    return each_json_line(path, build)


def _spans(data: Mapping[str, Any]) -> Iterator[Span]:
    forms = [key for key in ("label", "labels", "entities") if data.get(key)]
    if len(forms) > 1:
        raise RecordError(f"{' and '.join(forms)} both hold spans; leave one")
    raw = data[forms[0]] if forms else []
    if not isinstance(raw, list):
        raise RecordError(f"{forms[0]!r} must be a list")
    for number, item in enumerate(raw, start=1):
        if isinstance(item, dict):
            start, end = item.get("start_offset"), item.get("end_offset")
            label = item.get("label")
        elif isinstance(item, list) and len(item) == 3:
            start, end, label = item
        else:
            start = end = label = None
        if type(start) is not int or type(end) is not int or not isinstance(label, str):
            raise RecordError(
                f"{forms[0]} {number}: expected [start, end, label], or an object with "
                "start_offset, end_offset and label"
            )
        yield Span(start, end, label)


def write(path: Path, reports: Sequence[Report]) -> list[Problem]:
    """Write doccano JSONL; doccano imports ``report_id`` and ``meta`` as metadata."""
    return write_json_lines(path, reports, _build)


def _build(report: Report) -> dict[str, Any]:
    spans = [[span.start, span.end, span.label] for span in report.spans]
    line: dict[str, Any] = {"report_id": report.id, "text": report.text, "label": spans}
    return line | {"meta": dict(report.meta)} if report.meta else line
