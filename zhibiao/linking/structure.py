"""The structure of a report's text: sentences, clauses, paragraphs and sections.

All offsets are code points of the text; every list is sorted, so that a place is found by
bisection and a long report costs no more per value than a short one.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Section", "Slice", "Structure"]

# Cells of a table and blocks parted by ideographic or several spaces are sentences of their own.
_SENTENCE_END = re.compile(r"[。！？!?]+[”」』）)]?|[\n\t|　]| {2,}")
_CLAUSE_END = re.compile(r"[，；：;:（）()]|,(?!\d)|——")
_LINE = re.compile(r"[^\n]+")
_LINE_END = re.compile(r"\n")
_DIGITS = "一二三四五六七八九十百"
_ITEM = 8  # 一是, ①: an item of a list rather than a section
# A heading's marker and its rank: the smaller, the higher. One group matches.
_MARKERS = (
    (re.compile(rf"第[{_DIGITS}\d]+(?:编|篇|部分|章)"), 1),
    (re.compile(rf"第[{_DIGITS}\d]+节"), 2),
    (re.compile(rf"[{_DIGITS}]{{1,3}}[、．.]"), 4),
    (re.compile(rf"[（(][{_DIGITS}]{{1,3}}[）)]"), 5),
    (re.compile(r"\d{1,2}(?:[、．]|\.(?!\d))"), 6),
    (re.compile(r"[（(]\d{1,2}[）)]|\d{1,2}[）)]"), 7),
    (re.compile(rf"[①-⑳]|[{_DIGITS}]{{1,2}}是|首先|其次|第[{_DIGITS}]{{1,2}}[，,、]"), _ITEM),
    (re.compile(r"[▲★◆■●]"), 3),
)
_UNMARKED = 9
_TOP_UNMARKED = 3
# Markers in the middle of a line: reports whose line ends were lost.
_INLINE = re.compile(
    rf"(?<=[。；！？　])(?=(?:[{_DIGITS}]{{1,3}}、|[（(][{_DIGITS}]{{1,3}}[）)]|[{_DIGITS}]{{1,2}}是))"
    rf"|(?<=[。；：，])(?=[{_DIGITS}]{{1,2}}是)"
)
_TITLE_END = re.compile(r"[。；：！？:;　\n]| {2,}")
_SHORT_LINE = 32
_TITLE_LENGTH = 48
_PROSE = re.compile(r"[。；，,;|\t]")

_PLAN = re.compile(
    r"计划|打算|思路|谋划|安排|展望|部署|要点|规划|任务|下一?步|今后|下阶段|明年|来年|目标|预期|设想"
    r"|努力方向|工作方案|实施方案|行动方案|办法|细则|若干意见|实施意见|若干政策|若干措施|政策措施"
)
_DONE = re.compile(
    r"总结|回顾|完成|情况|成效|成绩|进展|落实|报告|公报|小结|汇报|盘点|综述|工作亮点|主要做法|存在|问题"
    r"|不足|困难|执行"
)


@dataclass(frozen=True, slots=True)
class Slice:
    """A half-open range of the text."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands under it; ``parent`` is the section it belongs to.

    ``rank`` is 1 for 第一章 to 9 for a short line without a marker. ``plan`` is True under plans,
    targets and policies, False under results and problems, None where the heading does not tell.
    """

    start: int
    title: Slice
    rank: int
    plan: bool | None
    parent: Section | None

    def chain(self) -> Iterator[Section]:
        """The section and those around it, from the innermost."""
        section: Section | None = self
        while section is not None:
            yield section
            section = section.parent


class Structure:
    """Where the sentences, clauses, paragraphs and sections of a text begin and end."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.sentences = list(_sentences(text))
        self._sentence_starts = [sentence.start for sentence in self.sentences]
        self.head = _head(text, self.sentences)
        self.sections = _sections(text, self.head.end)
        self._section_starts = [section.start for section in self.sections]
        # A heading in the middle of a line begins a paragraph too: the line ends were lost.
        inner = [section.start for section in self.sections if section.rank < _ITEM]
        self._paragraph_starts = sorted({0, *(m.end() for m in _LINE_END.finditer(text)), *inner})

    def sentence(self, offset: int) -> Slice:
        """The sentence that an offset lies in."""
        number = bisect_right(self._sentence_starts, offset) - 1
        return self.sentences[max(number, 0)]

    def paragraph_start(self, offset: int) -> int:
        """Where the paragraph of an offset begins: a line, or an item of a run-on text."""
        return self._paragraph_starts[bisect_right(self._paragraph_starts, offset) - 1]

    def section(self, offset: int) -> Section | None:
        """The innermost section of an offset, None before the first heading."""
        number = bisect_right(self._section_starts, offset) - 1
        return self.sections[number] if number >= 0 else None

    def clauses(self, sentence: Slice) -> list[Slice]:
        """The clauses of a sentence: what commas, semicolons, colons and brackets part."""
        found = []
        start = sentence.start
        for match in _CLAUSE_END.finditer(self.text, sentence.start, sentence.end):
            found.append(Slice(start, match.start()))
            start = match.end()
        found.append(Slice(start, sentence.end))
        return found


def _sentences(text: str) -> Iterator[Slice]:
    start = 0
    for match in _SENTENCE_END.finditer(text):
        if match.start() > start:
            yield Slice(start, match.start())
        start = match.end()
    if start < len(text) or not text:
        yield Slice(start, len(text))


def _head(text: str, sentences: list[Slice]) -> Slice:
    """The lines before the report proper: its title, sender, dates and page furniture.

    They end where the first full sentence or the first marked heading begins.
    """
    for sentence in sentences:
        words = text[sentence.start : sentence.end].strip()
        ended = text[sentence.end : sentence.end + 1] in ("。", "！", "？")
        if (ended and "，" in words) or _marker(words):
            return Slice(0, sentence.start)
    return Slice(0, len(text))


def _marker(words: str) -> int | None:
    """The rank of the heading marker that the words begin with."""
    for pattern, rank in _MARKERS:
        if pattern.match(words):
            return rank
    return None


def _sections(text: str, first: int) -> list[Section]:
    found: list[Section] = []
    current: Section | None = None
    for start, end in _openings(text, first):
        words = text[start:end]
        rank = _marker(words)
        if rank is None and not _is_bare_heading(words):
            continue
        limit = min(end, start + _TITLE_LENGTH)
        closing = _TITLE_END.search(text, start, limit)
        title = Slice(start, closing.start() if closing and closing.start() > start else limit)
        plan = is_plan(text[title.start : title.end])
        if rank is None:
            rank = _UNMARKED
            if plan is not None and (current is None or _verdict(current) != plan):
                rank = _TOP_UNMARKED
        while current is not None and current.rank >= rank:
            current = current.parent
        current = Section(start, title, rank, plan, current)
        found.append(current)
    return found


def _openings(text: str, first: int) -> Iterator[tuple[int, int]]:
    """Where a heading may stand: starts and ends of lines, and of items within them."""
    for line in _LINE.finditer(text, first):
        starts = [line.start(), *(m.start() for m in _INLINE.finditer(text, *line.span()))]
        for start, end in zip(starts, [*starts[1:], line.end()], strict=True):
            words = text[start:end]
            if stripped := words.strip():
                yield start + words.index(stripped[0]), end


def _is_bare_heading(words: str) -> bool:
    words = words.strip()
    return len(words) <= _SHORT_LINE and not _PROSE.search(words)


def _verdict(section: Section) -> bool:
    """Whether the section lies under plans; results where no heading tells."""
    return next((s.plan for s in section.chain() if s.plan is not None), False)


def is_plan(words: str) -> bool | None:
    """Whether a heading announces plans (True), results (False) or neither (None).

    The last word decides: 「目标任务完成情况」 reports results, 「存在问题及下一步打算」 plans.
    """
    plan = [match.end() for match in _PLAN.finditer(words)]
    done = [match.end() for match in _DONE.finditer(words)]
    if not plan and not done:
        return None
    return max(plan, default=0) > max(done, default=0)
