"""HTML pages: the main text, or all text that a reader of the page sees."""

from __future__ import annotations

import codecs
import logging
import re
from typing import Any

from zhibiao.errors import ReadError
from zhibiao.readers.document import Block, Document, Kind, assemble
from zhibiao.readers.encoding import decode
from zhibiao.readers.rows import flatten_row

__all__ = ["read_html"]

_META = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([A-Za-z0-9_:.-]+)""", re.IGNORECASE)
_SKIPPED = frozenset(
    (
        "button",
        "comment",
        "graphic",
        "iframe",
        "input",
        "math",
        "noscript",
        "object",
        "option",
        "script",
        "select",
        "style",
        "svg",
        "template",
        "textarea",
        "title",
    )
)
_HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6", "head"))  # "head" is trafilatura"s
_ROWS = frozenset(("tr", "row"))
_CELLS = frozenset(("td", "th", "cell"))
_BREAKS = frozenset(("br", "lb", "hr"))
_BLOCKS = frozenset(
    (
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "caption",
        "center",
        "code",
        "dd",
        "details",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "header",
        "html",
        "item",
        "legend",
        "li",
        "list",
        "main",
        "nav",
        "ol",
        "p",
        "pre",
        "quote",
        "section",
        "summary",
        "table",
        "tbody",
        "tfoot",
        "thead",
        "ul",
    )
)
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_SPACES = re.compile(r"[ \t\r\n\f]+")
_CJK = "\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff“”‘’…—"
_BROKEN_LINE = re.compile(rf"(?<=[{_CJK}])[ \t\r]*\n\s*(?=[{_CJK}])")
_TITLE = re.compile(r"[_|｜]|\s[-–—]+\s")

_ENOUGH = 200  # characters; a main text this long is taken at its word
_SHARE = 0.3  # of all visible text; a shorter main text with less than this is not trusted


def read_html(data: bytes, name: str, format: str, keep_boilerplate: bool) -> Document:
    """Read an HTML page.

    The main text is found with trafilatura, tables included, preferring too much to too little;
    a main heading that it leaves out is put in front. Where it finds nothing, or far too little,
    all visible text is taken and a warning says so. A row of a table is one line, its cells
    joined by `` | ``.

    Args:
        data: the whole file.
        name: what errors call the file.
        format: what ``Document.format`` says.
        keep_boilerplate: take all visible text, with navigation and page foot.

    Raises:
        ReadError: unknown encoding, or no visible text.
    """
    from lxml import etree, html

    source, encoding, warnings = _decoded(data, name)
    # A line break in the source between two Chinese characters is no space on the page.
    source = _BROKEN_LINE.sub("", source.replace("\0", ""))
    # libxml2 refuses str with an encoding declaration, so the parser gets clean UTF-8.
    # huge_tree: pages with hundreds of unclosed tags nest deeper than its usual 256 levels.
    parser = html.HTMLParser(
        encoding="utf-8", remove_comments=True, remove_pis=True, huge_tree=True
    )
    try:
        tree = html.document_fromstring(source.encode(), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError) as error:
        raise ReadError(f"{name}: no visible text in this page; save the page again") from error
    body = tree.find("body")
    visible = [] if body is None else _blocks(body)
    if not visible:
        raise ReadError(
            f"{name}: no visible text in this page; if a script fills it, "
            "save it from the browser as a complete page or copy the text"
        )
    blocks = visible
    if not keep_boilerplate:
        main = _main(source)
        # Measured before the heading is added, which is found even where the text is not.
        if _length(main) < _ENOUGH and _length(main) < _SHARE * _length(visible):
            warnings.append("no clear main text in this page, so all visible text was taken")
        else:
            blocks = _with_heading(main, visible, tree)
    text, places = assemble(blocks)
    return Document(text, places, format, encoding, tuple(warnings))


def _decoded(data: bytes, name: str) -> tuple[str, str, list[str]]:
    """The page's source; a few bytes that do not fit the declared encoding are replaced."""
    match = _META.search(data, 0, 4096)
    declared = match.group(1).decode("ascii").lower() if match else None
    if declared in ("gb2312", "gbk", "x-gbk", "gb_2312-80", "cp936"):
        declared = "gb18030"  # what browsers do: pages say gb2312 and use the rest too
    try:
        source, encoding = decode(data, name, declared)
        return source, encoding, []
    except ReadError:
        codec = _codec(declared)
        if codec is None:
            raise
        source = data.decode(codec, "replace")
        broken = source.count("\ufffd")
        if broken > max(3, len(source) // 1000):
            raise
        return (
            source,
            codec,
            [f"{broken} places do not fit {codec} and were replaced by \ufffd"],
        )


def _codec(declared: str | None) -> str | None:
    try:
        return codecs.lookup(declared).name if declared else None
    except LookupError:
        return None


def _main(source: str) -> list[Block]:
    for library in ("trafilatura", "htmldate", "courlan", "justext"):
        # Without a handler Python prints a library's complaints to the terminal.
        logging.getLogger(library).addHandler(logging.NullHandler())
    from trafilatura import bare_extraction

    found = bare_extraction(
        source,
        favor_recall=True,
        include_tables=True,
        include_comments=False,
        deduplicate=False,
        with_metadata=False,
    )
    body = getattr(found, "body", None)
    return [] if body is None else _blocks(body)


def _with_heading(main: list[Block], visible: list[Block], tree: Any) -> list[Block]:
    """Put the page's heading in front if the main text has lost it.

    It is the first h1, or the visible block that the page's title begins with.
    """
    first = next((block.text for block in visible if block.kind == "heading"), "")
    titled = _TITLE.split(_SPACES.sub(" ", str(tree.findtext(".//title") or "")).strip())[0]
    names = {titled.strip()} if titled.strip() else set()
    names |= {first} if next(tree.iter("h1"), None) is not None else set()
    have = {block.text for block in main}
    for block in visible:
        if block.text in names and len(block.text) >= 4:
            return main if block.text in have else [Block(block.text, "heading"), *main]
    return main


def _length(blocks: list[Block]) -> int:
    return sum(len(block.text) for block in blocks)


class _Walker:
    """Collects the blocks of an HTML tree or of trafilatura's, in reading order."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self._pending: list[str] = []

    def inside(self, element: Any, kind: Kind) -> None:
        self._pending.append(element.text or "")
        for child in element:
            self._visit(child, kind)
            self._pending.append(child.tail or "")

    def flush(self, kind: Kind) -> None:
        text = _SPACES.sub(" ", "".join(self._pending)).strip()
        self._pending.clear()
        if text:
            self.blocks.append(Block(text, kind))

    def _visit(self, element: Any, kind: Kind) -> None:
        tag = element.tag
        if not isinstance(tag, str) or tag in _SKIPPED or _is_hidden(element):
            return
        if tag in _HEADINGS:
            self.flush(kind)
            self.inside(element, "heading")
            self.flush("heading")
        elif tag in _ROWS:
            self.flush(kind)
            cells = [_blocks(cell) for cell in element if cell.tag in _CELLS]
            self.blocks.extend(flatten_row(cells))
        elif tag in _BREAKS or tag in _BLOCKS or tag in _CELLS:
            self.flush(kind)
            self.inside(element, kind)
            self.flush(kind)
        else:
            self.inside(element, kind)


def _blocks(root: Any) -> list[Block]:
    walker = _Walker()
    walker.inside(root, "paragraph")
    walker.flush("paragraph")
    return walker.blocks


def _is_hidden(element: Any) -> bool:
    return "hidden" in element.attrib or bool(_HIDDEN.search(element.get("style", "")))
