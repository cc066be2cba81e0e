"""Subjects: which names mean the same organisation.

Firms are known by their name without 有限公司. A short name (浙海精工) means the firm of which it
is the name without place, trade and legal form, but only where reports of the same owner name
exactly one such firm. Authorities written without their place (县科技局) get it from the report's
owner; every other name that identifies only within its region is kept apart by owner.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import lru_cache

from zhibiao.series.indicators import plain_name
from zhibiao.series.owners import Owner, place_of

__all__ = ["SubjectKeys"]

_FIRM = re.compile(r"(?:有限责任公司|有限公司|总公司|公司|合作社|集团|股份|银行)$")
_FORM = re.compile(r"(?:有限责任公司|有限公司|总公司|公司)$")
_STOCK = re.compile(r"(?:股份|控股|集团|农民专业合作社|专业合作社|合作社)+$")
_PROVINCES = (
    "北京|天津|上海|重庆|河北|山西|辽宁|吉林|黑龙江|江苏|浙江|安徽|福建|江西|山东|河南|湖北|湖南|广东"
    "|海南|四川|贵州|云南|陕西|甘肃|青海|台湾|内蒙古|广西|西藏|宁夏|新疆"
)
_LOCATION = re.compile(rf"^(?:(?:{_PROVINCES})省?|[㐀-鿿]{{2,4}}?[省市县区旗州])+(?=..)")
# Words for a trade, none of which tells two firms of one name apart.
_TRADE = re.compile(
    r"(?:科技|技术|实业|发展|投资|控股|贸易|商贸|工贸|工业|制造|机械|电子|电气|装备|设备|材料|新材料|"
    r"农业|食品|生物|药业|制药|医药|建设|建材|能源|环保|信息|智能|种植|养殖|果蔬)$"
)
_NATIONAL = re.compile(r"(?:大学|科学院|工程院)$")
_LOCAL = re.compile(r"^(省|自治区|市|州|盟|县|区|旗|镇|乡)(?![场政]|管会)")
_FULL_WORDS = (
    ("科学技术", "科技"),
    ("工业和信息化", "工信"),
    ("人力资源和社会保障", "人社"),
    ("发展和改革", "发改"),
    ("人民政府", "政府"),
)


class SubjectKeys:
    """Keys of the named subjects of a set of reports; equal keys mean the same organisation."""

    def __init__(self, names: Iterable[tuple[str, str, Owner | None]]) -> None:
        """``names`` holds every subject with the key of its report's owner, and the owner."""
        self._firms: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        for name, scope, _ in set(names):
            if _FIRM.search(plain := plain_name(name)):
                for short in _short_names(plain):
                    self._firms[scope, short].add(_firm_key(plain))

    def key(self, name: str, scope: str, owner: Owner | None) -> str:
        """The key of a name in a report whose owner has the key ``scope``."""
        plain = plain_name(name)
        if _FIRM.search(plain):
            return _firm_key(plain)
        if len(firms := self._firms.get((scope, plain), ())) == 1:
            return next(iter(firms))
        authority = _authority(plain, owner)
        if place_of(authority) or (_NATIONAL.search(plain) and len(plain) >= 4):
            return authority
        return f"{authority}@{scope}"


def _firm_key(plain: str) -> str:
    return _FORM.sub("", plain).replace("(", "").replace(")", "")


@lru_cache(maxsize=65536)
def _authority(plain: str, owner: Owner | None) -> str:
    """The name in usual short words, with its place where the owner is the place it means."""
    local = _LOCAL.match(plain)
    if local and owner and not owner.is_body and owner.name.endswith(local[1]):
        plain = owner.name + plain[local.end() :]
    for full, short in _FULL_WORDS:
        plain = plain.replace(full, short)
    return plain


def _short_names(plain: str) -> Iterator[str]:
    """What a firm's full name may be shortened to."""
    core = _STOCK.sub("", _firm_key(plain))
    for located in {core, _LOCATION.sub("", core)}:
        short = located
        while len(short) >= 2:
            yield short
            if (cut := _TRADE.sub("", short)) == short:
                break
            short = cut
