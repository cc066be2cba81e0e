"""What every reader returns: a text, and where in the source each part of it stands."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["Block", "Document", "Kind", "Place", "assemble"]

Kind: TypeAlias = Literal["paragraph", "heading", "table", "line"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where ``text[start:end]`` stands in the source document.

    ``start`` and ``end`` are offsets in code points, half-open; the slice is a paragraph, a
    heading, a row of a table or a line, without the line end after it. ``page`` counts from 1
    and is None where the format has no pages. ``paragraph`` counts such slices from 1 through
    the document. A paragraph that runs over a page break has one place a page, all with the
    same ``paragraph``.
    """

    start: int
    end: int
    page: int | None
    paragraph: int
    kind: Kind


@dataclass(frozen=True, slots=True)
class Document:
    """A source document as text.

    ``places`` is sorted and without overlaps; what lies between two places is white space.
    ``format`` is the suffix without its dot, ``encoding`` the character encoding that was found
    (None for docx and pdf). ``warnings`` are one-line Chinese sentences on what the reader had
    to leave out or could not be sure of.
    """

    text: str
    places: tuple[Place, ...]
    format: str
    encoding: str | None = None
    warnings: tuple[str, ...] = ()

    def place(self, offset: int) -> Place:
        """The place that holds the character at ``offset``.

        White space between places belongs to the place before it, at the very start of the text
        to the first.

        Raises:
            IndexError: ``offset`` is outside the text.
        """
        if not 0 <= offset < len(self.text):
            raise IndexError(f"offset {offset} is outside the text of {len(self.text)} characters")
        found = bisect_right(self.places, offset, key=lambda place: place.start)
        return self.places[max(found - 1, 0)]


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a document on its way into the text.

    ``joined`` blocks continue the paragraph of the block before them, with no line end between.
    """

    text: str
    kind: Kind = "paragraph"
    page: int | None = None
    joined: bool = False


def assemble(blocks: Iterable[Block]) -> tuple[str, tuple[Place, ...]]:
    """Write blocks one below the other; blocks without visible text are left out."""
    pieces: list[str] = []
    places: list[Place] = []
    length = paragraph = 0
    for block in blocks:
        if not block.text.strip():
            continue
        if not (block.joined and places):
            paragraph += 1
            if places:
                pieces.append("\n")
                length += 1
        end = length + len(block.text)
        places.append(Place(length, end, block.page, paragraph, block.kind))
        pieces.append(block.text)
        length = end
    return "".join(pieces), tuple(places)
