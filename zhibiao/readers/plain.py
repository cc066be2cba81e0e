"""Text and Markdown files."""

from __future__ import annotations

import re

from zhibiao.errors import ReadError
from zhibiao.readers.document import Document, Kind, Place
from zhibiao.readers.encoding import decode
from zhibiao.readers.limits import Limits

__all__ = ["read_plain"]

_LINE = re.compile(r"[^\n]+")


def read_plain(data: bytes, name: str, format: str, limits: Limits) -> Document:
    r"""Read a txt or md file.

    ``\r\n`` and ``\r`` become ``\n``; nothing else is changed, so that an offset means the same
    in the user's editor. Markdown is text too: its marks stay, only ``#`` lines and ``|`` rows
    have a kind of their own. Every line with visible text is a paragraph.

    Raises:
        LimitError: more characters or paragraphs than a text may have.
        ReadError: see :func:`zhibiao.readers.encoding.decode`; or no visible text.
    """
    text, encoding = decode(data, name)
    limits.check_characters(len(text), name)
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    places: list[Place] = []
    for match in _LINE.finditer(text):
        line = match.group()
        if line.strip():
            kind = _markdown_kind(line) if format == "md" else "line"
            places.append(Place(match.start(), match.end(), None, len(places) + 1, kind))
            limits.check_paragraphs(len(places), name)
    if not places:
        raise ReadError(f"{name}：只有空白；请给出有文字的文件")
    return Document(text, tuple(places), format, encoding)


def _markdown_kind(line: str) -> Kind:
    start = line.lstrip()
    if re.match(r"#{1,6}\s", start):
        return "heading"
    return "table" if start.startswith("|") else "line"
