"""Quantities: a value and its unit as exact decimals.

``parse_quantity("7600多", "万元")`` and ``parse_quantity("7600多万元")`` give the same: 76,000,000
元, approximate. The decisions, where the records specification leaves room:

- 百分之三十 is 30 and %, 千分之五 is 5 and ‰: the word is the unit. 三分之一 has no unit.
- 三成 is 30 and %, 四成五 is 45: one 成 is ten per cent. 倍, 番, 折, 个百分点 stay as they are.
- 7600多, 3000余, 近百: the number as written and bound approx.
- 三十几万, 数百, 几: no number, but low and high (310000 to 390000, 200 to 900, 2 to 9), bound
  approx and a flag. 300000 would be a guess.
- 两三百, 七八 (neighbouring digits, GB/T 15835-2011): no number, low and high, bound approx.
- 1-2, 10万至20万: no number, low and high. A magnitude after the last number holds for both
  (3至5万元), unless that turned the range round (5000-1万元: flagged).
- 1/4 is 0.25; 1/3 has 28 digits and a flag, because no decimal is exact.
- x.xx, 1xx, **: masked, so no numbers and a flag; unit and bound are still read.
- 18.4/10万 is 18.4 with the unit /10万; 1:6.4 is two numbers, so none, and a flag.
- 一万二 is 12000 with a flag, 二亿三千 is 200003000 with a flag (二亿三千万 is often meant).

Whatever is not fully understood has no number and a flag in Chinese that says why.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import Context, Decimal
from fractions import Fraction
from typing import Any

from zhibiao.bounds import split_bounds
from zhibiao.numerals import Numeral, normal_form, read_numeral
from zhibiao.units import Unit, conversion_factor, read_unit

__all__ = ["Quantity", "parse_quantity"]

_LONGEST = 100
"""Characters of value and unit together; what is longer is a sentence."""
_DIGITS = 28
"""Significant digits where no decimal is exact."""

_MASK = re.compile(r"[xX×*某□■○_…]")
_VAGUE = re.compile(
    r"若干|许多|大量|众多|不少|很多|多|多数|大多数|大?部分|少数|少量|大半|多半|小半|无数|成千上万|成百上千"
)
_RATIO = re.compile(r"[0-9.]+(?:[:比][0-9.]+)+|[一二三四五六七八九十]+比[一二三四五六七八九十]+")
_RANGE = re.compile(r"([-+]?[^-—~至到]+)(?:-|—{1,2}|~|至|到)([-+]?[^-—~至到]+)")
_WORDED_FRACTION = re.compile(r"([^分]+)分之(.+)")
_FRACTION = re.compile(r"([0-9]+)/([0-9]+)(?![0-9十百千万亿/])(.*)")
_NUMERIC = re.compile(r"[-+负]?[0-9.,、 零一二两三四五六七八九十百千万亿点几数多余来半]+")
_PER = {"百": "%", "千": "‰", "万": "‱"}
_CURRENCY = {"¥": "元", "人民币": "元", "RMB": "元", "US$": "美元", "HK$": "港元", "$": "美元"}
_NAMES = "十百千万亿"
_TENTHS = "一二三四五六七八九"
_TRAILING = re.compile(r"([百千万亿]+)[多余来]?$")
# 个多月, 吨多, 倍多; 个半月, 年半; 成五.
_UNIT_MORE = re.compile(r"([^多余])[多余](.*)|(.+)[多余]")
_UNIT_HALF = re.compile(r"(个)半((?:小时|月).*)|(.+)半|(成)([一二三四五六七八九])")

_EMPTY = "没有数值"
_TOO_LONG = "文字过长，不是一个数"
_UNREADABLE = "认不出数字"
_MASKED = "打码"
_ORDINAL = "序数，不是数量"
_VAGUE_WORD = "约数，没有数字"
_RATIO_NUMBERS = "比例，不是一个数"
_INEXACT = f"除不尽，取{_DIGITS}位有效数字"
_IMPROPER = "斜线前后不像分数"
_NO_DENOMINATOR = "分母是零"
_COMMAS = "千分位逗号位置不对"
_DESCENDING = "区间前大后小"
_OWN_MAGNITUDE = "区间前项没有数量级，按原数"
_TWO_UNITS = "区间两端单位不同"
_UNIT_CLASH = "数值里的单位和单位不一致"
_UNIT_TWICE = "数值里已有单位"
_MAGNITUDE_TWICE = "数值和单位都有数量级"
_UNKNOWN_UNIT = "单位未收录"
_TWO_BOUNDS = "界限词不止一种"


@dataclass(frozen=True, slots=True)
class Quantity:
    """What a value and a unit mean, in the base unit.

    ``number`` is exact for one number and None for ranges, masked figures and text that is no
    number; ``low`` and ``high`` hold a range. ``unit_base`` is the unit without its magnitude.
    ``bound`` is what the value's own words say (eq, approx, ge, le, gt, lt). ``flags`` name every
    doubt, in Chinese.
    """

    number: Decimal | None = None
    low: Decimal | None = None
    high: Decimal | None = None
    unit_base: str = ""
    bound: str = "eq"
    flags: tuple[str, ...] = ()

    def to(self, unit: str) -> Quantity:
        """The quantity in another unit: ``parse_quantity("3", "万亩").to("公顷")`` is 2,000 公顷.

        Exact where a decimal can be; 28 significant digits and a flag where none is.

        Raises:
            ZhibiaoError: ``unit`` does not measure the same thing.
        """
        target = normal_form(unit)
        factor = conversion_factor(self.unit_base, target)
        doubts = list(self.flags)
        number, low, high = (
            None if number is None else _decimal(Fraction(number) * factor, doubts)
            for number in (self.number, self.low, self.high)
        )
        return Quantity(number, low, high, target, self.bound, tuple(dict.fromkeys(doubts)))

    def to_dict(self) -> dict[str, Any]:
        """The quantity as JSON values; numbers are exact decimal strings or None."""
        return {
            "value_number": _plain(self.number),
            "value_low": _plain(self.low),
            "value_high": _plain(self.high),
            "unit_base": self.unit_base,
        }


def _plain(number: Decimal | None) -> str | None:
    return None if number is None else format(number, "f")


class _RefusedError(Exception):
    """The value gives no number; the argument is the flag that says why."""


@dataclass(frozen=True, slots=True)
class _Side:
    """One number of a value, as its text (empty for fractions) and as read, and its own unit."""

    text: str
    numeral: Numeral
    unit: str = ""

    def scaled(self, magnitude: str) -> Numeral:
        """The number times a magnitude.

        What the two spell together comes first (一万二 + 千 is 一万二千, 1亿2000 + 万 is 1.2亿);
        the product where that is no numeral (五百 + 千公顷).
        """
        spelled = read_numeral(self.text + magnitude) if self.text and magnitude else None
        if spelled is not None:
            return replace(spelled, approx=spelled.approx or self.numeral.approx)
        return self.numeral.times(Unit(magnitude).scale)


def parse_quantity(value: str, unit: str = "") -> Quantity:
    """What a value with its unit means; the unit may also stand in ``value``.

    Accepts any text and never raises: what is not a number gives no number and a flag.
    """
    value, unit = value.strip(), unit.strip()
    if len(value) + len(unit) > _LONGEST:
        return Quantity(flags=(_TOO_LONG,))
    value, bounds = split_bounds(normal_form(value))
    unit, unit_bounds = split_bounds(normal_form(unit))
    if unit[:1] in ("多", "余"):
        value, unit = value + unit[0], unit[1:]
    for sign, currency in _CURRENCY.items():
        if value.startswith(sign):
            value = value.removeprefix(sign)
            unit = unit if currency in value + unit else unit + currency
            break
    masked = _MASK.search(value) is not None
    doubts: list[str] = []
    try:
        numeral, base = _measured(_MASK.sub("1", value), unit, doubts)
    except _RefusedError as refusal:
        numeral, base, doubts = None, read_unit(unit).base, [str(refusal)]
    bounds += [*unit_bounds, *(["approx"] if numeral and numeral.approx else [])]
    quantity = Quantity(unit_base=base, bound=_bound(bounds, doubts))
    if masked:
        return replace(quantity, flags=(_MASKED,))
    if numeral is not None:
        quantity = _numbered(quantity, numeral, doubts)
    return replace(quantity, flags=tuple(dict.fromkeys(doubts)))


def _measured(value: str, unit: str, doubts: list[str]) -> tuple[Numeral, str]:
    """The number in the base unit, and the base unit; ``low < high`` for a range."""
    if not value:
        raise _RefusedError(_EMPTY)
    if value.startswith("第"):
        raise _RefusedError(_ORDINAL)
    if _VAGUE.fullmatch(value):
        raise _RefusedError(_VAGUE_WORD)
    if _RATIO.fullmatch(value):
        raise _RefusedError(_RATIO_NUMBERS)
    if ends := _RANGE.fullmatch(value):
        return _ranged(_side(ends[1]), _side(ends[2]), unit, doubts)
    side = _with_unit(_side(value), unit, doubts)
    measure = _unit_of(side, doubts)
    return side.scaled(measure.magnitude).times(measure.factor), measure.base


def _ranged(low: _Side, high: _Side, unit: str, doubts: list[str]) -> tuple[Numeral, str]:
    """Both ends of a range; units and magnitudes written once hold for both."""
    if not high.unit and not unit:
        high = replace(high, unit=low.unit)  # 百分之三到五, 15%~20
    high = _with_unit(high, unit, doubts)
    measure = _unit_of(high, doubts)
    last = high.scaled(measure.magnitude).times(measure.factor)
    if low.unit:
        own = read_unit(low.unit)
        if own.base != measure.base:
            raise _RefusedError(_TWO_UNITS)
        first = low.scaled(own.magnitude).times(own.factor)
    else:
        first = low.numeral.times(measure.factor)
        shared = _shared_magnitude(low.text, high.text + measure.magnitude)
        if shared:
            raised = low.scaled(shared).times(measure.factor)
            if raised.low <= last.high:
                first = raised
            elif not any(name in low.text for name in _NAMES):
                doubts.append(_OWN_MAGNITUDE)
    if first.low > last.high:
        doubts.append(_DESCENDING)
        first, last = last, first
    doubts.extend((*first.flags, *last.flags))
    return Numeral(first.low, last.high, first.approx or last.approx), measure.base


def _shared_magnitude(low: str, high: str) -> str:
    """The magnitude at the end of a range that its first number leaves out: 万 in 3至5万.

    Of 五十至一百万 only 万 is shared: what the first number has below 万 is its own.
    """
    trailing = _TRAILING.search(high)
    shared = trailing[1] if trailing else ""
    if any(name in low for name in _NAMES):
        shared = shared.replace("百", "").replace("千", "")
    if "万" in low or "亿" in low:
        shared = shared.replace("万", "")
    return shared


def _side(text: str) -> _Side:
    """Read one number with what follows it."""
    if text == "百分百":
        text = "百分之百"
    if text in ("一半", "半数"):
        text = "半"
    if fraction := _FRACTION.fullmatch(text):
        above, below = int(fraction[1]), int(fraction[2])
        if below == 0:
            raise _RefusedError(_NO_DENOMINATOR)
        if above >= below:
            raise _RefusedError(_IMPROPER)
        share = Fraction(above, below)
        return _own_unit(_Side("", Numeral(share, share)), fraction[3])
    if worded := _WORDED_FRACTION.fullmatch(text):
        return _worded_fraction(worded[1], _side(worded[2]))
    start = _NUMERIC.match(text)
    for cut in range(start.end() if start else 0, 0, -1):
        numeral = read_numeral(text[:cut])
        if numeral is None:
            continue
        # 5千克 is 5 of the unit 千克, but 5千人 five thousand of the unit 人.
        shorter = read_numeral(text[: cut - 1]) if text[cut - 1] in "百千" else None
        longer = read_unit(text[cut - 1 :])
        if shorter is not None and longer.known and not longer.magnitude:
            return _Side(text[: cut - 1], shorter, text[cut - 1 :])
        return _own_unit(_Side(text[:cut], numeral), text[cut:])
    raise _RefusedError(_UNREADABLE)


def _worded_fraction(whole: str, part: _Side) -> _Side:
    if whole in _PER:
        if part.unit:
            raise _RefusedError(_UNREADABLE)
        return replace(part, unit=_PER[whole])
    divisor = read_numeral(whole)
    if divisor is None or divisor.low != divisor.high or divisor.low < 0:
        raise _RefusedError(_UNREADABLE)
    if divisor.low == 0:
        raise _RefusedError(_NO_DENOMINATOR)
    return _Side("", part.numeral.times(1 / divisor.low), part.unit)


def _own_unit(side: _Side, tail: str) -> _Side:
    """Attach what follows a number inside the value, which must be a unit that is known."""
    side = _attached(side, tail)
    unit = read_unit(side.unit)
    if not unit.known or (unit.magnitude and not unit.base):
        raise _RefusedError(_COMMAS if re.match(",[0-9]", tail) else f"认不出“{tail}”")
    return side


def _attached(side: _Side, unit: str) -> _Side:
    """The number with its unit, and what the unit says of the number: 个多月, 倍半, 成五."""
    numeral = side.numeral
    if more := _UNIT_MORE.fullmatch(unit):
        unit = "".join(filter(None, more.groups()))
        return replace(side, numeral=replace(numeral, approx=True), unit=unit)
    if half := _UNIT_HALF.fullmatch(unit):
        *parts, tenths = half.groups()
        added = Fraction(_TENTHS.index(tenths) + 1, 10) if tenths else Fraction(1, 2)
        numeral = replace(numeral, low=numeral.low + added, high=numeral.high + added)
        return _Side("", numeral, "".join(filter(None, parts)))
    return replace(side, unit=unit)


def _with_unit(side: _Side, unit: str, doubts: list[str]) -> _Side:
    """The side with the unit given apart; the value's own may only repeat it."""
    if not side.unit or not unit:
        return _attached(side, unit) if unit else side
    if read_unit(side.unit).base != read_unit(unit).base:
        raise _RefusedError(_UNIT_CLASH)
    if side.unit != unit:
        doubts.append(_UNIT_TWICE)
    return side


def _unit_of(side: _Side, doubts: list[str]) -> Unit:
    unit = read_unit(side.unit)
    if not unit.known:
        doubts.append(_UNKNOWN_UNIT)
    if unit.magnitude and side.text[-1:] == unit.magnitude[0]:
        doubts.append(_MAGNITUDE_TWICE)
    return unit


def _bound(bounds: list[str], doubts: list[str]) -> str:
    explicit = [bound for bound in bounds if bound not in ("eq", "approx")]
    if len(set(explicit)) > 1:
        doubts.append(_TWO_BOUNDS)
    return explicit[0] if explicit else "approx" if "approx" in bounds else "eq"


def _numbered(quantity: Quantity, numeral: Numeral, doubts: list[str]) -> Quantity:
    doubts.extend(numeral.flags)
    low, high = (_decimal(number, doubts) for number in (numeral.low, numeral.high))
    if low == high:
        return replace(quantity, number=low)
    return replace(quantity, low=low, high=high)


def _decimal(number: Fraction, doubts: list[str]) -> Decimal:
    """The number as a decimal, exact where one is, whatever the caller's decimal context."""
    rest, places = number.denominator, 0
    for prime in (2, 5):
        power = 0
        while rest % prime == 0:
            rest //= prime
            power += 1
        places = max(places, power)
    if rest > 1:
        doubts.append(_INEXACT)
        above, below = Decimal(number.numerator), Decimal(number.denominator)
        return Context(prec=_DIGITS).divide(above, below)
    digits = str(abs(number.numerator) * 10**places // number.denominator)
    return Decimal((int(number < 0), tuple(map(int, digits)), -places))
