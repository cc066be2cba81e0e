"""Reading sources one at a time into the texts that the extractor sees."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Container, Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from zhibiao.errors import FormatError, ZhibiaoError
from zhibiao.journal import Journal
from zhibiao.readers import Document, read_bytes, read_document
from zhibiao.reports import Report
from zhibiao.sources import Lines, Source
from zhibiao.spans import Span

__all__ = ["Input", "free_id", "read_inputs", "report_lines", "single_reports"]


@dataclass(frozen=True, slots=True)
class Input:
    """A report about to be read by the extractor.

    ``source`` names the file, with ``:line`` for a report out of a JSONL file. ``document`` knows
    pages and paragraphs; a JSONL report has none. ``size`` is its share of the source, in bytes.
    ``spans`` and ``meta`` are those of a JSONL report.
    """

    id: str
    source: str
    text: str
    document: Document | None
    size: int
    spans: tuple[Span, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)


def read_inputs(
    sources: Iterable[Source], journal: Journal, *, keep_boilerplate: bool = False
) -> Iterator[Input]:
    """Yield every report that can be read, holding one at a time.

    What cannot be read goes to ``journal`` as a failure that names file and line; the rest goes
    on. Ids are unique: a JSONL report keeps its own id, and when another source used that id
    before, it becomes ``<id of the file>#<its id>``.
    """
    taken: set[str] = set()
    for source in sources:
        if source.path is not None and source.holds_reports:
            inputs = _read_reports(source, source.path, journal)
        else:
            inputs = _read_document(source, journal, keep_boilerplate)
        try:
            for item in inputs:
                identity = free_id(item.id, source, taken)
                taken.add(identity)
                yield replace(item, id=identity)
        except (ZhibiaoError, OSError, MemoryError) as error:
            journal.failure(_named(source, error), source.size, source=source.name)


def report_lines(source: Source, taken: MutableMapping[str, str]) -> Iterator[Lines]:
    """Yield each report of a report JSONL as lines of its own, broken ones too, in order.

    ``taken`` maps the ids used before to the ids of their sources; the ids of this source's
    reports are added. So a file can be read in slices, in any order and by several processes, as
    :func:`read_inputs` reads it whole.

    Raises:
        OSError: the file cannot be read.
    """
    assert source.path is not None  # standard input is never a report JSONL
    lines_of: dict[str, int] = {}
    with source.path.open("rb") as stream:
        for number, start, line in _numbered(stream, 0, 1):
            ids, repeats = {}, {}
            try:
                own = _decode(line, number, source.name).id
            except ZhibiaoError:
                pass  # whoever reads the line says what is wrong with it
            else:
                if own in lines_of:
                    repeats[number] = lines_of[own]
                else:
                    lines_of[own] = number
                    identity = free_id(own, source, taken)
                    taken[identity] = source.id
                    if identity != own:
                        ids[number] = identity
            yield Lines(start, start + len(line), number, 1, _digest(line), ids, repeats)


def single_reports(source: Source) -> Iterator[Source]:
    """Yield each report of a report JSONL, or of some lines of one, as a source of its own.

    A document is yielded as it is.

    Raises:
        OSError: the file cannot be read.
    """
    lines = source.lines
    if source.path is None or lines is None:
        yield source
        return
    with source.path.open("rb") as stream:
        for number, start, line in _numbered(stream, lines.start, lines.first):
            if start >= lines.end:
                break
            single = Lines(start, start + len(line), number, 1, "", lines.ids, lines.repeats)
            yield replace(source, size=len(line), lines=single)


def free_id(wanted: str, source: Source, taken: Container[str]) -> str:
    """The id that a report gets: its own, or one that names its source where that is taken."""
    identity = wanted
    attempt = 1
    while identity in taken:
        suffix = "" if attempt == 1 else f"#{attempt}"
        identity = f"{source.id}#{wanted}{suffix}"
        attempt += 1
    return identity


def _read_document(source: Source, journal: Journal, keep_boilerplate: bool) -> Iterator[Input]:
    if source.path is None:
        data = sys.stdin.buffer.read()
        document = read_bytes(data, "stdin.txt", keep_boilerplate=keep_boilerplate)
    else:
        document = read_document(source.path, keep_boilerplate=keep_boilerplate)
    _check_characters(document.text, source.name)
    for warning in document.warnings:
        journal.warning(warning if source.name in warning else f"{source.name}：{warning}")
    yield Input(source.id, source.name, document.text, document, source.size)


def _read_reports(source: Source, path: Path, journal: Journal) -> Iterator[Input]:
    lines = source.lines or Lines(0, sys.maxsize, 1, 0)
    lines_of: dict[str, int] = {}
    empty = True
    with path.open("rb") as stream:
        for number, start, line in _numbered(stream, lines.start, lines.first):
            if start >= lines.end:
                break
            empty = False
            where = f"{source.name}:{number}"
            try:
                report = _decode(line, number, where)
                first = lines.repeats.get(number) or lines_of.get(report.id)
                if first:
                    raise FormatError(
                        f"{where}：id {report.id!r} 已在第 {first} 行用过；请改成不同的 id"
                    )
            except ZhibiaoError as error:
                journal.failure(str(error), len(line), source=where)
                continue
            lines_of[report.id] = number
            yield Input(
                lines.ids.get(number, report.id),
                where,
                report.text,
                None,
                len(line),
                report.spans,
                report.meta,
            )
    if empty:
        raise FormatError(f"{source.name}：文件里没有报告；请检查文件是否为空")


def _numbered(stream: IO[bytes], start: int, number: int) -> Iterator[tuple[int, int, bytes]]:
    """Yield number, offset and bytes of the lines from an offset on that are not blank.

    Lines are split as bytes, so that one line in a wrong encoding does not spoil the others.
    """
    stream.seek(start)
    for line in stream:
        if line.strip():
            yield number, start, line
        number += 1
        start += len(line)


def _decode(line: bytes, number: int, where: str) -> Report:
    try:
        data = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
    except UnicodeDecodeError as error:
        raise FormatError(f"{where}：不是 UTF-8 编码；请先把文件转换为 UTF-8") from error
    except json.JSONDecodeError as error:
        raise FormatError(
            f"{where}：JSON 有误，第 {error.colno} 列，{error.msg}；请修正或删除这一行"
        ) from error
    except (ValueError, RecursionError) as error:  # a number too long, brackets too deep
        raise FormatError(f"{where}：JSON 有误，{error}；请修正或删除这一行") from error
    report = Report.from_dict(data, where)
    _check_characters(report.id + report.text, where)
    return report


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=8).hexdigest()


def _check_characters(text: str, where: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        found = ascii(text[error.start])
        raise FormatError(f"{where}：含有不成对的代理字符 {found}，无法写出；请删去它") from error


def _named(source: Source, error: Exception) -> str:
    if isinstance(error, MemoryError):
        return f"{source.name}：文件太大，内存不足；请拆分后再处理"
    if isinstance(error, OSError):
        return (
            f"{source.name}：无法读取（{error.strerror or error}）；请检查文件是否存在、是否有权限"
        )
    message = str(error)
    return message if source.name in message else f"{source.name}：{message}"
