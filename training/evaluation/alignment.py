"""Gold and predicted spans of one report brought together by overlap, and what went wrong there.

Neither side overlaps itself, so spans that touch each other's characters form small groups from
left to right; spans of different groups have nothing to do with each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from zhibiao.spans import Span

__all__ = ["KINDS", "SHAPES", "Group", "align"]

KINDS = ("label", "boundary", "both", "missed", "spurious")
"""Kinds of error: same characters but another label; same labels but other characters; both
label and characters differ; a gold span that nothing predicted touches; a predicted span that
touches no gold span."""

SHAPES = (
    "left_longer",
    "left_shorter",
    "right_longer",
    "right_shorter",
    "both_edges",
    "split",
    "merged",
    "tangled",
)
"""How predicted characters differ from gold ones: one edge too far out (longer) or too far in
(shorter), both edges wrong, one gold span predicted in pieces, several gold spans predicted as
one, or several against several."""


@dataclass(frozen=True, slots=True)
class Group:
    """Gold and predicted spans that overlap, directly or through one another."""

    gold: tuple[Span, ...]
    predicted: tuple[Span, ...]

    @property
    def start(self) -> int:
        return min(span.start for span in (*self.gold, *self.predicted))

    @property
    def end(self) -> int:
        return max(span.end for span in (*self.gold, *self.predicted))

    @property
    def kind(self) -> str:
        """One of :data:`KINDS`, or ``"right"``."""
        if not self.predicted:
            return "missed"
        if not self.gold:
            return "spurious"
        same_labels = len({span.label for span in (*self.gold, *self.predicted)}) == 1
        if not self.shape:
            return "right" if same_labels else "label"
        return "boundary" if same_labels else "both"

    @property
    def shape(self) -> str:
        """One of :data:`SHAPES`, or empty when one side is empty or the characters are the same."""
        if not self.gold or not self.predicted:
            return ""
        if len(self.gold) > 1:
            return "merged" if len(self.predicted) == 1 else "tangled"
        if len(self.predicted) > 1:
            return "split"
        (gold,), (found,) = self.gold, self.predicted
        if gold.start != found.start and gold.end != found.end:
            return "both_edges"
        if gold.start != found.start:
            return "left_longer" if found.start < gold.start else "left_shorter"
        if gold.end != found.end:
            return "right_longer" if found.end > gold.end else "right_shorter"
        return ""

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels on either side, gold ones first, each once."""
        return tuple(dict.fromkeys(span.label for span in (*self.gold, *self.predicted)))

    def pairs(self) -> list[tuple[Span | None, Span | None]]:
        """Gold and predicted spans one to one, the largest overlaps first; None is a lack.

        Every span is in exactly one pair, so that a table of pairs has the right margins. Of
        equal overlaps the one of equal labels wins, then the leftmost.
        """
        options = sorted(
            (
                (-overlap, gold.label != found.label, gold, found)
                for gold in self.gold
                for found in self.predicted
                if (overlap := min(gold.end, found.end) - max(gold.start, found.start)) > 0
            ),
            key=lambda option: (*option[:2], option[2].start, option[3].start),
        )
        taken: set[int] = set()
        pairs: list[tuple[Span | None, Span | None]] = []
        for _, _, gold, found in options:
            if id(gold) not in taken and id(found) not in taken:
                taken |= {id(gold), id(found)}
                pairs.append((gold, found))
        pairs.extend((span, None) for span in self.gold if id(span) not in taken)
        pairs.extend((None, span) for span in self.predicted if id(span) not in taken)
        return pairs


def align(gold: Sequence[Span], predicted: Sequence[Span]) -> Iterator[Group]:
    """The groups of a report from left to right; both sides sorted and without overlaps."""
    sides: tuple[list[Span], list[Span]] = ([], [])
    end = 0
    ordered = sorted(
        [(span.start, 0, span) for span in gold] + [(span.start, 1, span) for span in predicted],
        key=lambda item: item[:2],
    )
    for start, side, span in ordered:
        if start >= end and (sides[0] or sides[1]):
            yield Group(tuple(sides[0]), tuple(sides[1]))
            sides = ([], [])
        sides[side].append(span)
        end = max(end, span.end)
    if sides[0] or sides[1]:
        yield Group(tuple(sides[0]), tuple(sides[1]))
