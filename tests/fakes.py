"""A stand-in for the model, for tests about everything around it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from zhibiao.spans import Span

__all__ = ["RegexExtractor"]

_PATTERN = re.compile(
    r"(?P<年份>(?:19|20)\d\d年|今年|去年)"
    r"|(?P<企业名>[\u4e00-\u9fff]{2,10}?有限公司)"
    r"|(?P<机构>[\u4e00-\u9fff]{1,6}?(?:科技局|政府|农业局))"
    r"|(?P<指标>专利申请量?|高新技术企业|项目资金|产值)"
    r"|(?P<数值>[=+@-]?\d+(?:\.\d+)?)"
    r"|(?P<单位>万元|亿元|件|家|项|%)"
)


class RegexExtractor:
    """Finds spans by one regular expression, in batches like the real extractor."""

    def __init__(self, batch: int = 4) -> None:
        self.batch = batch

    @property
    def info(self) -> Mapping[str, Any]:
        return {"name": "regex", "version": "1", "hash": "0"}

    def extract(self, text: str) -> list[Span]:
        return [
            Span(match.start(), match.end(), str(match.lastgroup), 0.98765)
            for match in _PATTERN.finditer(text)
        ]

    def extract_many(self, texts: Iterable[str], /) -> Iterator[list[Span]]:
        remaining = iter(texts)
        while batch := list(islice(remaining, self.batch)):
            yield from map(self.extract, batch)
