"""The scene of a value: its sentence, its neighbours and the words around it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from zhibiao.linking.choices import Choice
from zhibiao.linking.structure import Slice
from zhibiao.spans import Span

__all__ = ["Scene"]

# 12台（套）仪器, 3000余份(册)资料: the unit's span ends before the bracket.
_OTHER_WORD = re.compile(r"[（(][套次册项个场幅件份本台批辆][)）]")


@dataclass(slots=True, eq=False)
class Scene:
    """What the rules see of one value, and what they have decided about it so far.

    ``start`` and ``end`` hold the value with the unit that follows it. ``indicators`` are the
    指标 spans between the previous value of the sentence (or the sentence's start) and this one,
    ``others`` the 机构, 企业名 and 年份 spans there;
    ``following`` is the span right after. ``previous`` and ``next`` are the neighbouring values
    of the same sentence, ``earlier`` the value before in the text, whatever the sentence.
    """

    text: str
    value: Span
    unit: Choice[Span | Slice | None]
    sentence: Slice
    clause: Slice
    indicators: tuple[Span, ...] = ()
    others: tuple[Span, ...] = ()
    following: Span | None = None
    previous: Scene | None = None
    next: Scene | None = None
    earlier: Scene | None = None
    measure: Choice[str] = field(default_factory=lambda: Choice("level", "level"))
    indicator: Choice[Span | None] = field(default_factory=lambda: Choice(None, "none"))

    @property
    def start(self) -> int:
        """Where the value starts."""
        return self.value.start

    @property
    def end(self) -> int:
        """Where the value with its unit ends, a second measure word in brackets included."""
        unit = self.unit.answer
        if not unit or not self.value.end <= unit.start <= min(self.clause.end, self.value.end + 2):
            return self.value.end
        other = _OTHER_WORD.match(self.text, unit.end)
        return other.end() if other else unit.end

    @property
    def unit_text(self) -> str:
        """The unit as written, or nothing."""
        unit = self.unit.answer
        return self.text[unit.start : unit.end] if unit else ""

    @property
    def value_text(self) -> str:
        """The value as written."""
        return self.text[self.value.start : self.value.end]

    @property
    def gap(self) -> str:
        """The words between the previous value's unit and this value, within the sentence."""
        return self.text[self.gap_start : self.value.start]

    @property
    def gap_start(self) -> int:
        """Where the words before this value begin: after the value before, or the sentence."""
        return self.previous.end if self.previous else self.sentence.start

    @property
    def lead(self) -> str:
        """The words before the value in its own clause, after the previous value."""
        return self.text[self.lead_start : self.value.start]

    @property
    def lead_start(self) -> int:
        """Where :attr:`lead` begins."""
        return max(self.clause.start, self.gap_start)

    @property
    def tail(self) -> str:
        """The words after the value and unit, to the end of the clause or the next value."""
        stop = self.clause.end
        if self.next:
            stop = min(stop, self.next.value.start)
        return self.text[self.end : stop]
