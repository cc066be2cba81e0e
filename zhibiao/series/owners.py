"""Owners: the region or the body that a report speaks for when it names nobody.

A county's bureaus and its government all report the county's figures, and bureaus change their
names, so the owner of an authority's report is the region: 青潭县. Firms, schools, hospitals,
institutes and development zones report their own figures and own their reports themselves.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

__all__ = ["Owner", "find_owner", "place_of"]

# A title is cut where the Chinese characters stop, and after the words that lead in a name.
_RUN = re.compile(r"[㐀-鿿()]+")
_LEAD = re.compile(r"^(?:\)|年度?|[月日]|上半年|在|关于|中共|印发|转发|我们?|[一二三四]季度)+")
# The addressee, and prose: neither is a title.
_NO_TITLE = re.compile(r":\s*$|[。;]")
# 全县, 我市, 兴县, 老区: words that end like the name of a place.
_COMMON = "全我本该各外强兴大小邻每地老社园灾库景辖矿片超股入"
# A name holds no words of grammar and does not begin with the kind of place that it is.
_NAME = r"(?!自治|[省市县区旗])(?:(?![的了是由从按照把据争累这我本全各在级及和与])[㐀-鿿])"
_PLACE = re.compile(
    rf"{_NAME}{{1,7}}?(?<![{_COMMON}])县|{_NAME}{{2,7}}?(?<![{_COMMON}])"
    r"(?:自治州|自治旗|自治区|市(?!场)|区|旗|州|盟|省)"
)
# 常州市 + 武进区. Two or three levels may stand in a row.
_CHILD = re.compile(
    rf"(?!(?:老|新|主|中心)?城区|市区|山区|校区|学区|郊区)"
    rf"[㐀-鿿]{{1,3}}?(?<![{_COMMON}])(?:自治州|自治县|县|市|区|旗)"
)
_ZONE = re.compile(r"[^局委办关]{2,14}?(?:开发区|园区|高新区|新区)")
_AUTHORITY = re.compile(
    r"[^公校院]{0,16}?(?:局|厅|政府|委员会|委(?![托派员])|办公室|人大|政协|法院|检察院)"
)
_BODY = re.compile(
    r"[㐀-鿿()]{2,30}(?:公司|集团|合作社|大学|学院|中学|小学|学校|幼儿园|医院|卫生院|研究院|研究所|银行)"
)


@dataclass(frozen=True, slots=True)
class Owner:
    """A region (``parent`` is the region above it, where it was written) or a body."""

    name: str
    parent: str = ""
    is_body: bool = False


@lru_cache(maxsize=16384)
def find_owner(title: str, organisations: Sequence[str] = ()) -> Owner | None:
    """The owner by a report's title, or else by the organisations that it names.

    ``title`` may have several lines, page furniture among them; lines that end in a colon (the
    addressee) or hold a full stop (prose) are passed over. The first region or body wins. Of
    ``organisations`` only authorities with the name of their place count (青潭县科技局, not
    县科技局), and only when all of them are of one place. Masked names (XX县) identify nobody.
    """
    for line in unicodedata.normalize("NFKC", title).splitlines():
        if _NO_TITLE.search(line):
            continue
        for run in _RUN.findall(line):
            if owner := _owner(_LEAD.sub("", run)):
                return owner
    places = {place for name in organisations if (place := place_of(name))}
    return places.pop() if len(places) == 1 else None


def place_of(name: str) -> Owner | None:
    """The region of an authority whose name begins with it (青潭县科技局), if it is one."""
    name = _LEAD.sub("", name)
    place, end = _place(name)
    return place if place and _AUTHORITY.match(name, end) else None


def _owner(run: str) -> Owner | None:
    if zone := _ZONE.match(run):
        return Owner(zone[0], is_body=True)
    if place := place_of(run):
        return place
    if body := _BODY.match(run):
        return Owner(body[0], is_body=True)
    return _place(run)[0]


def _place(run: str) -> tuple[Owner | None, int]:
    """The place that ``run`` begins with, and where its name ends."""
    match = _PLACE.match(run)
    if match is None:
        return None, 0
    place = Owner(match[0])
    while child := _CHILD.match(run, match.end()):
        place, match = Owner(child[0], parent=place.name), child
    return place, match.end()
