"""Reading sources one at a time into the texts that the extractor sees."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from zhibiao.errors import FormatError, ZhibiaoError
from zhibiao.journal import Journal
from zhibiao.readers import Document, read_bytes, read_document
from zhibiao.reports import Report
from zhibiao.sources import Source
from zhibiao.spans import Span

__all__ = ["Input", "read_inputs"]


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
        if source.path is not None and source.path.suffix.lower() == ".jsonl":
            inputs = _read_reports(source, source.path, journal)
        else:
            inputs = _read_document(source, journal, keep_boilerplate)
        try:
            for item in inputs:
                yield _with_own_id(item, source, taken)
        except (ZhibiaoError, OSError, MemoryError) as error:
            journal.failure(_named(source, error), source.size)


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
    lines_of: dict[str, int] = {}
    empty = True
    # Lines are split as bytes, so that one line in a wrong encoding does not spoil the others.
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            empty = False
            where = f"{source.name}:{number}"
            try:
                report = _decode(line, number, where)
                if report.id in lines_of:
                    first = lines_of[report.id]
                    raise FormatError(
                        f"{where}：id {report.id!r} 已在第 {first} 行用过；请改成不同的 id"
                    )
            except ZhibiaoError as error:
                journal.failure(str(error), len(line))
                continue
            lines_of[report.id] = number
            yield Input(report.id, where, report.text, None, len(line), report.spans, report.meta)
    if empty:
        raise FormatError(f"{source.name}：文件里没有报告；请检查文件是否为空")


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


def _check_characters(text: str, where: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        found = ascii(text[error.start])
        raise FormatError(f"{where}：含有不成对的代理字符 {found}，无法写出；请删去它") from error


def _with_own_id(item: Input, source: Source, taken: set[str]) -> Input:
    identity = item.id
    attempt = 1
    while identity in taken:
        suffix = "" if attempt == 1 else f"#{attempt}"
        identity = f"{source.id}#{item.id}{suffix}"
        attempt += 1
    taken.add(identity)
    return replace(item, id=identity)


def _named(source: Source, error: Exception) -> str:
    if isinstance(error, MemoryError):
        return f"{source.name}：文件太大，内存不足；请拆分后再处理"
    if isinstance(error, OSError):
        return (
            f"{source.name}：无法读取（{error.strerror or error}）；请检查文件是否存在、是否有权限"
        )
    message = str(error)
    return message if source.name in message else f"{source.name}：{message}"
