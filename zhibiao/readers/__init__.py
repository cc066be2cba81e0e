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

from zhibiao.errors import ReadError
from zhibiao.readers.document import Document, Place

__all__ = ["SUFFIXES", "Document", "Place", "read_bytes", "read_document"]

SUFFIXES: tuple[str, ...] = (".txt", ".md", ".html", ".htm", ".docx", ".pdf")
"""Suffixes of the files that can be read, in lower case."""

_WORD = "open it in Word or WPS and save as .docx"
_TABLE = "copy the text into a .txt file or save as .docx"
_PICTURE = "run OCR on it and give the text"
_REMEDIES: dict[str, str] = {
    **dict.fromkeys((".doc", ".dot", ".docm", ".wps", ".rtf", ".odt"), _WORD),
    **dict.fromkeys((".xls", ".xlsx", ".et", ".csv", ".ods"), _TABLE),
    **dict.fromkeys((".ppt", ".pptx", ".dps"), "export it as .pdf"),
    **dict.fromkeys((".ofd", ".caj"), "print it to .pdf"),
    **dict.fromkeys((".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".gif"), _PICTURE),
    **dict.fromkeys((".zip", ".rar", ".7z", ".gz"), "unpack it first"),
    **dict.fromkeys((".mht", ".mhtml"), "save the page as .html"),
}


def read_document(path: str | Path, *, keep_boilerplate: bool = False) -> Document:
    """Read a file as text; the suffix says which format it is.

    Args:
        path: the file.
        keep_boilerplate: keep navigation and foot of a web page, and headers, footers and page
            numbers of docx and pdf. txt and md files are never cut.

    Raises:
        ReadError: names the file and the remedy; see :func:`read_bytes`.
    """
    path = Path(path)
    if os.path.isdir(path):
        raise ReadError(f"{path}: a folder, not a file; give the files in it")
    _known_suffix(str(path))  # before reading: the file may be large
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise ReadError(f"{path}: no such file; check the name") from error
    except PermissionError as error:
        raise ReadError(f"{path}: no permission to read; change the file's rights") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ReadError(f"{path}: cannot be read ({reason}); copy it to a local disk") from error
    return read_bytes(data, str(path), keep_boilerplate=keep_boilerplate)


def read_bytes(data: bytes, name: str, *, keep_boilerplate: bool = False) -> Document:
    """Read a document from memory; ``name`` gives the format by its suffix and names errors.

    Raises:
        ReadError: unknown suffix, nothing in it, binary data or a damaged, encrypted or scanned
            file, an encoding that cannot be found, or no text.
    """
    suffix = _known_suffix(name)
    if not data:
        raise ReadError(f"{name}: empty; give a file with text")
    format = suffix[1:]
    # The parsers are heavy; each is imported when the first file of its kind comes.
    try:
        if format == "docx":
            from zhibiao.readers.word import read_docx

            return read_docx(data, name, format, keep_boilerplate)
        if format == "pdf":
            from zhibiao.readers.pdf import read_pdf

            return read_pdf(data, name, format, keep_boilerplate)
        if format in ("html", "htm"):
            from zhibiao.readers.webpage import read_html

            return read_html(data, name, format, keep_boilerplate)
        from zhibiao.readers.plain import read_plain

        return read_plain(data, name, format)
    except (ReadError, MemoryError, ImportError):
        raise
    except Exception as error:
        # Whatever else a parser trips over, one bad file must not end a run over a folder.
        raise ReadError(
            f"{name}: cannot be parsed as {format} ({type(error).__name__}: "
            f"{' '.join(str(error).split())[:120]}); open it and save it again"
        ) from error


def _known_suffix(name: str) -> str:
    suffix = Path(name).suffix.lower()
    if suffix not in SUFFIXES:
        remedy = _REMEDIES.get(suffix, f"use one of {', '.join(SUFFIXES)}")
        raise ReadError(f"{name}: cannot read files of type {suffix or 'no suffix'}; {remedy}")
    return suffix
