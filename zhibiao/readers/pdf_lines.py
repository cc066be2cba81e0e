"""Lines of a PDF page, put together from the places of its characters.

A PDF knows no lines: it draws characters at points. Units here are PDF points (1/72 inch), with
y growing upward, after turning the page so that its text runs from left to right.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

__all__ = ["Glyph", "Line", "is_wide", "page_lines"]

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

    ``y`` is the baseline, ``size`` the font size of most of it; ``is_row`` if gaps show that it
    is a row of a table.
    """

    text: str
    page: int
    x0: float
    x1: float
    y: float
    size: float
    is_row: bool = False
    is_indented: bool = False


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


def page_lines(glyphs: Sequence[Glyph], page: int) -> tuple[list[Line], list[str]]:
    """Lines of a page from top to bottom, and the texts that stand at another angle.

    The angle of most characters is the page's own: a table on a page of landscape format is
    text, a watermark across the page is not.
    """
    angles = Counter(round(glyph.angle / 5) for glyph in glyphs)
    if not angles:
        return [], []
    main = angles.most_common(1)[0][0]
    upright = [glyph for glyph in glyphs if round(glyph.angle / 5) == main]
    slanted = [glyph for glyph in glyphs if round(glyph.angle / 5) != main]
    rows: list[list[Glyph]] = []
    for fragment in _fragments(_turned(upright, main * 5.0)):
        _place(fragment, rows)
    rows.sort(key=lambda row: -median(glyph.y for glyph in row))
    lines = [line for row in rows if (line := _line(row, page))]
    return lines, _texts(slanted)


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


def _line(glyphs: list[Glyph], page: int) -> Line | None:
    glyphs = sorted(glyphs, key=lambda glyph: glyph.x0)
    visible = [glyph for glyph in glyphs if not glyph.char.isspace()]
    if not visible:
        return None
    size = median(glyph.size for glyph in visible)
    shown = [visible[0]]
    for glyph in visible[1:]:
        # Some programs draw a character twice, a little apart, to make it bold.
        if glyph.char != shown[-1].char or glyph.x0 - shown[-1].x0 > 0.2 * size:
            shown.append(glyph)
    gaps = [after.x0 - before.x1 for before, after in zip(shown, shown[1:], strict=False)]
    wide = [gap for gap in gaps if gap >= _CELL_GAP * size]
    is_row = any(gap >= _COLUMN_GAP * size for gap in wide) or len(wide) > 1
    written = {(round(g.x0, 1), round(g.y, 1)) for g in glyphs if g.char.isspace()}
    pieces = [shown[0].char]
    for before, after, gap in zip(shown, shown[1:], gaps, strict=False):
        pieces.append(_between(before, after, gap, size, is_row, bool(written)))
        pieces.append(after.char)
    return Line(
        text="".join(pieces),
        page=page,
        x0=shown[0].x0,
        x1=max(glyph.x1 for glyph in shown),
        y=median(glyph.y for glyph in visible),
        size=size,
        is_row=is_row,
    )
