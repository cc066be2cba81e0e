"""Lines of a PDF page, put together from the places of its characters.

A PDF knows no lines: it draws characters at points. Units here are PDF points (1/72 inch), with
y growing upward, after turning the page so that its text runs from left to right.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

__all__ = ["Glyph", "Line", "PageLines", "is_wide", "page_lines"]

_SAME_LINE = 0.5  # of the font size: raised figures belong to their line, the next line does not
_COLUMN_GAP = 2.0  # of the font size: a gap this wide parts two columns of a table
_CELL_GAP = 1.0  # narrower, but two of them in a line make a row too
_WORD_GAP = 0.2  # between Latin words
_SPACED_OUT = 0.8  # between Chinese characters, where justified text has small gaps


@dataclass(frozen=True, slots=True)
class Glyph:
    """One drawn character: from ``x0`` to ``x1``, its baseline at ``y``; ``angle`` in degrees."""

    char: str
    x0: float
    x1: float
    y: float
    size: float
    angle: float = 0.0


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a page.

    ``x0``, ``x1`` and the baseline ``y`` count from the lower left corner of the page; ``size`` is
    the font size of most of it; ``is_row`` says that gaps show it to be a row of a table.
    """

    text: str
    page: int
    x0: float
    x1: float
    y: float
    size: float
    is_row: bool = False


@dataclass(frozen=True, slots=True)
class PageLines:
    """Lines of a page from top to bottom, texts at another angle, the page's width and height."""

    lines: tuple[Line, ...]
    slanted: tuple[str, ...]
    width: float
    height: float


def is_wide(char: str) -> bool:
    """Whether a character takes a full square, so that no space parts it from the next."""
    return (
        "\u2e80" <= char <= "\ua4cf"
        or "\uf900" <= char <= "\ufaff"
        or "\ufe30" <= char <= "\ufe4f"
        or "\uff00" <= char <= "\uffef"
        or char >= "\U00020000"
        or char in "“”‘’…—·"
    )


def page_lines(
    glyphs: Sequence[Glyph], box: tuple[float, float, float, float], page: int
) -> PageLines:
    """Read the lines of a page; ``box`` is its left, lower, right and upper edge.

    The angle of most characters is the page's own: a table on a page of landscape format is
    text, a watermark across the page is not.
    """
    angles = Counter(round(glyph.angle / 5) for glyph in glyphs)
    if not angles:
        return PageLines((), (), box[2] - box[0], box[3] - box[1])
    main = angles.most_common(1)[0][0]
    upright = [glyph for glyph in glyphs if round(glyph.angle / 5) == main]
    slanted = [glyph for glyph in glyphs if round(glyph.angle / 5) != main]
    rows: list[list[Glyph]] = []
    angle = main * 5.0
    corners = [Glyph("", x, x, y, 1.0) for x in (box[0], box[2]) for y in (box[1], box[3])]
    turned = _turned(corners, angle)
    left, foot = min(corner.x0 for corner in turned), min(corner.y for corner in turned)
    width = max(corner.x0 for corner in turned) - left
    height = max(corner.y for corner in turned) - foot
    for fragment in _fragments(_turned(upright, angle)):
        _place(fragment, rows)
    rows.sort(key=lambda row: -median(glyph.y for glyph in row))
    lines = [line for row in rows if (line := _line(row, page, left, foot))]
    return PageLines(tuple(lines), tuple(_texts(slanted)), width, height)


def _turned(glyphs: Iterable[Glyph], angle: float) -> list[Glyph]:
    if angle % 360 == 0:
        return list(glyphs)
    cos, sin = math.cos(math.radians(-angle)), math.sin(math.radians(-angle))
    # A turned glyph's x0 and y are its origin; its advance is x1 - x0 along the baseline.
    return [
        Glyph(
            glyph.char,
            x := glyph.x0 * cos - glyph.y * sin,
            x + glyph.x1 - glyph.x0,
            glyph.x0 * sin + glyph.y * cos,
            glyph.size,
        )
        for glyph in glyphs
    ]


def _fragments(glyphs: Sequence[Glyph]) -> list[list[Glyph]]:
    """Runs of characters drawn one after the other on one baseline."""
    fragments: list[list[Glyph]] = []
    for glyph in glyphs:
        last = fragments[-1][-1] if fragments else None
        if (
            last
            and abs(glyph.y - last.y) < _SAME_LINE * max(glyph.size, last.size)
            and glyph.x0 > last.x0 - glyph.size
        ):
            fragments[-1].append(glyph)
        else:
            fragments.append([glyph])
    return fragments


def _place(fragment: list[Glyph], rows: list[list[Glyph]]) -> None:
    """Add a fragment to the row that it continues, which may have been drawn much earlier."""
    y = median(glyph.y for glyph in fragment)
    size = median(glyph.size for glyph in fragment)
    for row in reversed(rows[-60:]):
        level = median(glyph.y for glyph in row[:20])
        if abs(level - y) < 0.3 * max(size, row[0].size) and not _overlap(row, fragment):
            row.extend(fragment)
            return
    rows.append(fragment)


def _overlap(first: Sequence[Glyph], second: Sequence[Glyph]) -> bool:
    """Whether two runs lie over each other; half a character of a shadow or of kerning does not."""
    left = max(min(g.x0 for g in first), min(g.x0 for g in second))
    right = min(max(g.x1 for g in first), max(g.x1 for g in second))
    if right - left <= 0.5 * second[0].size:
        return False
    # Cells drawn out of order interleave without touching.
    return any(a.x0 < b.x1 - 0.5 and b.x0 < a.x1 - 0.5 for a in first for b in second)


def _line(glyphs: list[Glyph], page: int, edge: float, foot: float) -> Line | None:
    visible = [glyph for glyph in glyphs if not glyph.char.isspace()]
    if not visible:
        return None
    size = median(glyph.size for glyph in visible)
    left = min(glyph.x0 for glyph in visible)
    right = max(glyph.x1 for glyph in visible)
    drawn: list[Glyph] = []
    for glyph in sorted(glyphs, key=lambda glyph: glyph.x0):
        # Some programs draw a character twice, a little apart, to make it bold.
        shadow = drawn and glyph.char == drawn[-1].char and glyph.x0 - drawn[-1].x0 < 0.2 * size
        if left <= glyph.x0 < right and not shadow:
            drawn.append(glyph)
    pairs = list(pairwise(drawn))
    gaps = [(after.x0 - before.x1) / size for before, after in pairs]
    is_row = max(gaps, default=0) >= _COLUMN_GAP or sum(gap >= _CELL_GAP for gap in gaps) > 1
    pieces = [drawn[0].char]
    for (before, after), gap in zip(pairs, gaps, strict=True):
        if is_row and gap >= _CELL_GAP:
            pieces.append("\0")
        elif gap >= (_SPACED_OUT if is_wide(before.char) or is_wide(after.char) else _WORD_GAP):
            pieces.append(" ")
        pieces.append(after.char)
    cells = [cell.strip() for cell in "".join(pieces).split("\0")]
    y = median(glyph.y for glyph in visible) - foot
    return Line(" | ".join(cells).strip(), page, left - edge, right - edge, y, size, is_row)


def _texts(glyphs: Sequence[Glyph]) -> list[str]:
    """Slanted text as drawn; each change of angle begins another."""
    texts: list[str] = []
    last: Glyph | None = None
    for glyph in glyphs:
        near = last and abs(glyph.angle - last.angle) < 1 and glyph.size == last.size
        texts.append(texts.pop() + glyph.char if near and texts else glyph.char)
        last = glyph
    return [text.strip() for text in texts if text.strip()]
