"""The sentence that a value stands in, for reading beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

__all__ = ["Sentence", "find_sentence", "sentence_around", "sentence_pieces"]

_END = "。！？!?\n\r"
_CLOSING = "”’」』）)】"
_REACH = 200  # a flattened table may run on for pages without a sentence end
_BLANKS = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A slice of a text; ``cut_before`` and ``cut_after`` say that the sentence goes on there."""

    start: int
    end: int
    cut_before: bool
    cut_after: bool


def find_sentence(text: str, start: int, end: int) -> Sentence:
    """The sentence or line that holds ``text[start:end]``, at most 200 characters each way."""
    low = max(0, start - _REACH)
    before = text[low:start]
    begin = low + max(before.rfind(mark) for mark in _END) + 1
    while begin < start and begin > low and text[begin] in _CLOSING:
        begin += 1
    after = text[end : end + _REACH]
    ends = [place for mark in _END if (place := after.find(mark)) >= 0]
    stop = end + (min(ends) + 1 if ends else len(after))
    while ends and stop < len(text) and text[stop] in _CLOSING:
        stop += 1
    return Sentence(begin, stop, begin == low > 0, not ends and stop < len(text))


def sentence_around(text: str, start: int, end: int) -> str:
    """That sentence on one line, white space collapsed; ``…`` marks where more was cut off."""
    return "".join(piece for piece, _ in sentence_pieces(text, start, end, ()))


def sentence_pieces(
    text: str, start: int, end: int, marks: Iterable[tuple[int, int, str]]
) -> list[tuple[str, str]]:
    """That sentence in slices as (characters, kind).

    ``marks`` are (start, end, kind) in the text, in any order; what lies outside the sentence or
    over an earlier mark is left out. Slices between marks have the kind ``""``; none is empty.
    """
    sentence = find_sentence(text, start, end)
    pieces = [
        (_BLANKS.sub(" ", text[first:last]), kind)
        for first, last, kind in _slices(sentence, sorted(marks))
    ]
    first, *_ = pieces
    pieces[0] = (first[0].lstrip(), first[1])
    pieces[-1] = (pieces[-1][0].rstrip(), pieces[-1][1])
    if sentence.cut_before:
        pieces.insert(0, ("…", ""))
    if sentence.cut_after:
        pieces.append(("…", ""))
    return [piece for piece in pieces if piece[0]]


def _slices(
    sentence: Sentence, marks: Iterable[tuple[int, int, str]]
) -> Iterator[tuple[int, int, str]]:
    position = sentence.start
    for start, end, kind in marks:
        if start < position or end > sentence.end:
            continue
        if position < start:
            yield position, start, ""
        yield start, end, kind
        position = end
    if position < sentence.end:
        yield position, sentence.end, ""
