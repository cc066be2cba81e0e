"""Reports and their JSON Lines form, the format between all stages."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zhibiao.errors import FormatError
from zhibiao.files import replacing
from zhibiao.spans import LABELS, Span, check_spans

__all__ = ["Report", "read_jsonl", "write_jsonl"]

_KEYS = frozenset(("id", "text", "spans", "meta"))
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Report:
    """A source document as text, with its gold spans where it has any.

    ``text`` is exactly what annotators and the model see; it is never changed after reading.
    ``spans`` is sorted, without overlaps, and checked when the report is made; their labels are
    among ``labels``.
    """

    id: str
    text: str
    spans: tuple[Span, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)
    labels: tuple[str, ...] = field(default=LABELS, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.id:
            raise FormatError("a report needs an id that is not empty")
        _check_text(self.text, f"report {self.id}")
        checked = check_spans(self.text, self.spans, f"report {self.id}", self.labels)
        object.__setattr__(self, "spans", checked)

    @classmethod
    def from_dict(cls, data: Any, where: str, labels: tuple[str, ...] = LABELS) -> Report:
        """Build a report from one decoded JSON object; ``where`` names it in errors."""
        if not isinstance(data, dict):
            raise FormatError(f"{where}: expected a JSON object, found {type(data).__name__}")
        for key, kind in (("id", str), ("text", str)):
            if not isinstance(data.get(key), kind):
                raise FormatError(f"{where}: {key!r} is missing or is not a string")
        if not data["id"]:
            raise FormatError(f"{where}: 'id' is empty")
        _check_text(data["text"], where)
        for key in data.keys() - _KEYS:
            # Other keys are other programs' business, but a misspelt one would lose all spans.
            if near := difflib.get_close_matches(str(key), _KEYS, n=1, cutoff=0.8):
                raise FormatError(f"{where}: unknown key {key!r}; did you mean {near[0]!r}?")
        meta = data.get("meta", {})
        if not isinstance(meta, dict):
            raise FormatError(f"{where}: 'meta' must be an object")
        raw = data.get("spans", [])
        if not isinstance(raw, list):
            raise FormatError(f"{where}: 'spans' must be a list")
        spans = [_span(item, f"{where}: span {n}") for n, item in enumerate(raw, start=1)]
        check_spans(data["text"], spans, f"{where}: report {data['id']}", labels)
        return cls(data["id"], data["text"], tuple(spans), meta, labels)

    def to_dict(self) -> dict[str, Any]:
        """The report as a JSON object with keys id, text, spans and meta."""
        return {
            "id": self.id,
            "text": self.text,
            "spans": [{"start": s.start, "end": s.end, "label": s.label} for s in self.spans],
            "meta": dict(self.meta),
        }


def _check_text(text: str, where: str) -> None:
    # No encoding can write it, and offsets after it would differ from other programs'.
    if _SURROGATE.search(text):
        raise FormatError(f"{where}: half a surrogate pair in the text; repair the file")


def _span(item: Any, where: str) -> Span:
    if not isinstance(item, dict):
        raise FormatError(f"{where}: expected an object with start, end and label")
    start, end, label = item.get("start"), item.get("end"), item.get("label")
    # bool is an int in Python, and JSON true is never an offset.
    if type(start) is not int or type(end) is not int or not isinstance(label, str):
        raise FormatError(f"{where}: start and end must be integers and label a string")
    return Span(start, end, label)


def read_jsonl(path: str | Path, labels: tuple[str, ...] = LABELS) -> Iterator[Report]:
    """Yield the reports of a report JSONL file; empty lines are skipped.

    Raises:
        FormatError: names file, line and span of the first problem: broken JSON, wrong types,
            spans out of bounds or order, overlaps, unknown labels, blank edges, an id twice.
    """
    seen: dict[str, int] = {}
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        report = Report.from_dict(_decode(line, where), where, labels)
        if report.id in seen:
            raise FormatError(f"{where}: id {report.id!r} already used in line {seen[report.id]}")
        seen[report.id] = number
        yield report


def _lines(path: str | Path) -> Iterator[str]:
    try:
        with open(path, encoding="utf-8-sig", newline="\n") as stream:
            yield from stream
    except UnicodeDecodeError as error:
        raise FormatError(f"{path}: not UTF-8 ({error.reason}); convert the file first") from error
    except OSError as error:
        raise FormatError(f"{path}: cannot be opened ({error.strerror})") from error


def _decode(line: str, where: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        raise FormatError(f"{where}: broken JSON at column {error.colno}: {error.msg}") from error


def write_jsonl(path: str | Path, reports: Iterable[Report]) -> int:
    """Write reports, one JSON object a line, and return how many.

    The file appears only when complete: it is written under a temporary name and renamed.
    """
    count = 0
    with replacing(path) as stream:
        for report in reports:
            stream.write(json.dumps(report.to_dict(), ensure_ascii=False) + "\n")
            count += 1
    return count
