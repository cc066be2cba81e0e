"""PDF files: the text layer, read with PDFium.

pypdfium2 rather than pdfplumber (pdfminer.six): both give the place of every character, PDFium
opens files that break the rules the way browsers do, and took a seventh of the time on reports
printed by Chromium.
"""

from __future__ import annotations

import ctypes
import logging
import math
import sys
import unicodedata
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any, TypeAlias

from zhibiao.errors import LimitError, ReadError
from zhibiao.readers.document import Block, Document, assemble
from zhibiao.readers.limits import Limits
from zhibiao.readers.pdf_layout import page_furniture, paragraphs
from zhibiao.readers.pdf_lines import Glyph, PageLines, page_lines

__all__ = ["read_pdf"]

_Box: TypeAlias = tuple[float, float, float, float]

# Characters of a page; its lines are put together with all of them in memory.
_MAX_GLYPHS = 200_000
_LINE_ENDS = "\t\n\v\f\r\x1c\x1d\x1e\x85\u2028\u2029"
_PASSWORD = 4  # FPDF_ERR_PASSWORD
_UNREADABLE_SHARE = 0.3
_OCR = "请先做 OCR（例如 ocrmypdf -l chi_sim），再给出结果"


def read_pdf(
    data: bytes,
    name: str,
    format: str,
    keep_boilerplate: bool,
    limits: Limits,
    on_page: Callable[[], None],
) -> Document:
    """Read the text layer of a PDF.

    Lines are joined into paragraphs, over page breaks too. Headers, footers, page numbers and
    slanted watermarks are left out. Kangxi radicals, which some programs write for the common
    characters of the same form, become those characters.

    Args:
        data: the whole file.
        name: what errors call the file.
        format: what ``Document.format`` says.
        keep_boilerplate: keep headers, footers and page numbers as lines of their own where they
            stand, and watermarks at the end of their page.
        limits: how many pages and characters it may have.
        on_page: called after each page.

    PDFium is not thread-safe, not even for different documents: one call at a time.

    Raises:
        LimitError: too many pages or characters.
        ReadError: not a PDF, cut off, encrypted, without a text layer, or with fonts that do not
            say which characters they draw.
    """
    _check_ends(data, name)
    pages: list[PageLines] = []
    visible = unreadable = 0
    for number, (glyphs, box) in enumerate(_pages(data, name, limits), start=1):
        pages.append(page_lines(glyphs, box, number))
        visible += sum(not glyph.char.isspace() for glyph in glyphs)
        unreadable += sum(_is_unreadable(glyph.char) for glyph in glyphs)
        limits.check_characters(visible, name)
        on_page()
    if not visible:
        raise ReadError(f"{name}：没有文字层，页面是图片；{_OCR}")
    if unreadable > _UNREADABLE_SHARE * visible:
        raise ReadError(f"{name}：字体没有说明画的是哪些字；{_OCR}")
    furniture = page_furniture([page.lines for page in pages], [page.height for page in pages])
    lines = [line for page in pages for line in page.lines]
    if len(furniture) == len(lines):
        furniture = set()  # with nothing else on the pages, it is the text
    if not keep_boilerplate:
        lines = [line for line in lines if line not in furniture]
    blocks = list(paragraphs(lines, furniture, median(page.width for page in pages)))
    if keep_boilerplate:
        blocks = _with_slanted(blocks, pages)
    limits.check_paragraphs(len(blocks), name)
    text, places = assemble(blocks)
    return Document(text, places, format, warnings=tuple(_warnings(pages, keep_boilerplate)))


def _check_ends(data: bytes, name: str) -> None:
    if b"%PDF-" not in data[:1024]:
        raise ReadError(f"{name}：不是 PDF 文件；请改成它真正格式的后缀")
    # PDFium repairs files that were cut off, and then silently lacks pages.
    if b"%%EOF" not in data.rstrip(b"\0 \r\n")[-2048:]:
        raise ReadError(f"{name}：PDF 缺少结尾；请重新复制或下载")


def _pages(data: bytes, name: str, limits: Limits) -> Iterator[tuple[list[Glyph], _Box]]:
    """The characters of each page, and its left, lower, right and upper edge."""
    logging.getLogger("pypdfium2").addHandler(logging.NullHandler())
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if error.err_code == _PASSWORD:
            raise ReadError(f"{name}：有密码；请去掉密码后另存") from error
        raise ReadError(f"{name}：PDF 已损坏；请重新复制或下载") from error
    try:
        if not len(document):
            raise ReadError(f"{name}：PDF 已损坏，没有页面；请重新复制或下载")
        limits.check_pages(len(document), name)
        for index in range(len(document)):
            page = document[index]
            textpage = page.get_textpage()
            try:
                if textpage.count_chars() > _MAX_GLYPHS:
                    raise LimitError(
                        f"{name}：第 {index + 1} 页超过 {_MAX_GLYPHS:,} 字；请重新打印成 PDF"
                    )
                yield _glyphs(textpage.raw), page.get_cropbox()
            finally:
                textpage.close()
                page.close()
    except pypdfium2.PdfiumError as error:
        raise ReadError(f"{name}：PDF 里有损坏的页；请重新复制或下载") from error
    finally:
        document.close()


def _glyphs(textpage: Any) -> list[Glyph]:
    import pypdfium2.raw as pdfium

    x, y = ctypes.c_double(), ctypes.c_double()
    matrix, box = pdfium.FS_MATRIX(), pdfium.FS_RECTF()
    glyphs: list[Glyph] = []
    high = ""
    for index in range(pdfium.FPDFText_CountChars(textpage)):
        if pdfium.FPDFText_IsGenerated(textpage, index) == 1:
            continue  # spaces and line ends that PDFium guessed; page_lines has its own rules
        char = _repaired(pdfium.FPDFText_GetUnicode(textpage, index))
        if "\ud800" <= char <= "\udbff":
            high = char
            continue
        if "\udc00" <= char <= "\udfff":
            char = (high + char).encode("utf-16", "surrogatepass").decode("utf-16", "replace")[-1]
        high = ""
        pdfium.FPDFText_GetCharOrigin(textpage, index, x, y)
        pdfium.FPDFText_GetLooseCharBox(textpage, index, box)
        pdfium.FPDFText_GetMatrix(textpage, index, matrix)
        angle = math.degrees(math.atan2(matrix.b, matrix.a))
        size = pdfium.FPDFText_GetFontSize(textpage, index) * math.hypot(matrix.c, matrix.d)
        if abs(angle) % 180 < 45 or abs(angle) % 180 > 135:
            advance = box.right - box.left
        else:
            advance = box.top - box.bottom
        # Files that put characters at infinity, or write them infinitely large, exist.
        if math.isfinite(x.value + y.value + advance + size + angle):
            glyphs.append(Glyph(char, x.value, x.value + advance, y.value, size or 1.0, angle))
    return glyphs


def _repaired(code: int) -> str:
    if 0x2F00 <= code <= 0x2FD5:
        return unicodedata.normalize("NFKC", chr(code))  # Kangxi radicals, one character each
    if code in (0x02, 0xAD):
        return "-"  # PDFium's mark for a hyphen at a line end
    char = chr(code) if 0 < code <= sys.maxunicode else "\ufffd"
    # A line end among the characters would break a row of a table in two.
    return " " if char in _LINE_ENDS else char


def _is_unreadable(char: str) -> bool:
    return char == "\ufffd" or unicodedata.category(char) in ("Co", "Cc", "Cn", "Cs")


def _with_slanted(blocks: list[Block], pages: list[PageLines]) -> list[Block]:
    """Put slanted texts after the last block of their page."""
    added = [
        Block(text, "line", number)
        for number, page in enumerate(pages, start=1)
        for text in page.slanted
    ]
    return sorted([*blocks, *added], key=lambda block: block.page or 0)


def _warnings(pages: list[PageLines], keep_boilerplate: bool) -> Iterator[str]:
    empty = [number for number, page in enumerate(pages, start=1) if not page.lines]
    if empty:
        yield f"第 {_listed(empty)} 页没有文字层；如果是文字的图片，请做 OCR"
    marked = [number for number, page in enumerate(pages, start=1) if page.slanted]
    if marked and not keep_boilerplate:
        yield f"第 {_listed(marked)} 页的斜排文字（水印）没有读入"


def _listed(numbers: list[int]) -> str:
    shown = "、".join(map(str, numbers[:10]))
    return shown if len(numbers) <= 10 else f"{shown} 等 {len(numbers)}"
