"""The unit of a value: behind it, shared with the next value, or from the head of a table."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence

from zhibiao.linking.choices import Choice
from zhibiao.spans import Span

__all__ = ["Units"]

_BETWEEN = re.compile(r"[\s多余几（(]{0,2}")
# 保3争5项, 3至5项, 3、5项: what may stand between two values that share a unit.
_SHARED = re.compile(r"\s*(?:[争冲保至到、和或与—~～-]|力争|达到?)+\s*")


class Units:
    """The units of a report's values, found by what stands right behind each value."""

    def __init__(self, text: str, spans: Sequence[Span]) -> None:
        self._text = text
        self._spans = spans
        self._starts = [span.start for span in spans]

    def of(self, value: Span) -> Choice[Span | None]:
        """The unit in running text; tables are looked up by their own rules."""
        following = self._after(value)
        if following is None:
            return Choice(None, "none", note="数值后没有单位")
        between = self._text[value.end : following.start]
        if following.label == "单位" and _BETWEEN.fullmatch(between):
            return Choice(following, "follows")
        if following.label == "数值" and _SHARED.fullmatch(between):
            unit = self._after(following)
            if unit and unit.label == "单位" and unit.start == following.end:
                return Choice(unit, "shared", ((value.end, following.start),))
        return Choice(None, "none", note="数值后没有单位")

    def _after(self, span: Span) -> Span | None:
        number = bisect_left(self._starts, span.end)
        return self._spans[number] if number < len(self._spans) else None
