"""The structure of a report's text: sentences, clauses, paragraphs and sections.

All offsets are code points of the text; every list is sorted, so that a place is found by
bisection and a long report costs no more per value than a short one.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from zhibiao.spans import Span

__all__ = ["Section", "Slice", "Structure", "is_plan_title"]

# Cells of a table and blocks parted by ideographic or several spaces are sentences of their own.
_SENTENCE_END = re.compile(
    r"[。！？!?]+[”」』）)]?|[\n\t|　]| {2,}"
    # Some reports write every 。 as a full stop.
    r"|(?<=[\u4e00-\u9fff%”）)])\.(?=[\s\u4e00-\u9fff（(“\"]|$)"
)
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
    rf"(?<=[。；！？　])(?=[{_DIGITS}]{{1,3}}、|[（(][{_DIGITS}]{{1,3}}[）)]|[{_DIGITS}]{{1,2}}是)"
    rf"|(?<=[。；：，])(?=[{_DIGITS}]{{1,2}}是)"
)
_TITLE_END = re.compile(r"[。；：！？:;　\n]| {2,}")
_LONGEST_SENTENCE = 800
_LONGEST_HEAD = 2000
_SHORT_LINE = 32
_TITLE_LENGTH = 48
_PROSE = re.compile(r"[。；，,;|\t]")

_PLAN = re.compile(
    r"计划|打算|思路|谋划|安排|展望|部署|要点|规划|任务|下一?步|今后|下阶段|明年|来年|目标|预期|设想|总体要求|指导思想"
    r"|努力方向|分配预案|工作方案|实施方案|行动方案|办法|细则|若干意见|实施意见|若干政策|若干措施|政策措施"
)
_PLAN_OPENING = re.compile(
    r"[\s　]*(?:下一?步|今后|明年|来年|下一?年|接下来|下阶段|新的一年|展望"
    r"|[^，。；：\n]{0,24}(?:目标|打算|计划|安排|思路)[^，。；：\n]{0,4}[：:])"
)
_POLICY_TITLE = re.compile(r"方案|责任书|责任状|承诺书|指南|的(?:通知|意见)|规定|条例|若干")
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

    def __init__(self, text: str, spans: Sequence[Span] = ()) -> None:
        self.text = text
        # 「研究与试验发展（R&D）经费支出」: punctuation inside a span parts nothing.
        self._masked = _mask(text, spans)
        self.sentences = list(_sentences(self._masked))
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

    def leads_in(self, offset: int) -> bool:
        """Whether the paragraph of an offset ends with a colon, announcing those after it."""
        number = bisect_right(self._paragraph_starts, offset)
        after = number < len(self._paragraph_starts)
        end = self._paragraph_starts[number] if after else len(self.text)
        return self.text[max(0, end - 4) : end].rstrip().endswith(("：", ":"))

    def plan_opening(self, offset: int) -> Slice | None:
        """The words that make the paragraph of an offset one about what comes next.

        「下一步，我局将……」, 「2019年的主要预期目标：……」.
        """
        match = _PLAN_OPENING.match(self.text, self.paragraph_start(offset))
        return Slice(*match.span()) if match else None

    def section(self, offset: int) -> Section | None:
        """The innermost section of an offset, None before the first heading."""
        number = bisect_right(self._section_starts, offset) - 1
        return self.sections[number] if number >= 0 else None

    def clauses(self, sentence: Slice) -> list[Slice]:
        """The clauses of a sentence: what commas, semicolons, colons and brackets part."""
        found = []
        start = sentence.start
        for match in _CLAUSE_END.finditer(self._masked, sentence.start, sentence.end):
            found.append(Slice(start, match.start()))
            start = match.end()
        found.append(Slice(start, sentence.end))
        return found


def _mask(text: str, spans: Sequence[Span]) -> str:
    pieces = []
    position = 0
    for span in spans:
        pieces.append(text[position : span.start])
        pieces.append("字" * (span.end - span.start))
        position = span.end
    pieces.append(text[position:])
    return "".join(pieces)


def _sentences(text: str) -> Iterator[Slice]:
    start = 0
    for match in _SENTENCE_END.finditer(text):
        yield from _pieces(text, start, match.start())
        start = match.end()
    yield from _pieces(text, start, len(text))


def _pieces(text: str, start: int, end: int) -> Iterator[Slice]:
    """The sentence, cut after clauses where it is so long that no grammar holds it together.

    Rules look back to the start of the sentence, so this bounds their cost as well.
    """
    while end - start > _LONGEST_SENTENCE:
        limit = start + _LONGEST_SENTENCE
        clause = _CLAUSE_END.search(text, start + _LONGEST_SENTENCE // 2, limit)
        cut = clause.end() if clause else limit
        yield Slice(start, cut)
        start = cut
    if end > start or not text:
        yield Slice(start, end)


def _head(text: str, sentences: list[Slice]) -> Slice:
    """The lines before the report proper: its title, sender, dates and page furniture.

    They end where the first full sentence or the first marked heading begins.
    """
    for sentence in sentences:
        if sentence.start > _LONGEST_HEAD:
            return Slice(0, _LONGEST_HEAD)
        words = text[sentence.start : sentence.end].strip()
        ended = text[sentence.end : sentence.end + 1] in ("。", "！", "？")
        if (ended and re.search("[，,]", words)) or _marker(words):
            return Slice(0, sentence.start)
    return Slice(0, len(text))


def _marker(words: str) -> int | None:
    """The rank of the heading marker that the words begin with."""
    for pattern, rank in _MARKERS:
        if pattern.match(words):
            return rank
    return None


def _marker_length(words: str) -> int:
    """The length of the marker with the spaces and the colon after it: 「第一篇：」."""
    match = next(m for pattern, _ in _MARKERS if (m := pattern.match(words)))
    rest = words[match.end() :]
    return len(words) - len(rest.lstrip(" 　：:"))


def _sections(text: str, first: int) -> list[Section]:
    found: list[Section] = []
    current: Section | None = None
    for start, end in _openings(text, first):
        words = text[start:end]
        rank = _marker(words)
        if rank is None and not _is_bare_heading(words):
            continue
        limit = min(end, start + _TITLE_LENGTH)
        # The marker is skipped: 「第一部分  2018年工作情况」 has spaces of its own.
        closing = _TITLE_END.search(text, start + (_marker_length(words) if rank else 0), limit)
        title = Slice(start, closing.start() if closing and closing.start() > start else limit)
        plan = _is_plan(text[title.start : title.end])
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


def _is_plan(words: str) -> bool | None:
    """Whether a heading announces plans (True), results (False) or neither (None).

    The last word decides: 「目标任务完成情况」 reports results, 「存在问题及下一步打算」 plans.
    """
    plan = [match.end() for match in _PLAN.finditer(words)]
    done = [match.end() for match in _DONE.finditer(words)]
    if not plan and not done:
        return None
    return max(plan, default=0) > max(done, default=0)


def is_plan_title(words: str) -> bool:
    """Whether a title is that of a plan or a policy and of nothing that reports results."""
    announced = _PLAN.search(words) or _POLICY_TITLE.search(words)
    return bool(announced) and not _DONE.search(words)
