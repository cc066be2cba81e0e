"""Reading source documents: txt, md, html, docx and pdf files as text with places.

::

    document = read_document("2016年工作总结.pdf")
    document.text                     # what annotators and the model see
    document.place(120).page          # where its 121st character stands

All formats share their conventions: line ends are ``\\n``, a row of a table is one line with its
cells joined by `` | ``, and text is never normalised. Every failure is a
:class:`~zhibiao.errors.ReadError` of one line that names the file and the remedy.
"""

from __future__ import annotations

import os
from pathlib import Path

from zhibiao.errors import LimitError, ReadError
from zhibiao.readers.apart import parse_apart
from zhibiao.readers.document import Document, Place
from zhibiao.readers.limits import Limits
from zhibiao.readers.parsing import PARSED
from zhibiao.readers.plain import read_plain

__all__ = [
    "PROSE_SUFFIXES",
    "SUFFIXES",
    "Document",
    "Limits",
    "Place",
    "read_bytes",
    "read_document",
]

SUFFIXES: tuple[str, ...] = (".txt", ".md", ".html", ".htm", ".docx", ".pdf")
"""Suffixes of the files that can be read, in lower case."""

_WORD = "请用 Word 或 WPS 打开，另存为 .docx"
_TABLE = "请把文字复制到 .txt 文件，或另存为 .docx"
_PICTURE = "请先做 OCR，再给出文字"
_PROSE: dict[str, str] = {
    **dict.fromkeys((".doc", ".dot", ".docm", ".wps", ".rtf", ".odt"), _WORD),
    **dict.fromkeys((".ofd", ".caj"), "请打印成 .pdf"),
    **dict.fromkeys((".mht", ".mhtml"), "请把网页另存为 .html"),
}
_REMEDIES: dict[str, str] = {
    **_PROSE,
    **dict.fromkeys((".xls", ".xlsx", ".et", ".csv", ".ods"), _TABLE),
    **dict.fromkeys((".ppt", ".pptx", ".dps"), "请导出为 .pdf"),
    **dict.fromkeys((".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".gif"), _PICTURE),
    **dict.fromkeys((".zip", ".rar", ".7z", ".gz"), "请先解压"),
}
PROSE_SUFFIXES: tuple[str, ...] = tuple(_PROSE)
"""Suffixes of documents that are reports as likely as not, but cannot be read until converted."""

_DEFAULT = Limits()


def read_document(
    path: str | Path, *, keep_boilerplate: bool = False, limits: Limits = _DEFAULT
) -> Document:
    """Read a file as text; the suffix says which format it is.

    Args:
        path: the file.
        keep_boilerplate: keep navigation and foot of a web page, and headers, footers and page
            numbers of docx and pdf. txt and md files are never cut.
        limits: the most that the file may hold; a larger one is refused before it is read.

    Raises:
        ReadError: names the file and the remedy; see :func:`read_bytes`.
    """
    name = _shown(str(path))
    if os.path.isdir(path):
        raise ReadError(f"{name}：是文件夹，不是文件；请给出里面的文件")
    _known_suffix(name)  # before reading: the file may be large
    try:
        with open(path, "rb") as stream:
            limits.check_bytes(os.fstat(stream.fileno()).st_size, name)
            data = stream.read()
    except ReadError:
        raise
    except FileNotFoundError as error:
        raise ReadError(f"{name}：没有这个文件；请检查名称") from error
    except PermissionError as error:
        raise ReadError(f"{name}：没有读取权限；请修改文件权限") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ReadError(f"{name}：读不出来（{reason}）；请先复制到本机磁盘") from error
    return read_bytes(data, name, keep_boilerplate=keep_boilerplate, limits=limits)


def read_bytes(
    data: bytes, name: str, *, keep_boilerplate: bool = False, limits: Limits = _DEFAULT
) -> Document:
    """Read a document from memory; ``name`` gives the format by its suffix and names errors.

    Raises:
        LimitError: the file, or what it turns into, is over ``limits``.
        ReadError: unknown suffix, nothing in it, binary data or a damaged, encrypted or scanned
            file, an encoding that cannot be found, or no text.
    """
    name = _shown(name)
    suffix = _known_suffix(name)
    if not data:
        raise ReadError(f"{name}：是空文件；请给出有文字的文件")
    limits.check_bytes(len(data), name)
    format = suffix[1:]
    try:
        if format in PARSED:
            return parse_apart(data, name, format, keep_boilerplate, limits)
        return read_plain(data, name, format, limits)
    except MemoryError as error:
        raise LimitError(f"{name}：内存不够；请拆成几份") from error


def _shown(name: str) -> str:
    """The name as errors show it: on one line, in the order in which it is written."""
    return "".join(c if c.isprintable() or c == "\u3000" else ascii(c)[1:-1] for c in name)


def _known_suffix(name: str) -> str:
    suffix = Path(name).suffix.lower()
    if suffix not in SUFFIXES:
        remedy = _REMEDIES.get(suffix, f"请改用 {'、'.join(SUFFIXES)} 之一")
        raise ReadError(f"{name}：读不了{(suffix and f' {suffix} ') or '没有后缀的'}文件；{remedy}")
    return suffix
