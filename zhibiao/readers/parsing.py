"""The parser of each format that needs more than decoding."""

from __future__ import annotations

from collections.abc import Callable

from zhibiao.errors import LimitError, ReadError
from zhibiao.readers.document import Document
from zhibiao.readers.limits import Limits

__all__ = ["PARSED", "parse"]

PARSED: tuple[str, ...] = ("docx", "pdf", "html", "htm")
"""The formats that :func:`parse` knows."""


def parse(
    data: bytes,
    name: str,
    format: str,
    keep_boilerplate: bool,
    limits: Limits,
    on_page: Callable[[], None] = lambda: None,
) -> Document:
    """Parse a document in this process, which its parser may keep busy, fill up or bring down.

    Args:
        data: the whole file.
        name: what errors call the file.
        format: one of :data:`PARSED`.
        keep_boilerplate: see :func:`zhibiao.readers.read_document`.
        limits: the most that the file may hold, or turn into.
        on_page: called after each page of a pdf.

    Raises:
        LimitError: over the limits, or out of memory.
        ReadError: everything else that goes wrong.
    """
    # The parsers are heavy; each is imported when the first file of its kind comes.
    try:
        if format == "docx":
            from zhibiao.readers.word import read_docx

            return read_docx(data, name, format, keep_boilerplate, limits)
        if format == "pdf":
            from zhibiao.readers.pdf import read_pdf

            return read_pdf(data, name, format, keep_boilerplate, limits, on_page)
        from zhibiao.readers.webpage import read_html

        return read_html(data, name, format, keep_boilerplate, limits)
    except (ReadError, ImportError):
        raise
    except MemoryError as error:
        raise LimitError(f"{name}：要用的内存超过一个文件的限额；请拆成几份") from error
    except Exception as error:
        # Whatever else a parser trips over, one bad file must not end a run over a folder.
        raise ReadError(
            f"{name}：不能按 {format} 解析（{type(error).__name__}: "
            f"{' '.join(str(error).split())[:120]}）；请打开它，重新保存"
        ) from error
