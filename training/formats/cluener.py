"""CLUENER2020 JSON: one object a line, ``label -> surface -> [[first, last], ...]``.

``last`` is the last character itself, not one past it. The surface string says the same thing a
second time, so the two are compared; where they differ the record is not to be trusted.
Source: Xu et al. 2020, CLUENER2020 (arXiv 2001.04351).
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


def read(path: Path) -> Iterator[Draft | Problem]:
    """Drafts and problems of a CLUENER file; records without ``id`` are named STEM-LINE."""

    def build(data: Mapping[str, Any], where: str, number: int) -> Iterator[Draft | Problem]:
        text, names = data.get("text"), data.get("label", {})
        if not isinstance(text, str):
            raise RecordError("'text' is missing or is not a string")
        if not isinstance(names, dict):
            raise RecordError("'label' must be an object: label -> surface -> [[first, last]]")
        spans: list[Span] = []
        wrong: list[Problem] = []
        for span, surface in _spans(names):
            found = text[max(span.start, 0) : max(span.end, 0)]
            if found != surface:
                place = f"{where}: span ({span.start}, {span.end}, {span.label})"
                reason = f"the text has {found!r} there, the file says {surface!r}"
                wrong.append(Problem(place, "surface", reason))
            spans.append(span)
        if wrong:
            yield from wrong
            return
        known = data.get("id")
        report_id = f"{path.stem}-{number}" if known in (None, "") else str(known)
        meta = data.get("meta")
        yield Draft(report_id, text, tuple(spans), where, meta if isinstance(meta, dict) else {})

    return each_json_line(path, build)


def _spans(names: Mapping[str, Any]) -> Iterator[tuple[Span, str]]:
    for label, surfaces in names.items():
        if not isinstance(surfaces, dict):
            raise RecordError(f"label {label!r}: expected surface -> [[first, last], ...]")
        for surface, places in surfaces.items():
            for place in places if isinstance(places, list) else [None]:
                pair = place if isinstance(place, list) and len(place) == 2 else (None, None)
                first, last = pair
                if type(first) is not int or type(last) is not int:
                    raise RecordError(f"{label} {surface!r}: expected [[first, last], ...]")
                yield Span(first, last + 1, label), surface


def write(path: Path, reports: Sequence[Report]) -> list[Problem]:
    """Write CLUENER JSON, with ``id`` and, where there is any, ``meta`` besides its own keys."""
    return write_json_lines(path, reports, _build)


def _build(report: Report) -> dict[str, Any]:
    names: dict[str, dict[str, list[list[int]]]] = {}
    for span in report.spans:
        places = names.setdefault(span.label, {})
        surface = report.text[span.start : span.end]
        places.setdefault(surface, []).append([span.start, span.end - 1])
    line: dict[str, Any] = {"id": report.id, "text": report.text, "label": names}
    return line | {"meta": dict(report.meta)} if report.meta else line
