"""Bound words: 近, 约, 超过, 不少于, 以上, 左右 around a number, and what they make of it."""

from __future__ import annotations

import re

__all__ = ["split_bounds"]

_BEFORE = {
    "approx": "大约 约为 约 将近 接近 临近 近 大概 差不多 上(?=[十百千万亿]) 好(?=几) ≈ ~",
    "ge": "不少于 不低于 不小于 不下于 不下 大于等于 至少 最少 最低 起码 ≥ >=",
    "gt": "超过 超出 超 逾 突破 高于 多于 大于 过(?=[半十百千万亿]) 破(?=[0-9十百千万亿]) >",
    "le": "不超过 不高于 不多于 不大于 小于等于 不超 最高 最多 至多 ≤ <=",
    "lt": "不足 不到 低于 少于 小于 未满 不满 <",
    "eq": "达到 达 =",
}
_AFTER = {
    "approx": "左右 上下",
    "ge": r"及以上 以上 \+",
    "le": "及以下 以下 以内 之内",
}


def _pattern(words: dict[str, str]) -> str:
    # Longest first over all bounds: 不超过 before 不超, >= before >.
    pairs = [(word, bound) for bound, listed in words.items() for word in listed.split()]
    pairs.sort(key=lambda pair: -len(pair[0].partition("(?=")[0]))
    return "|".join(f"(?P<{bound}_{place}>{word})" for place, (word, bound) in enumerate(pairs))


_PREFIX = re.compile(_pattern(_BEFORE))
_SUFFIX = re.compile(f"(?:{_pattern(_AFTER)})$")


def split_bounds(text: str) -> tuple[str, list[str]]:
    """The text (in the normal form of numerals) without the bound words at its ends, and what
    these say, in order: eq, approx, ge, le, gt, lt."""
    bounds = []
    while found := _PREFIX.match(text) or _SUFFIX.search(text):
        bounds.append(str(found.lastgroup).partition("_")[0])
        text = text[: found.start()] + text[found.end() :]
    return text, bounds
