"""Tagged text: the form of a report that people write and edit.

A file has a header between two lines of three hyphens, then the text with its spans inline::

    ---
    id: lanxi-keji-2016
    genre: 科技局工作总结
    ---
    ⟦年份|2016年⟧，全县⟦指标|专利申请量⟧⟦数值|813⟧⟦单位|件⟧。

Header lines are ``key: value``; ``id`` defaults to the file's stem. Inside the text a backslash
escapes ``⟦``, ``⟧`` and itself, so that every text can be written. Exactly one newline after the
closing ``---`` and exactly one at the end of the file belong to the form, not to the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from zhibiao.errors import FormatError
from zhibiao.files import replacing
from zhibiao.reports import Report
from zhibiao.spans import LABELS, Span, check_spans

__all__ = ["format_tagged", "parse_tagged", "read_tagged", "write_tagged"]

_TOKEN = re.compile(r"\\(.)|⟦(?:([^|⟦⟧\\\n]*)\|)?|⟧|\\", re.DOTALL)
_ESCAPED = re.compile(r"[⟦⟧\\]")


def parse_tagged(tagged: str, where: str = "tagged text") -> tuple[str, tuple[Span, ...]]:
    """Split tagged text into plain text and spans (code points, half-open).

    Raises:
        FormatError: names ``where`` and the line of an unknown label, a bracket that is not
            closed, nested brackets, an escape of something else, or a blank-edged span.
    """
    pieces: list[str] = []
    spans: list[Span] = []
    length = position = 0
    # Label, start in the text, offset in the tagged text, number of the first piece.
    opened: tuple[str, int, int, int] | None = None

    def fail(offset: int, problem: str) -> FormatError:
        return FormatError(f"{where}:{tagged.count(chr(10), 0, offset) + 1}: {problem}")

    for match in _TOKEN.finditer(tagged):
        pieces.append(tagged[position : match.start()])
        length += len(pieces[-1])
        position = match.end()
        token = match.group()
        if token[0] == "\\":
            if match.group(1) not in ("⟦", "⟧", "\\"):
                raise fail(match.start(), r"a backslash escapes only ⟦, ⟧ and \; write \\ for one")
            pieces.append(match.group(1))
            length += 1
        elif token[0] == "⟦":
            if opened:
                raise fail(match.start(), "⟦ inside a span; spans do not nest")
            label = match.group(2)
            if label not in LABELS:
                shown = "no label" if label is None else f"unknown label {label!r}"
                raise fail(match.start(), f"{shown} after ⟦; write ⟦标签|原文⟧ with {LABELS}")
            opened = (label, length, match.start(), len(pieces))
        else:
            if not opened:
                raise fail(match.start(), r"⟧ without ⟦; write \⟧ for the character itself")
            if "".join(pieces[opened[3] :]).strip() != "".join(pieces[opened[3] :]) or (
                length == opened[1]
            ):
                raise fail(opened[2], "an empty span, or white space at its edge")
            spans.append(Span(opened[1], length, opened[0]))
            opened = None
    if opened:
        raise fail(opened[2], "⟦ is never closed by ⟧")
    pieces.append(tagged[position:])
    text = "".join(pieces)
    return text, check_spans(text, spans, where)


def format_tagged(text: str, spans: Iterable[Span]) -> str:
    """The inverse of :func:`parse_tagged` for sorted spans that do not overlap."""
    pieces: list[str] = []
    position = 0
    for span in check_spans(text, spans):
        pieces.append(_escape(text[position : span.start]))
        pieces.append(f"⟦{span.label}|{_escape(text[span.start : span.end])}⟧")
        position = span.end
    pieces.append(_escape(text[position:]))
    return "".join(pieces)


def _escape(text: str) -> str:
    return _ESCAPED.sub(r"\\\g<0>", text)


def read_tagged(path: str | Path) -> Report:
    """Read one tagged-text file; the header becomes ``id`` and ``meta``.

    Raises:
        FormatError: names file and line.
    """
    path = Path(path)
    try:
        content = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise FormatError(f"{path}: not UTF-8 at byte {error.start}; convert the file") from error
    if "\r" in content:
        raise FormatError(f"{path}: holds carriage returns; save it with \\n line ends")
    head, opening, rest = content.partition("---\n")
    header, closing, body = rest.partition("\n---\n")
    if head or not opening or not closing:
        raise FormatError(f"{path}:1: the header between two lines of --- is missing")
    meta: dict[str, str] = {}
    for number, line in enumerate(header.split("\n"), start=2):
        key, colon, value = line.partition(":")
        if not colon or not key.strip() or key.strip() in meta:
            raise FormatError(f"{path}:{number}: expected a new 'key: value', found {line!r}")
        meta[key.strip()] = value.strip()
    if not body.endswith("\n"):
        raise FormatError(f"{path}: the last line must end with a newline")
    # Padding keeps the line numbers in errors those of the file.
    padding = header.count("\n") + 3
    text, spans = parse_tagged("\n" * padding + body[:-1], str(path))
    report_id = meta.pop("id", path.stem)
    moved = tuple(span.shifted(-padding) for span in spans)
    return Report(id=report_id, text=text[padding:], spans=moved, meta=meta)


def write_tagged(path: str | Path, report: Report) -> None:
    """Write a report as tagged text; meta values must be strings of one line.

    Raises:
        FormatError: a meta key or value that the header cannot hold.
    """
    lines = []
    for key, value in {"id": report.id, **report.meta}.items():
        fits = isinstance(value, str) and value == value.strip() and key == key.strip()
        if not fits or "\n" in value or ":" in key or (key == "id" and "id" in report.meta):
            raise FormatError(f"report {report.id!r}: {key!r} does not fit a one-line header")
        lines.append(f"{key}: {value}")
    if "\r" in report.text:
        raise FormatError(f"report {report.id!r}: the text holds carriage returns")
    body = format_tagged(report.text, report.spans)
    with replacing(path) as stream:
        stream.write("---\n" + "\n".join(lines) + "\n---\n" + body + "\n")
