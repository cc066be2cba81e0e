"""Numerals: one written number, Arabic, Chinese or mixed, as an exact fraction.

cn2an 0.5.24 (MIT) was looked at and is only the check of the tests, not the parser: it returns
floats for decimals (零点一 becomes a binary fraction), refuses what reports are full of (三十几万,
两三百, 十五六, 7600多万, 1.1万亿, 1,100万), reads 一万二 as 12,000 without a word, and cannot read
all that its own writer writes (634978200003222 ends in a KeyError). What is left once those are
handled is the descent below: split at the highest magnitude, read both sides, multiply and add.

Numbers are intervals, because Chinese has digits that are intervals: 几 and 数 stand for 2 to 9
(《现代汉语词典》: more than one, less than ten) and for 1 to 9 after a ten; 三四 is 3 to 4. So
三十几万 comes out as 310,000 to 390,000 by the same arithmetic that reads 三十五万.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

__all__ = ["Numeral", "normal_form", "read_numeral"]

_MAGNITUDES = (("亿", 10**8), ("万", 10**4), ("千", 1000), ("百", 100), ("十", 10))
_VALUES = dict(_MAGNITUDES)
_DIGITS = {digit: value for value, digit in enumerate("零一二三四五六七八九")} | {"两": 2}
_LONGEST = 40
"""Characters of a numeral; longer ones are no quantities, and int() refuses 4,300 digits."""

_ARABIC = re.compile(r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+")
_SPACED = re.compile(r"[0-9]{1,3}(?: [0-9]{3})+")
_TENS_AND_SOME = re.compile(r"([0-9]*[1-9]0)[几数]")
_TWO_DIGITS = re.compile("[0-9]{2}")
_POSITIONAL = re.compile(r"[零一二三四五六七八九]{2,}")
_DECIMAL = re.compile(r"([^点]+)点([零一二三四五六七八九]+|[0-9]+)([十百千万亿]*)")
# 多 and 余 follow any number, 来 only a round one; each stands before a magnitude or at the end.
_MORE = re.compile(
    r"(?<=[0-9一二两三四五六七八九十百千万亿])[多余](?=[十百千万亿]|$)"
    r"|(?<=[十百千万亿0])来(?=[万亿]|$)"
)
_IDIOMS = {"三五": (3, 5), "三两": (2, 3)}

_FUZZY = "约数，只给上下限"
_ELLIPTIC = "末位省略数量级，按口语读"
_NO_ZERO = "缺“零”，按字面读"
_NO_ONE = "数量级前没有数字，按“一”读"
_DIGIT_BY_DIGIT = "逐位读数"
_LEADING_ZERO = "数字以零开头"
_SPACES = "空格当千分位"

_PLAIN = {
    **{chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)},
    **dict(
        zip("壹弌贰貳弍叁叄參弎肆伍陆陸柒捌玖", "一一二二二三三三三四五六六七八九", strict=True)
    ),
    **dict(
        zip("拾佰仟萬億兩〇點餘幾數負幺俩倆仨", "十百千万亿两零点余几数负一两两三", strict=True)
    ),
    **dict(zip("圆圓廿卅卌", ("元", "元", "二十", "三十", "四十"), strict=True)),
    **dict.fromkeys("−–‐‑‒﹣", "-"),
    **dict.fromkeys("―─", "—"),
    **dict.fromkeys("～〜∼", "~"),
    **dict.fromkeys("：∶", ":"),
    **dict.fromkeys("（(", "（"),
    **dict.fromkeys("）)", "）"),
    **dict.fromkeys("\u200b\ufeff", ""),
    "﹪": "%",
    "￥": "¥",
    "≧": "≥",
    "≦": "≤",
    "⁄": "/",
}
_TO_PLAIN = str.maketrans(_PLAIN)
_IDLE_SPACE = re.compile(r"\s+(?![0-9])|(?<![0-9\s])\s+")
_HOLLOW_ZERO = re.compile(r"(?=[○O]*[零一二三四五六七八九])[○O零一二三四五六七八九]+")


@dataclass(frozen=True, slots=True)
class Numeral:
    """A number from ``low`` to ``high``, equal when it is exact; ``approx`` after 多, 余, 几."""

    low: Fraction
    high: Fraction
    approx: bool = False
    flags: tuple[str, ...] = ()

    def times(self, factor: Fraction | int) -> Numeral:
        """The numeral multiplied by a number that is not negative."""
        return Numeral(self.low * factor, self.high * factor, self.approx, self.flags)


class _UnreadError(Exception):
    """The text is no numeral."""


def normal_form(text: str) -> str:
    """Full-width, formal (壹贰), traditional and variant signs in the one form that is read here.

    White space goes, except single spaces between digits, which may group them. Not NFKC: that
    turns 2½ into 21⁄2 and 10² into 102.
    """
    plain = " ".join(_IDLE_SPACE.sub("", text.translate(_TO_PLAIN)).split())
    if _HOLLOW_ZERO.fullmatch(plain):
        # 二○一六, 二O一六: a circle or a letter for 〇, where all else is digits.
        plain = plain.replace("○", "零").replace("O", "零")
    return plain


def read_numeral(text: str) -> Numeral | None:
    """Read a number without unit, in normal form; None where the text is not exactly one number.

    Everything that is read with less than certainty has a flag in Chinese that says how.
    """
    if len(text) > _LONGEST:
        return None
    sign = -1 if text[:1] in ("-", "负") else 1
    unsigned = text[1:] if text[:1] in ("-", "负", "+") else text
    marked, more = _MORE.subn("", unsigned)
    try:
        numeral = _whole(marked)
    except _UnreadError:
        return None
    if more > 1:
        return None
    low, high = sorted((numeral.low * sign, numeral.high * sign))
    return Numeral(low, high, numeral.approx or more == 1, numeral.flags)


def _whole(text: str) -> Numeral:
    """Forms that only a whole numeral has: decimals in words, digits in a row, spaced groups."""
    if decimal := _DECIMAL.fullmatch(text):
        head = _composed(decimal[1])
        if head.low != head.high or head.low.denominator != 1 or head.flags:
            raise _UnreadError
        digits = "".join(str(_DIGITS.get(digit, digit)) for digit in decimal[2])
        numeral = _exact(head.low + Fraction(int(digits), 10 ** len(digits)))
        for magnitude in decimal[3]:
            numeral = numeral.times(_VALUES[magnitude])
        return numeral
    if _SPACED.fullmatch(text):
        return _exact(int(text.replace(" ", "")), _SPACES)
    if _POSITIONAL.fullmatch(text) and _pair(text) is None:
        flags = () if "零" in text[1:-1] else (_DIGIT_BY_DIGIT,)
        return _exact(int("".join(str(_DIGITS[digit]) for digit in text)), *flags)
    return _composed(text)


def _composed(text: str) -> Numeral:
    """A coefficient, or two numerals joined by the highest magnitude between them."""
    coefficient = _coefficient(text)
    if coefficient is not None:
        return coefficient
    for name, magnitude in _MAGNITUDES:
        left, found, right = text.rpartition(name)
        if found:
            head = _head(left, name, magnitude)
            if not right:
                return head
            # What follows 1.5万 or 半万 has no place of its own.
            if "." in left or left == "半":
                raise _UnreadError
            return _joined(head, magnitude, right, bare=not left)
    raise _UnreadError


def _head(left: str, name: str, magnitude: int) -> Numeral:
    """What stands before a magnitude, times the magnitude; nothing means one (十, 万余)."""
    if not left:
        return _exact(magnitude)
    if magnitude < 10**4:
        coefficient = _coefficient(left)
        if coefficient is None:
            raise _UnreadError
        return coefficient.times(magnitude)
    # Only 万万 repeats a magnitude.
    if name in left and not (name == "万" and left.index("万") == len(left) - 1):
        raise _UnreadError
    return _composed(left).times(magnitude)


def _joined(head: Numeral, magnitude: int, right: str, *, bare: bool) -> Numeral:
    """Add what follows a magnitude: 二十|三, 一万|零五百, 1亿|2000万; 三百|五 is 350, flagged."""
    zero = right.startswith("零")
    rest = right[1:] if zero else right
    # 亿万 and 万千 are no numbers; 二十两 is a weight, not 22.
    if rest[:1] in tuple("百千万亿") or rest == "两":
        raise _UnreadError
    last = (len(rest) == 1 or _pair(rest)) and not set(rest) & set("零0两半")
    tail = _coefficient(rest, after_ten=magnitude == 10) if last and not zero else None
    flags = [_NO_ONE] if bare and magnitude > 10 else []
    if tail is not None and magnitude > 10:
        tail = tail.times(magnitude // 10)
        flags.append(_ELLIPTIC)
    elif tail is None:
        if magnitude == 10:
            raise _UnreadError
        tail = _composed(rest)
        skips = "万" not in rest if magnitude == 10**8 else tail.low * 10 < magnitude
        if skips and not zero:
            flags.append(_NO_ZERO)
    if tail.high >= magnitude or tail.low.denominator != 1 or tail.low <= 0:
        raise _UnreadError
    return Numeral(
        head.low + tail.low,
        head.high + tail.high,
        head.approx or tail.approx,
        tuple(dict.fromkeys((*head.flags, *tail.flags, *flags))),
    )


def _coefficient(text: str, *, after_ten: bool = False) -> Numeral | None:
    """What can stand before a magnitude: Arabic digits, one Chinese digit, 三四, 几, 20几, 半."""
    if _ARABIC.fullmatch(text):
        flags = (_LEADING_ZERO,) if text[0] == "0" and text[1:2].isdigit() else ()
        return _exact(Fraction(text.replace(",", "")), *flags)
    if text in _DIGITS:
        return _exact(_DIGITS[text])
    if text in ("几", "数"):
        return Numeral(Fraction(1 if after_ten else 2), Fraction(9), True, (_FUZZY,))
    if text == "半":
        return _exact(Fraction(1, 2))
    if tens := _TENS_AND_SOME.fullmatch(text):
        return Numeral(Fraction(int(tens[1]) + 1), Fraction(int(tens[1]) + 9), True, (_FUZZY,))
    pair = _pair(text)
    return pair and Numeral(Fraction(pair[0]), Fraction(pair[1]), True)


def _pair(text: str) -> tuple[int, int] | None:
    """Two neighbouring digits that mean an interval: 两三, 七、八, 7、8, and the idiom 三五."""
    first, second = text[:1], text[1:].removeprefix("、")
    if first + second in _IDIOMS:
        return _IDIOMS[first + second]
    if "、" in text and _TWO_DIGITS.fullmatch(first + second):
        low, high = int(first), int(second)
    elif first in _DIGITS and second in _DIGITS:
        low, high = _DIGITS[first], _DIGITS[second]
    else:
        return None
    return (low, high) if 0 < low == high - 1 else None


def _exact(number: Fraction | int, *flags: str) -> Numeral:
    return Numeral(Fraction(number), Fraction(number), False, flags)
