"""From lines of pages to paragraphs: what belongs to the page, and what belongs to the text."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

from zhibiao.readers.document import Block, Kind
from zhibiao.readers.pdf_lines import Line, is_wide

__all__ = ["page_furniture", "paragraphs"]

_EDGE = 0.13  # of the page height: official documents put the page number 9.5% above the foot
_EDGE_LINES = 3
_INDENT = 1.2  # of the font size; paragraphs are indented by two characters
_NUMBER = re.compile(r"\d{1,18}")
_PAGE_NUMBER = re.compile(
    r"[-–—―－\s·.]*第?\s*\d{1,4}\s*页?[\s,，/|]*(?:[/／]\s*\d{1,4}|共\s*\d{1,4}\s*页)?[-–—―－\s·.]*"
    r"|第\s*[一二三四五六七八九十百]+\s*页.{0,12}|page\s*\d+(?:\s*(?:of|/)\s*\d+)?",
    re.IGNORECASE,
)
_BARE = re.compile(r"\d{1,4}")
_END = re.compile(r"[。！？!?；;：:…](?:[”’」』）)】])*$")
_NUMBERED = re.compile(
    r"[一二三四五六七八九十]{1,3}、|[（(][一二三四五六七八九十\d]{1,3}[）)]|\d{1,2}[、．]|\d{1,2}\.(?!\d)"
    r"|第[一二三四五六七八九十百\d]+[章节条部][分\s　]?|[①-⑳●■◆★▲□○·•]"
)
_HEADED = re.compile(
    r"[一二三四五六七八九十]{1,3}、|[（(][一二三四五六七八九十]{1,3}[）)]|第.{1,3}[章节]"
)
# Runs of dots are looked at from their beginning only: from each dot on would be quadratic.
_CONTENTS = re.compile(r"(?<![.…·])[.…·]{4,}\s*\d+$|(?<!\. )(?:\. ){4,}\s*\d+$")
_NUMBER_HEAD, _NUMBER_TAIL = re.compile(r"\d[.,]?$"), re.compile(r"[.,]?\d|[%‰℃]")
_TOKEN = re.compile(r"[0-9A-Za-z.,%/:+-]+|.", re.DOTALL)


def page_furniture(pages: Sequence[Sequence[Line]], heights: Sequence[float]) -> set[Line]:
    """Headers, footers and page numbers among the lines of each page.

    Such a line stands near the upper or lower edge and either has the form of a page number, or
    stands at the same height on several pages with the same words, its numbers equal or counting
    with the pages.
    """
    edges: dict[tuple[str, int], list[tuple[int, Line]]] = defaultdict(list)
    furniture: set[Line] = set()
    bare: list[tuple[int, Line]] = []
    for index, (lines, height) in enumerate(zip(pages, heights, strict=True)):
        top = [line for line in lines[:_EDGE_LINES] if line.y > height * (1 - _EDGE)]
        bottom = [line for line in lines[-_EDGE_LINES:] if line.y < height * _EDGE]
        for line in (*top, *bottom):
            words = _NUMBER.sub("\0", "".join(line.text.split()))
            edges[words, line in top].append((index, line))
        outermost = [*top[:1], *bottom[-1:]]
        for line in outermost:
            if _BARE.fullmatch(line.text):
                bare.append((index, line))
            elif _PAGE_NUMBER.fullmatch(line.text):
                furniture.add(line)
    furniture |= _counting(bare, len(pages))
    repeated = [
        level
        for group in edges.values()
        for level in _levels(group)
        if _is_repeated(level, len(pages))
    ]
    known = furniture | {line for level in repeated for _, line in level}
    for level in repeated:
        if _stands_apart(level, pages, known):
            furniture.update(line for _, line in level)
    return furniture


def _counting(bare: Sequence[tuple[int, Line]], pages: int) -> set[Line]:
    """Bare numbers that count with the pages; on a document of one page, the number 1."""
    offsets: dict[int, list[Line]] = defaultdict(list)
    for index, line in bare:
        offsets[int(line.text) - index].append(line)
    if not offsets:
        return set()
    offset, lines = max(offsets.items(), key=lambda item: len(item[1]))
    return set(lines) if len(lines) > 1 or (pages == 1 and offset == 1) else set()


def _levels(group: Sequence[tuple[int, Line]]) -> Iterator[list[tuple[int, Line]]]:
    """Split lines with the same words into those at the same height."""
    level: list[tuple[int, Line]] = []
    for index, line in sorted(group, key=lambda item: item[1].y):
        if level and line.y - level[-1][1].y > 3:
            yield level
            level = []
        level.append((index, line))
    if level:
        yield level


def _is_repeated(level: Sequence[tuple[int, Line]], pages: int) -> bool:
    seen = {index for index, _ in level}
    if len(seen) < 2 or len(seen) < pages / 4:
        return False
    rows = [[int(number) for number in _NUMBER.findall(line.text)] for _, line in level]
    for column in zip(*rows, strict=True):
        counted = {number - index for number, (index, _) in zip(column, level, strict=True)}
        if len(set(column)) > 1 and len(counted) > 1:
            return False
    return True


def _stands_apart(
    level: Sequence[tuple[int, Line]], pages: Sequence[Sequence[Line]], known: set[Line]
) -> bool:
    """Whether most of the lines are parted from the text by a gap, or are smaller than it.

    The first row of a table that is repeated on each page stands at the edge too, but as close
    to the next row as that to the one after it. ``known`` are all lines that are repeated: a
    header of two lines has its gap after the second.
    """
    apart = 0
    for index, line in level:
        lines = pages[index]
        at = lines.index(line)
        inward = lines[at:] if at < len(lines) / 2 else lines[at::-1]
        for outer, inner, next_inner in zip(inward, inward[1:], inward[2:], strict=False):
            near, next_near = abs(outer.y - inner.y), abs(inner.y - next_inner.y)
            if outer not in known:
                break
            if near > 1.25 * next_near or line.size < 0.92 * inner.size:
                apart += 1
                break
        else:
            apart += 1  # too few lines to compare with
    return 2 * apart >= len(level)


def paragraphs(lines: Sequence[Line], furniture: set[Line], width: float) -> Iterator[Block]:
    """Join lines into paragraphs, also across pages; furniture stays a line of its own.

    Chinese lines are joined without a space. A paragraph that goes on after a page break gives
    a block for each page, the later ones ``joined``. ``width`` is that of most pages.
    """
    body = [line for line in lines if line not in furniture]
    margins = _Margins(body, width)
    previous: Line | None = None
    gathered: list[Line] = []
    for line in lines:
        if line in furniture:
            yield from _block(gathered, margins)
            yield Block(line.text, "line", line.page)
            gathered, previous = [], None
            continue
        if previous and margins.begins(previous, line):
            yield from _block(gathered, margins)
            gathered = []
        gathered.append(line)
        previous = line
    yield from _block(gathered, margins)


class _Margins:
    """The usual left and right edge, size and line distance of a document's text."""

    def __init__(self, body: Sequence[Line], width: float) -> None:
        sizes: Counter[float] = Counter()
        for line in body:
            sizes[round(line.size, 1)] += len(line.text)
        self._size = sizes.most_common(1)[0][0] if sizes else 1.0
        self._width = width
        self._edges = {
            parity: self._edge([line for line in body if line.page % 2 == parity] or body)
            for parity in (0, 1)
        }
        steps = [
            above.y - below.y
            for above, below in pairwise(body)
            if above.page == below.page and abs(above.size - below.size) < 0.5
        ]
        # The lower quartile: further apart are paragraphs, where these have space between them.
        self._step = sorted(steps)[len(steps) // 4] if steps else 0.0
        # How paragraphs begin here is seen where the line before leaves no doubt.
        begun = [
            self._indent(line) > _INDENT * line.size
            for before, line in pairwise(body)
            if not (before.is_row or line.is_row or self.is_large(line))
            and not self._is_full(before, line)
        ]
        self._is_indented = sum(begun) > 0.6 * len(begun)

    def _edge(self, lines: Sequence[Line]) -> tuple[float, float]:
        """The leftmost edge where much of the text begins, and the right one it fills."""
        if not lines:
            return 0.0, 0.0
        begins: Counter[int] = Counter()
        for line in lines:
            begins[round(line.x0 / 3)] += len(line.text)
        much = 0.12 * begins.total()
        where = (at for at in begins if begins[at] + begins[at + 1] >= much)
        left = 3.0 * min(where, default=min(begins))
        right = sorted(line.x1 for line in lines)[-1 - len(lines) // 10]
        # Short lines only, a list or a table of contents: none of them is full.
        return left, right if right - left > 0.55 * self._width else self._width - left

    def is_large(self, line: Line) -> bool:
        return line.size > 1.12 * self._size

    def begins(self, previous: Line, line: Line) -> bool:
        """Whether ``line`` begins a new paragraph after ``previous``."""
        if previous.is_row or line.is_row or _CONTENTS.search(previous.text):
            return True
        if abs(previous.size - line.size) > 0.08 * max(previous.size, line.size):
            return True
        if self.is_large(line):
            # A title over several lines is set in the middle, each line with its own indent.
            close = previous.y - line.y < 2.2 * line.size
            return previous.page != line.page or not close or bool(_NUMBERED.match(line.text))
        same_page = previous.page == line.page
        drop = previous.y - line.y
        if same_page and drop > min(1.35 * self._step, 3 * line.size):
            return True
        is_full = self._is_full(previous, line)
        if self._indent(line) > _INDENT * line.size:
            # Without a habit of indenting, these may be the further lines of a list's item.
            hanging = abs(line.x0 - previous.x0) < 0.5 * line.size
            return self._is_indented or not (hanging and is_full)
        if not is_full or self._is_indented:
            return not is_full
        return bool(_NUMBERED.match(line.text)) and bool(_END.search(previous.text))

    def _indent(self, line: Line) -> float:
        return line.x0 - self._edges[line.page % 2][0]

    def _is_full(self, previous: Line, line: Line) -> bool:
        """Whether the first word of ``line`` would not have fitted on the line before it."""
        token = _TOKEN.match(line.text)
        width = 0.6 * len(token.group()) * line.size if token else 0.0
        # Marks that may not begin a line pull one more character down with them.
        room = max(width, line.size) + 1.2 * line.size
        return previous.x1 > self._edges[previous.page % 2][1] - room


def _block(lines: Sequence[Line], margins: _Margins) -> Iterator[Block]:
    if not lines:
        return
    kind = _kind(lines, margins)
    text = lines[0].text
    page = lines[0].page
    joined = False
    for before, line in pairwise(lines):
        glue = _glue(before.text, line.text)
        if line.page != page:
            yield Block(text, kind, page, joined)
            text, page, joined = glue + line.text, line.page, True
        else:
            text += glue + line.text
    yield Block(text, kind, page, joined)


def _glue(before: str, after: str) -> str:
    """What stands between two lines of a paragraph: a space between Latin words only.

    Some programs break Chinese text anywhere, also inside a number.
    """
    if is_wide(before[-1]) or is_wide(after[0]) or (before[-1] == "-" and after[0].isalpha()):
        return ""
    return "" if _NUMBER_HEAD.search(before) and _NUMBER_TAIL.match(after) else " "


def _kind(lines: Sequence[Line], margins: _Margins) -> Kind:
    if lines[0].is_row:
        return "table"
    length = sum(len(line.text) for line in lines)
    if length > 60 or _END.search(lines[-1].text):
        return "paragraph"
    is_heading = margins.is_large(lines[0]) or bool(_HEADED.match(lines[0].text))
    return "heading" if is_heading else "paragraph"
