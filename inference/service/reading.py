"""Reading files in processes of their own, which can be killed.

A parser that hangs, eats memory or crashes takes its process along, never the service. This
module runs in those processes too, so it imports little.
"""

from __future__ import annotations

import json
import logging
import re
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from zhibiao.errors import FormatError, LimitError, ZhibiaoError
from zhibiao.readers import Limits, read_bytes
from zhibiao.reports import Report

__all__ = ["FileTexts", "ReadText", "label_of", "read_file"]

_MEMORY_BYTES = 2 * 1024**3
"""The address space that a reading process may have."""
_LONGEST_LABEL = 200
_UNSEEN = re.compile(
    # Controls, invisible and direction marks, half surrogate pairs.
    "[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)


@dataclass(frozen=True, slots=True)
class ReadText:
    """A report out of a file; ``error`` says, in its place, why a line could not be read."""

    id: str
    source: str
    text: str
    error: str = ""


@dataclass(frozen=True, slots=True)
class FileTexts:
    """The reports of a file, several only for JSONL, and what its reader had to say."""

    texts: tuple[ReadText, ...]
    warnings: tuple[str, ...] = ()


def label_of(name: str) -> str:
    """A file name of a stranger as a label: what could mislead a person becomes U+FFFD.

    It is never used as a path. A long name keeps its end, where the suffix is.
    """
    return _UNSEEN.sub("\ufffd", name)[-_LONGEST_LABEL:]


def read_file(
    data: bytes, label: str, keep_boilerplate: bool, limits: Limits, reports: int
) -> FileTexts:
    """Read a document, or a JSONL file of at most ``reports`` reports.

    Raises:
        LimitError: the file holds, or turns into, more than the limits allow.
        ZhibiaoError: it cannot be read as what its suffix says.
        MemoryError: reading it needs more memory than a file may.
    """
    _be_careful()
    if PurePosixPath(label).suffix.lower() == ".jsonl":
        return FileTexts(tuple(_read_reports(data, label, limits, reports)))
    document = read_bytes(data, label, keep_boilerplate=keep_boilerplate, limits=limits)
    _check_text(document.text, label)
    return FileTexts((ReadText(label, label, document.text),), document.warnings)


def _be_careful() -> None:
    """Bound this process, keep it silent, and leave the end of it to the service."""
    logging.disable()  # parsers quote what they read
    for number in (signal.SIGINT, signal.SIGTERM):
        # Sent to the whole group when the service is told to stop; the file is still wanted.
        signal.signal(number, signal.SIG_IGN)
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))


def _read_reports(data: bytes, label: str, limits: Limits, most: int) -> Iterator[ReadText]:
    limits.check_bytes(len(data), label)
    seen: set[str] = set()
    characters = count = 0
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if not line.strip():
            continue
        count += 1
        if count > most:
            raise LimitError(f"{label}：超过 {most} 份报告；请拆分后再传")
        where = f"{label}:{number}"
        try:
            report = _report(line, where)
            if report.id in seen:
                raise FormatError(f"{where}：id {report.id!r} 重复；请改成不同的 id")
        except ZhibiaoError as error:
            yield ReadText(where, where, "", str(error))
            continue
        seen.add(report.id)
        characters += len(report.text)
        limits.check_characters(characters, label)
        yield ReadText(report.id, where, report.text)
    if not count:
        raise FormatError(f"{label}：文件里没有报告；请检查文件是否为空")


def _report(line: bytes, where: str) -> Report:
    try:
        data = json.loads(line.decode())
    except UnicodeDecodeError as error:
        raise FormatError(f"{where}：不是 UTF-8 编码；请先把文件转换为 UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{where}：JSON 有误；请修正或删除这一行") from error
    report = Report.from_dict(data, where)
    _check_text(report.id, where)
    return report


def _check_text(text: str, where: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise FormatError(f"{where}：含有不成对的代理字符，无法写出；请删去它") from error
