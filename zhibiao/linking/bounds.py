"""Exact, approximate or a limit: the words right before and after a value."""

from __future__ import annotations

import re

from zhibiao.linking.choices import Choice
from zhibiao.linking.scene import Scene

__all__ = ["choose_bound"]

_LINK = r"(?:达到?|为|在|是|到|了|至|过|约为|每年|人均|年均|均|各|每人|每户|可|全年)*"
# Words before the value, the most telling first; each must end right at the value.
_BEFORE = (
    (
        "le",
        re.compile(
            rf"(?:不高于|不超过|不多于|不大于|最高(?:可|不超过|给予|奖励|补助|支持|达|为)*|最多|至多|上限为?|封顶){_LINK}$"
        ),
    ),
    ("ge", re.compile(rf"(?:不少于|不低于|不小于|不得低于|不得少于|至少|最少|最低){_LINK}$")),
    ("gt", re.compile(rf"突破{_LINK}$")),
    ("over", re.compile(rf"(?:超过|超|超出|逾|高于|大于|多于|高达){_LINK}$")),
    (
        "lt",
        re.compile(
            rf"(?:低于|不足|不到|少于|小于|未达到?|不及){_LINK}$|不[足到][^，。；]{{1,12}}的$"
        ),
    ),
    ("approx", re.compile(rf"(?:近|约|大约|约为|接近|将近|大概|几乎|上下|估计){_LINK}$")),
)
_AFTER = (
    ("approx", re.compile(r"(?:左右|上下|多|余|开外)")),
    ("ge", re.compile(r"(?:\s*[（(]含[）)])?(?:及)?以上")),
    ("le", re.compile(r"以下|以内|之内|封顶")),
)
_VAGUE = re.compile(
    r"多|余|几|数[十百千万]|上[百千万]|来$|[一二两三四五六七八九][一二两三四五六七八九](?![十百千万亿\d])(?=[十百千万亿]?$)"
)
_CONTROLLED = re.compile(r"控制在$")


def choose_bound(scene: Scene, *, target: bool) -> Choice[str]:
    """The bound, with the words that tell it as evidence."""
    # Only the words after the indicator: 「彩超一台」 exceeds nothing.
    own = [i for i in scene.indicators if i.start >= scene.lead_start]
    start = own[-1].end if own else scene.lead_start
    lead = scene.text[start : scene.start]
    for bound, pattern in _BEFORE:
        if match := pattern.search(lead):
            place = (start + match.start(), scene.start)
            if bound == "over":
                # The rule of the house: in targets 超过 promises at least so much.
                return Choice(
                    "ge" if target else "gt", "over_target" if target else "over", (place,)
                )
            return Choice(bound, f"before_{bound}", (place,))
    after = scene.text[scene.end : scene.end + 6]
    for bound, pattern in _AFTER:
        if match := pattern.match(after):
            return Choice(bound, f"after_{bound}", ((scene.end, scene.end + match.end()),))
    if lead.endswith("上") and scene.value_text[0] in "十百千万":
        return Choice("approx", "before_approx", ((scene.start - 1, scene.start),))
    if _VAGUE.search(scene.value_text):
        return Choice("approx", "vague_value")
    if match := _CONTROLLED.search(lead):
        return Choice("le", "controlled", ((start + match.start(), scene.start),))
    return Choice("eq", "eq")
