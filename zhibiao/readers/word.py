"""Word documents (docx): paragraphs, tables, text boxes and notes in reading order."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from typing import Any

from zhibiao.errors import LimitError, ReadError
from zhibiao.readers.document import Block, Document, Kind, assemble
from zhibiao.readers.limits import Limits
from zhibiao.readers.rows import flatten_row

__all__ = ["read_docx"]

_MAX_RATIO = 200  # how many times its packed size a docx of over 20 MB unpacked may be
_MAX_PARTS = 5_000  # Word writes a few dozen and one a picture

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_MATH_TEXT = "{http://schemas.openxmlformats.org/officeDocument/2006/math}t"
_CHARACTERS = {
    f"{_W}tab": "\t",
    f"{_W}ptab": "\t",
    f"{_W}br": "\n",
    f"{_W}cr": "\n",
    f"{_W}noBreakHyphen": "-",
}
# Deleted and moved-away text of tracked changes; Fallback repeats what Choice holds; the marks
# of a paragraph's own properties hold tab stops, which are no tabs.
_DROPPED = frozenset((f"{_W}del", f"{_W}moveFrom", f"{_W}pPr", f"{_W}rPr", _FALLBACK))
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_OLE = b"\xd0\xcf\x11\xe0"


def read_docx(
    data: bytes, name: str, format: str, keep_boilerplate: bool, limits: Limits
) -> Document:
    """Read a docx file.

    Paragraphs and tables come in reading order, text boxes after the paragraph that they are
    anchored to, footnotes and endnotes at the end. A row of a table is one line, its cells joined
    by `` | ``; a merged cell has its text once. Numbers that Word counts by itself are not part of
    the text. Inserted text of tracked changes is read, deleted text is not.

    Args:
        data: the whole file.
        name: what errors call the file.
        format: what ``Document.format`` says.
        keep_boilerplate: put page headers first and page footers last.
        limits: how much the file may unpack to, and hold.

    Raises:
        LimitError: too large when unpacked, or too many parts or characters.
        ReadError: not a docx, cut off, encrypted, or without text.
    """
    _check_archive(data, name, limits)
    from docx import Document as open_docx

    try:
        document = open_docx(io.BytesIO(data))
        _refuse_entities(document.element, name)
        headings = _heading_styles(document)
        blocks = list(_blocks(document.element.body, headings))
        blocks += _notes(document, headings)
        if keep_boilerplate:
            blocks = [
                *_margins(document, "header"),
                *blocks,
                *_margins(document, "footer"),
            ]
    except (ReadError, MemoryError):
        raise
    except Exception as error:
        # python-docx lets KeyError, lxml and zip errors of broken packages through.
        raise ReadError(
            f"{name}：不是能读的 docx（{type(error).__name__}）；请用 Word 或 WPS 打开，重新保存"
        ) from error
    limits.check_paragraphs(len(blocks), name)
    text, places = assemble(blocks)
    limits.check_characters(len(text), name)
    if not places:
        raise ReadError(f"{name}：里面没有文字；如果是扫描的图片，请先做 OCR")
    return Document(text, places, format)


def _check_archive(data: bytes, name: str, limits: Limits) -> None:
    if data.startswith(_OLE):
        raise ReadError(
            f"{name}：有密码，或者是改了后缀的旧版 .doc；"
            "请用 Word 或 WPS 打开，去掉密码，另存为 .docx"
        )
    if not data.startswith(b"PK"):
        raise ReadError(f"{name}：不是 docx 文件；请用 Word 或 WPS 打开，另存为 .docx")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            _check_members(members, len(data), name, limits)
    except ReadError:
        raise
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise ReadError(f"{name}：文件不完整或已损坏；请重新复制或下载") from error
    if "[Content_Types].xml" not in {member.filename for member in members}:
        raise ReadError(f"{name}：是 zip 压缩包，不是 docx；请解压，或另存为 .docx")


def _check_members(members: list[zipfile.ZipInfo], packed: int, name: str, limits: Limits) -> None:
    """Refuse what costs much to unpack, before anything is unpacked."""
    if any(member.flag_bits & 1 for member in members):
        raise ReadError(f"{name}：有密码；请去掉密码后另存")
    if any(member.compress_type not in _METHODS for member in members):
        # ISO/IEC 29500-2 allows no others, and their readers unpack without a bound.
        raise ReadError(f"{name}：压缩方式和 docx 不符；请用 Word 或 WPS 打开，重新保存")
    if len(members) > _MAX_PARTS:
        raise LimitError(
            f"{name}：由 {len(members):,} 个部件组成，超过 {_MAX_PARTS:,} 个；"
            "请删去图片，或另存为纯文本"
        )
    # zipfile never unpacks more of a member than its entry declares, so the sum is a bound, also
    # for members that overlap.
    unpacked = sum(member.file_size for member in members)
    limits.check_expanded(unpacked, name)
    if unpacked > max(20_000_000, _MAX_RATIO * packed):
        raise LimitError(
            f"{name}：{packed // 1000} kB 解压后有 {unpacked // 1_000_000} MB，"
            "不像一份报告；请删去图片，或另存为纯文本"
        )


def _refuse_entities(root: Any, name: str) -> None:
    """Refuse a document type: entities are not resolved, so their text would be missing."""
    if root.getroottree().docinfo.internalDTD is not None:
        raise ReadError(
            f"{name}：里面定义了 XML 实体，docx 不允许这样；请用 Word 或 WPS 打开，重新保存"
        )


def _heading_styles(document: Any) -> frozenset[str]:
    """Ids of paragraph styles that make headings, by name or by outline level."""
    found = set()
    for style in document.styles.element.iter(f"{_W}style"):
        named = style.find(f"{_W}name")
        name = "" if named is None else named.get(f"{_W}val", "").lower()
        if (
            name.startswith(("heading ", "标题"))
            or name in ("title", "subtitle")
            or _is_outlined(style)
        ):
            found.add(style.get(f"{_W}styleId", ""))
    return frozenset(found)


def _is_outlined(element: Any) -> bool:
    level = element.find(f"{_W}pPr/{_W}outlineLvl")
    return level is not None and level.get(f"{_W}val", "9") != "9"  # 9 is body text


def _blocks(container: Any, headings: frozenset[str]) -> Iterator[Block]:
    """Blocks of a body, cell, note or text box.

    Walks the XML rather than python-docx's objects, which skip content controls, inserted text
    and text boxes.
    """
    for child in container:
        if child.tag == f"{_W}p":
            yield from _paragraph(child, headings)
        elif child.tag == f"{_W}tbl":
            for row in _rows(child):
                yield from flatten_row([list(_blocks(cell, headings)) for cell in row])
        elif isinstance(child.tag, str) and child.tag not in _DROPPED:
            yield from _blocks(child, headings)  # w:sdt, w:ins, w:customXml and the like


def _rows(table: Any) -> Iterator[list[Any]]:
    """Cells of each row; those that continue a merged cell above are empty anyway."""
    for element in table:
        if element.tag == f"{_W}tr":
            yield list(_cells(element))
        elif element.tag in (
            f"{_W}sdt",
            f"{_W}sdtContent",
            f"{_W}customXml",
            f"{_W}ins",
        ):
            yield from _rows(element)


def _cells(row: Any) -> Iterator[Any]:
    for element in row:
        if element.tag == f"{_W}tc":
            yield element
        elif element.tag in (f"{_W}sdt", f"{_W}sdtContent", f"{_W}customXml"):
            yield from _cells(element)


def _paragraph(paragraph: Any, headings: frozenset[str]) -> Iterator[Block]:
    pieces: list[str] = []
    boxes: list[Any] = []
    _collect(paragraph, pieces, boxes)
    text = "".join(pieces).strip()
    if text:
        style = paragraph.find(f"{_W}pPr/{_W}pStyle")
        is_heading = _is_outlined(paragraph) or (
            style is not None and style.get(f"{_W}val") in headings
        )
        kind: Kind = "heading" if is_heading else "paragraph"
        yield Block(text, kind)
    for box in boxes:
        yield from _blocks(box, headings)


def _collect(element: Any, pieces: list[str], boxes: list[Any]) -> None:
    for child in element:
        tag = child.tag
        if tag in (f"{_W}t", _MATH_TEXT):
            # XML has made line ends one already, but not those written as references.
            pieces.append((child.text or "").replace("\r\n", "\n").replace("\r", "\n"))
        elif tag in _CHARACTERS:
            pieces.append(_CHARACTERS[tag])
        elif tag == f"{_W}txbxContent":
            boxes.append(child)
        elif isinstance(tag, str) and tag not in _DROPPED:
            _collect(child, pieces, boxes)


def _parts(document: Any, kinds: tuple[str, ...]) -> Iterator[Any]:
    """The XML roots of related parts of these kinds, in the package's order."""
    from docx.oxml.parser import parse_xml

    for relation in document.part.rels.values():
        if relation.reltype.rsplit("/", 1)[-1] in kinds and not relation.is_external:
            yield parse_xml(relation.target_part.blob)


def _notes(document: Any, headings: frozenset[str]) -> Iterator[Block]:
    for root in _parts(document, ("footnotes", "endnotes")):
        for note in root:
            if note.get(f"{_W}type") in (
                None,
                "normal",
            ):  # the others are separator lines
                yield from _blocks(note, headings)


def _margins(document: Any, kind: str) -> Iterator[Block]:
    for root in _parts(document, (kind,)):
        for block in _blocks(root, frozenset()):
            yield Block(block.text, "line")
