"""HTML pages: the main text, or all text that a reader of the page sees."""

from __future__ import annotations

import codecs
import logging
import re
from typing import Any

from zhibiao.errors import ReadError
from zhibiao.readers.document import Block, Document, Kind, assemble
from zhibiao.readers.encoding import decode
from zhibiao.readers.limits import Limits
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

# libxml2 reads no further than this many levels, whatever else the page holds.
_MAX_DEPTH = 2_000
# trafilatura's own parser stops at 256 levels, and it takes a minute for a million tags.
_MAIN_DEPTH, _MAIN_TAGS = 250, 100_000
_ROW_DEPTH = 40  # levels of tables that are told apart; deeper ones are only text
# Python's names of the encodings of the WHATWG's standard.
_ENCODINGS = re.compile(
    r"utf-8|utf-16(?:-le|-be)?|gb2312|gbk|gb18030|hz|big5(?:hkscs)?|shift_jis|euc_jp|euc_kr"
    r"|iso2022_jp|iso8859-\d+|koi8-[ru]|mac-(?:roman|cyrillic)|cp(?:125\d|866|874|932|949|950)"
)
_ENOUGH = 200  # characters; a main text this long is taken at its word
_SHARE = 0.3  # of all visible text; a shorter main text with less than this is not trusted


def read_html(
    data: bytes, name: str, format: str, keep_boilerplate: bool, limits: Limits
) -> Document:
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
        limits: how much the page may hold.

    Raises:
        LimitError: more characters or elements than a page may have.
        ReadError: unknown encoding, or no visible text.
    """
    from lxml import etree, html

    source, encoding, warnings = _decoded(data, name)
    limits.check_characters(len(source), name)
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
        raise ReadError(f"{name}：网页里没有可见的文字；请重新保存网页") from error
    depth = _depth(tree)
    if depth >= _MAX_DEPTH:
        raise ReadError(
            f"{name}：元素嵌套超过 {_MAX_DEPTH:,} 层；请在浏览器里重新保存网页，或复制文字"
        )
    body = tree.find("body")
    visible = [] if body is None else _blocks(body)
    if not visible:
        raise ReadError(
            f"{name}：网页里没有可见的文字；如果内容由脚本生成，"
            "请在浏览器里存为完整网页，或复制文字"
        )
    blocks = visible
    if not keep_boilerplate:
        simple = depth < _MAIN_DEPTH and source.count("<") < _MAIN_TAGS
        main = _main(source) if simple else []
        # Measured before the heading is added, which is found even where the text is not.
        if _length(main) < _ENOUGH and _length(main) < _SHARE * _length(visible):
            warnings.append("找不到网页的正文，读入了全部可见的文字")
        else:
            blocks = _with_heading(main, visible, tree)
    limits.check_paragraphs(len(blocks), name)
    text, places = assemble(blocks)
    limits.check_characters(len(text), name)
    return Document(text, places, format, encoding, tuple(warnings))


def _depth(tree: Any) -> int:
    """How many levels of elements the page has."""
    from lxml import etree

    deepest = level = 0
    for event, _ in etree.iterwalk(tree, events=("start", "end")):
        level += 1 if event == "start" else -1
        deepest = max(deepest, level)
    return deepest


def _decoded(data: bytes, name: str) -> tuple[str, str, list[str]]:
    """The page's source; a few bytes that do not fit the declared encoding are replaced."""
    match = _META.search(data, 0, 4096)
    declared = match.group(1).decode("ascii").lower() if match else None
    if declared in ("gb2312", "gbk", "x-gbk", "gb_2312-80", "cp936"):
        declared = "gb18030"  # what browsers do: pages say gb2312 and use the rest too
    codec = _codec(declared)
    try:
        source, encoding = decode(data, name, codec)
        return source, encoding, []
    except ReadError:
        if codec is None:
            raise
        source = data.decode(codec, "replace")
        broken = source.count("\ufffd")
        if broken > max(3, len(source) // 1000):
            raise
        return (
            source,
            codec,
            [f"有 {broken} 处不合 {codec} 编码，换成了 \ufffd"],
        )


def _codec(declared: str | None) -> str | None:
    """The codec of a declared encoding, if it is one that a page may be in.

    Python has more, such as punycode, which takes for ever, and zlib, which is no text.
    """
    try:
        codec = codecs.lookup(declared).name if declared else ""
    except LookupError:
        return None
    return codec if _ENCODINGS.fullmatch(codec) else None


def _main(source: str) -> list[Block]:
    for library in ("trafilatura", "htmldate", "courlan", "justext"):
        # Without a handler Python prints a library's complaints to the terminal.
        logging.getLogger(library).addHandler(logging.NullHandler())
    from trafilatura import bare_extraction

    try:
        found = bare_extraction(
            source,
            favor_recall=True,
            include_tables=True,
            include_comments=False,
            deduplicate=False,
            with_metadata=False,
        )
    except MemoryError:
        raise
    except Exception:
        return []  # a page that trafilatura trips over still has its visible text
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
    """Collects the blocks of an HTML tree or of trafilatura's, in reading order.

    It walks with a list of what is left to do rather than by calling itself: pages with
    hundreds of unclosed tags nest deeper than Python's calls may. Only rows of tables, whose
    cells are collected apart, are a call each.
    """

    def __init__(self, rows: int) -> None:
        self.blocks: list[Block] = []
        self._rows = rows  # levels of tables still told apart
        self._pending: list[str] = []
        self._left: list[tuple[str, Any, Kind]] = []

    def walk(self, root: Any) -> list[Block]:
        self._push(root, "paragraph", flushed=True)
        while self._left:
            action, item, kind = self._left.pop()
            if action == "text":
                self._pending.append(item)
            elif action == "flush":
                self._flush(kind)
            else:
                self._visit(item, kind)
        return self.blocks

    def _push(self, element: Any, kind: Kind, *, flushed: bool) -> None:
        """Plan the inside of an element, last things first, and the end of its block."""
        if flushed:
            self._left.append(("flush", None, kind))
        for child in reversed(element):
            if child.tail:
                self._left.append(("text", child.tail, kind))
            self._left.append(("visit", child, kind))
        if element.text:
            self._left.append(("text", element.text, kind))

    def _flush(self, kind: Kind) -> None:
        text = _SPACES.sub(" ", "".join(self._pending)).strip()
        self._pending.clear()
        if text:
            self.blocks.append(Block(text, kind))

    def _visit(self, element: Any, kind: Kind) -> None:
        tag = element.tag
        if not isinstance(tag, str) or tag in _SKIPPED or _is_hidden(element):
            return
        if tag in _HEADINGS:
            self._flush(kind)
            self._push(element, "heading", flushed=True)
        elif tag in _ROWS and self._rows:
            self._flush(kind)
            cells = [_blocks(cell, self._rows - 1) for cell in element if cell.tag in _CELLS]
            self.blocks.extend(flatten_row(cells))
        elif tag in _BREAKS or tag in _BLOCKS or tag in _CELLS or tag in _ROWS:
            self._flush(kind)
            self._push(element, kind, flushed=True)
        else:
            self._push(element, kind, flushed=False)


def _blocks(root: Any, rows: int = _ROW_DEPTH) -> list[Block]:
    return _Walker(rows).walk(root)


def _is_hidden(element: Any) -> bool:
    return "hidden" in element.attrib or bool(_HIDDEN.search(element.get("style", "")))
