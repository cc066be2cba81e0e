"""Rows of tables as lines of text, the same for every format."""

from __future__ import annotations

from collections.abc import Sequence

from zhibiao.readers.document import Block

__all__ = ["flatten_row"]

_LONG_CELL = 200  # characters; longer cells of several paragraphs hold text, not data


def flatten_row(cells: Sequence[Sequence[Block]]) -> list[Block]:
    """One row, each cell given as its blocks, in reading order.

    A row of data becomes one line with `` | `` between its cells; empty cells keep their place,
    so that the columns of a table still match. A row that is only there for the layout (one cell
    in use, or cells that hold tables, headings or long text) becomes the blocks of its cells.
    """
    used = [cell for cell in cells if cell]
    if len(used) <= 1 and (len(cells) <= 1 or not used or len(used[0]) > 1):
        return [block for cell in used for block in cell]
    if any(_is_layout(cell) for cell in used):
        return [block for cell in used for block in cell]
    texts = [" ".join(" ".join(block.text.split("\n")) for block in cell) for cell in cells]
    return [Block(" | ".join(texts).strip(), "table")]


def _is_layout(cell: Sequence[Block]) -> bool:
    if any(block.kind in ("table", "heading") for block in cell):
        return True
    return len(cell) > 1 and sum(len(block.text) for block in cell) > _LONG_CELL
