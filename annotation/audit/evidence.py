"""The habits of a corpus, counted once: which strings are labelled how, and where they are not."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from annotation.audit.documents import Document
from zhibiao.spans import Span

__all__ = ["Evidence", "Place"]

_DIGIT = re.compile(r"[0-9０-９]")
_LEAST = 2  # characters of a string that is looked for in all texts


@dataclass(frozen=True, slots=True)
class Place:
    """A slice of one document's text; offsets in code points, half-open."""

    document: int
    start: int
    end: int


class Evidence:
    """All documents of an audit, with counts over them.

    ``owners[d][i]`` is the number of the span that holds character ``i`` of document ``d``, or -1.
    ``shapes[d]`` is its text with every digit written as 0, of the same length.
    ``labels[string]`` counts the labels of the spans that read ``string``.
    ``free[string]`` are places where a labelled string stands without any label, ``broken`` those
    where narrower spans stand inside it, none crossing its edges. Strings with digits and of one
    character are not looked for; a place inside a longer span is in neither.
    """

    def __init__(self, documents: Sequence[Document]) -> None:
        self.documents = documents
        self.texts = [document.report.text for document in documents]
        self.spans = [document.report.spans for document in documents]
        self.owners = [_owners(len(d.report.text), d.report.spans) for d in documents]
        self.shapes = [_DIGIT.sub("0", text) for text in self.texts]
        self.labels: dict[str, Counter[str]] = defaultdict(Counter)
        self.local: dict[tuple[int, str], Counter[str]] = defaultdict(Counter)
        for number, span, string in self.labelled():
            self.labels[string][span.label] += 1
            self.local[number, string][span.label] += 1
        self.free: dict[str, list[Place]] = defaultdict(list)
        self.broken: dict[str, list[Place]] = defaultdict(list)
        self._find()

    def labelled(self, *, audited: bool = False) -> Iterator[tuple[int, Span, str]]:
        """Every span with the number of its document and its string."""
        for number, (text, spans) in enumerate(zip(self.texts, self.spans, strict=True)):
            if audited and self.documents[number].reference:
                continue
            for span in spans:
                yield number, span, text[span.start : span.end]

    def is_free(self, document: int, start: int, end: int) -> bool:
        """Whether no character of the slice is labelled; an empty slice is free."""
        return all(owner < 0 for owner in self.owners[document][start:end])

    def _find(self) -> None:
        # Strings by their first two characters: one look-up a character of text, not one a length.
        lengths: dict[str, set[int]] = defaultdict(set)
        for string in self.labels:
            if len(string) >= _LEAST and not _DIGIT.search(string):
                lengths[string[:_LEAST]].add(len(string))
        for number, text in enumerate(self.texts):
            for start in range(len(text) - _LEAST + 1):
                for length in lengths.get(text[start : start + _LEAST], ()):
                    end = start + length
                    if end <= len(text) and text[start:end] in self.labels:
                        self._sort(Place(number, start, end), text[start:end])

    def _sort(self, place: Place, string: str) -> None:
        owners = self.owners[place.document]
        inside = owners[place.start : place.end]
        present = {owner for owner in inside if owner >= 0}
        if not present:
            self.free[string].append(place)
            return
        spans = self.spans[place.document]
        first, last = spans[min(present)], spans[max(present)]
        same = first is last and (first.start, first.end) == (place.start, place.end)
        if not same and place.start <= first.start and last.end <= place.end:
            self.broken[string].append(place)


def _owners(length: int, spans: Sequence[Span]) -> list[int]:
    owners = [-1] * length
    for number, span in enumerate(spans):
        owners[span.start : span.end] = [number] * (span.end - span.start)
    return owners
