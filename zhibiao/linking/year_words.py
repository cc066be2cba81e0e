"""What a year expression means by itself, or once the report's own year is known."""

from __future__ import annotations

import re

__all__ = ["RELATIVE", "year_value"]

RELATIVE = {
    "今年": 0, "本年": 0, "本年度": 0, "今年度": 0, "当年": 0,
    "去年": -1, "上年": -1, "上年度": -1, "上一年": -1, "上一年度": -1, "去年度": -1,
    "前年": -2,
    "明年": 1, "来年": 1, "下年": 1, "下一年": 1, "下年度": 1, "下一年度": 1, "明年度": 1,
}  # fmt: skip
_PLANS = {"十": 2001, "九": 1996, "八": 1991, "七": 1986, "六": 1981}
_DIGITS = str.maketrans(
    "〇○零Ｏ一二三四五六七八九０１２３４５６７８９", "0000123456789" + "0123456789"
)
_FOUR = re.compile(r"(?:19|20)\d\d")
_RANGE = re.compile(r"((?:19|20)\d\d)\s*年?(?:度)?\s*[-—–－~～至到]+\s*((?:19|20)?\d\d)")
_MASKED = re.compile(r"[\dxX×Ｘ*＊＿_某Oo○〇]{2,4}")
_MASKED_ZEROS = re.compile(r"\d\d[○〇]{2}")  # but 二○○八 is 2008
_NUMBERED_PLAN = re.compile(r"十?[一二三四五六七八九]?五")


def year_value(words: str, current: str) -> str:
    """What a year expression means: ``2016``, ``2016-2020``, a masked year, or nothing.

    ``current`` is the year that 今年 stands for, as this function writes years.
    """
    words = words.strip("“”\"' ")
    if words in RELATIVE:
        step = RELATIVE[words]
        if current.isdigit():
            return str(int(current) + step)
        return current if step == 0 else ""
    if match := _MASKED_ZEROS.match(words):
        return match.group()
    plain = words.translate(_DIGITS) if not _NUMBERED_PLAN.fullmatch(words) else words
    if match := _RANGE.search(plain):
        first, last = match.groups()
        return f"{first}-{last if len(last) == 4 else first[:2] + last}"
    if match := _FOUR.search(plain):
        return match.group()
    if _NUMBERED_PLAN.fullmatch(words):
        return _five_years(words)
    if match := _MASKED.match(plain):
        digits = match.group()
        # 16年 is 2016; no report of these is older than 1950.
        if len(digits) == 2 and digits.isdigit():
            return ("20" if int(digits) < 50 else "19") + digits
        return "" if digits.isdigit() else digits
    return ""


def _five_years(words: str) -> str:
    """十五 began in 2001, and every five-year plan five years after the one before."""
    numerals = "一二三四五六七八九"
    if words.startswith("十") and len(words) == 3:
        start = 2006 + 5 * (numerals.index(words[1]))
    elif words[0] in _PLANS and len(words) == 2:
        start = _PLANS[words[0]]
    else:
        return ""
    return f"{start}-{start + 4}"
