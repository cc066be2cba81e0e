"""Rules of the guidelines that are exact enough to check without counting.

Each is a signal ``rule-...`` whose probability depends on the rule alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from annotation.audit.evidence import Evidence
from annotation.audit.finding import Signal
from annotation.audit.phrases import quoted, shown
from zhibiao.spans import Span

__all__ = ["NUMERALS", "rule_signals"]

NUMERALS = "0-9０-９〇零一二两三四五六七八九十百千万亿半"
"""Characters of Arabic and Chinese numerals, for a character class."""

_HEDGE_BEFORE = re.compile(
    r"^(?:大约|约为|约|接近|将近|近|超过|突破|超|逾|不少于|不低于|不足|达到|达|至少|最多)"
)
_HEDGE_AFTER = re.compile(r"(?:以上|以下|左右|上下)$")
_VALUE = re.compile(rf"[{NUMERALS}xX×*＊ｘ几数多○]")
_MORE = re.compile(r"[多余几]")
_NUMERIC = "0123456789０１２３４５６７８９.．,，〇零一二两三四五六七八九十百千万亿半几数多余"
_REACH = 9  # characters before a unit that may be its number
_MAGNITUDE = re.compile(r"([0-9０-９.．,，]+)([百千万亿]+)")
_DAY = re.compile(r"[月日号底末初]")
_PLAIN_YEAR = re.compile(r"(?:[0-9０-９xX*＊×]{2,4}|[〇零一二三四五六七八九]{4})")
_BLANKS = "，。、；：！？,;:!? \t\u3000·"
_PAIRS = {"“": "”", "‘": "’", "《": "》", "「": "」", "『": "』", "（": "）", "(": ")", "【": "】"}
_CLOSERS = {closing: opening for opening, closing in _PAIRS.items()}


def rule_signals(evidence: Evidence) -> Iterator[Signal]:
    """Spans that break an exact rule, at most one signal a rule and span."""
    for number, spans in enumerate(evidence.spans):
        if evidence.documents[number].reference:
            continue
        text = evidence.texts[number]
        for position, span in enumerate(spans):
            before = spans[position - 1] if position else None
            after = spans[position + 1] if position + 1 < len(spans) else None
            for kind, name, low, high, told, expected in _broken(text, span, before, after):
                yield Signal(
                    kind, f"rule-{name}", number, low, high, span.label, told, expected, ()
                )


_Found = tuple[str, str, int, int, str, str]


def _broken(text: str, span: Span, before: Span | None, after: Span | None) -> Iterator[_Found]:
    string = text[span.start : span.end]
    yield from _marks(span, string)
    if span.label == "数值":
        yield from _value(text, span, string, after)
    elif span.label == "单位":
        yield from _lone(text, span, string, before)
    elif span.label == "年份":
        if text[span.end : span.end + 1] == "年" and _PLAIN_YEAR.fullmatch(string):
            told = f"年份{quoted(string)}后面的“年”没有标进去"
            expected = shown("年份", string + "年")
            yield "边界", "short-year", span.start, span.end + 1, told, expected
        elif found := _DAY.search(string):
            told = f"年份{quoted(string)}含{quoted(found.group())}；带月日的只标到年"
            yield "边界", "long-year", span.start, span.end, told, "只标到年"


def _lone(text: str, span: Span, string: str, before: Span | None) -> Iterator[_Found]:
    if before is not None and before.end == span.start:
        start = before.start
        alone = before.label != "数值"
    else:
        head = text[max(0, span.start - _REACH) : span.start]
        start = span.start - len(head) + len(head.rstrip(_NUMERIC))
        last = head.rstrip(" \t\u3000")
        # In tables the unit often has a cell or brackets of its own, before the numbers.
        alone = bool(last) and last[-1] not in "|｜（(：:\n"
        if (
            before is not None
            and before.label == "数值"
            and not text[before.end : span.start].strip()
        ):
            alone = False
    if alone:
        told = f"单位{quoted(string)}前面没有紧挨着的数值"
        yield "数值", "lone-unit", start, span.end, told, "前面的数标为数值，或不标单位"


def _value(text: str, span: Span, string: str, after: Span | None) -> Iterator[_Found]:
    for pattern in (_HEDGE_BEFORE, _HEDGE_AFTER):
        found = pattern.search(string)
        if found and found.group() != string:
            rest = string[: found.start()] + string[found.end() :]
            told = f"数值{quoted(string)}含{quoted(found.group())}；这类词不并入数值"
            yield "边界", "hedge", span.start, span.end, told, shown("数值", rest)
    if not _VALUE.search(string):
        told = f"数值{quoted(string)}里没有数"
        yield "标签", "no-number", span.start, span.end, told, "不标，或换标签"
    if after is None or after.label != "单位":
        return
    between = text[span.end : after.start]
    if not between and (found := _MAGNITUDE.fullmatch(string)):
        unit = text[after.start : after.end]
        told = f"数值{quoted(string)}把数量级标了进去；数量级归单位"
        expected = shown("数值", found.group(1)) + shown("单位", found.group(2) + unit)
        yield "边界", "magnitude-inside", span.start, after.end, told, expected
    if not 0 < len(between) <= 2:
        return
    start, end = span.start, after.end
    unit = text[after.start : after.end]
    if _MORE.fullmatch(between):
        told = f"“{between}”夹在数值{quoted(string)}与单位{quoted(unit)}之间，没有标进数值"
        expected = shown("数值", string + between) + shown("单位", unit)
        yield "边界", "more-outside", start, end, told, expected
    elif between[-1] in "十百千万亿":
        told = f"数值{quoted(string)}与单位{quoted(unit)}之间的“{between}”没有标"
        # 「3.5万余名」: the magnitude goes with the number where 余 stands between.
        expected = shown("数值", string) + shown("单位", between + unit)
        yield "边界", "magnitude-outside", start, end, told, expected


def _marks(span: Span, string: str) -> Iterator[_Found]:
    where = span.start, span.end
    if "\n" in string:
        yield "边界", "newline", *where, f"{quoted(string)}跨了行", "在一行之内"
    unmatched = _unmatched(string)
    if string[0] in _BLANKS or string[-1] in _BLANKS:
        told = f"{quoted(string)}两端有标点"
        yield "边界", "punctuation", *where, told, shown(span.label, string.strip(_BLANKS))
    elif unmatched:
        told = f"{quoted(string)}里的{unmatched}不成对"
        yield "边界", "brackets", *where, told, "引号、括号成对地标进去，或都不标"
    elif string[0] in _PAIRS and string[-1] == _PAIRS[string[0]] and _closes_last(string):
        told = f"{quoted(string)}连外面的引号、书名号一起标了"
        yield "边界", "quotes", *where, told, shown(span.label, string[1:-1])
    elif found := re.search(r"[。；！？]", string):
        told = f"{quoted(string)}中间有{quoted(found.group())}"
        yield "边界", "sentence", *where, told, "在一句之内"


def _unmatched(string: str) -> str:
    stack: list[str] = []
    for character in string:
        if character in _PAIRS:
            stack.append(character)
        elif character in _CLOSERS and (not stack or stack.pop() != _CLOSERS[character]):
            return character
    return stack[-1] if stack else ""


def _closes_last(string: str) -> bool:
    """Whether the first bracket is closed by the last character, as in 「“十四五”」."""
    depth = 0
    for position, character in enumerate(string):
        depth += (character in _PAIRS) - (character in _CLOSERS)
        if depth == 0:
            return position == len(string) - 1
    return False
