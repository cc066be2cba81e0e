"""Intervals: all the numbers that a written value can honestly mean.

Two reports contradict each other when nothing lies in both their intervals. The rules:

=====================  ==========================================================================
813                    813 itself: an unscaled whole number is a count.
3.2亿, 71.4            half a unit of the last written place to each side, [3.15亿, 3.25亿), but at
                       most 5 %: 1亿 does not stand for 1.4亿, while two written digits never reach
                       the limit.
3000余, 7600多万       from the number up to the next number of the same form: [3000, 4000).
约, 近, 左右 and so on   one unit of the last place that is not zero, at most 10 %, to each side.
以上, 超过, 不足, 以下    everything on that side; the number itself as the word says.
1-2, 数百              from the low number to the high number, both included.
masked, unreadable     everything: what cannot be read contradicts nothing.
a fall (下降3%)         the interval of 3 %, negated, where the record's evidence has the word.
=====================  ==========================================================================
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from zhibiao.quantities import Quantity
from zhibiao.records import Record

__all__ = ["Interval", "interval_of", "share_a_number"]

_ROUNDING_LIMIT = Decimal("0.05")
_APPROXIMATE_LIMIT = Decimal("0.1")
_ARABIC = re.compile(r"[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?")
_CHINESE_DIGIT = re.compile(r"[零〇一二两三四五六七八九半]")
_AND_MORE = re.compile(r"[多余]")
# 不低于 and 最低 are bounds of a rise.
_FALL = re.compile(r"(?<![不最])(?:[降减跌缩低]|回落|下滑|下浮|后退)")
_INFINITY = Decimal("Infinity")


@dataclass(frozen=True, slots=True)
class Interval:
    """From ``low`` to ``high``; each end is a number and a nudge.

    ``(3, 0)`` includes 3, ``(3, 1)`` as low end and ``(3, -1)`` as high end leave it out, so that
    ends compare as tuples.
    """

    low: tuple[Decimal, int] = (-_INFINITY, 0)
    high: tuple[Decimal, int] = (_INFINITY, 0)

    def negated(self) -> Interval:
        """The interval of the negative numbers."""
        return Interval((-self.high[0], -self.high[1]), (-self.low[0], -self.low[1]))


def share_a_number(intervals: Iterable[Interval]) -> bool:
    """Whether some number lies in all intervals; for intervals that is: in every two of them."""
    everything = Interval()
    low, high = everything.low, everything.high
    for interval in intervals:
        low, high = max(low, interval.low), min(high, interval.high)
    return low <= high


def interval_of(record: Record, quantity: Quantity) -> Interval:
    """What a record's value can mean; ``quantity`` is its quantity in the unit to compare in."""
    interval = _unsigned(record, quantity)
    falls = record.measure == "change" and any(
        _FALL.search(mention.text) for mention in record.evidence.get("measure", ())
    )
    return interval.negated() if falls else interval


def _unsigned(record: Record, quantity: Quantity) -> Interval:
    low, high = quantity.low, quantity.high
    if quantity.number is not None:
        low = high = quantity.number
    if low is None or high is None:
        return Interval()
    bound = record.bound if record.bound != "eq" else quantity.bound
    match bound:
        case "ge" | "gt":
            return Interval(low=(low, int(bound == "gt")))
        case "le" | "lt":
            return Interval(high=(high, -int(bound == "lt")))
    if quantity.number is None:
        return Interval((low, 0), (high, 0))
    text = record.value.text + (record.unit.text if record.unit else "")
    return _around(quantity.number, unicodedata.normalize("NFKC", text), approx=bound == "approx")


def _around(number: Decimal, text: str, *, approx: bool) -> Interval:
    """The interval of one number from how finely ``text`` writes it."""
    written = _ARABIC.findall(text)
    digits = number
    if len(written) == 1 and not _CHINESE_DIGIT.search(text):
        digits = Decimal(written[0].replace(",", "")) or number
    scale = number / digits if digits else Decimal(1)
    places = digits.as_tuple().exponent
    if approx:
        last = digits.normalize().as_tuple().exponent
        step = abs(scale).scaleb(int(last))
        if _AND_MORE.search(text) and number > 0:
            return Interval((number, 0), (number + step, -1))
        margin = min(step, abs(number) * _APPROXIMATE_LIMIT)
        return Interval((number - margin, 0), (number + margin, 0))
    if digits is number or (scale == 1 and places == 0):
        return Interval((number, 0), (number, 0))
    margin = min(abs(scale).scaleb(int(places)) / 2, abs(number) * _ROUNDING_LIMIT)
    return Interval((number - margin, 0), (number + margin, -1 if margin else 0))
