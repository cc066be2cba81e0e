"""The words that narrow an indicator carried over from an earlier value."""

from __future__ import annotations

import re

from zhibiao.linking.choices import Choice
from zhibiao.linking.scene import Scene
from zhibiao.linking.structure import Slice

__all__ = ["choose_qualifier"]

_STRIP_BEFORE = re.compile(
    r"^(?:[、，,：:；;“”\"\s]|其中|力?[保争]|和|与|及|以及|另|还|并|又|再|今年|全年|目前|现|已经|已|共|累计|新增|有|约|近|力争|争取"
    r"|确保|计划|仅|只|就|(?:截至|截止|到)[^，。；]{1,8}底|完成(?=了?[^，。；]{2,}))+"
)
_STRIP_AFTER = re.compile(
    r"(?:[：:“”\"\s]|的|为|有|达到?|约|近|共|了|仅|只|是|占|各|分别|就|超过|突破|不少于|不低于|不到|不足|低于|高于|增长|提高|增加|下降|同比|数)+$"
)
_TOTAL = re.compile(
    r"(?:总数|总量|累计|合计|共计|共|总计|保有量|存量|两项合计|总|均|平均|年均|全年|全市|全县|全区|增幅|首次|每年|完成|实现|投入)+"
    r"|平均.*|每.*|.*(?:任务|要求|目标|计划)|的.*"
)
_AFTER_FILLER = re.compile(r"^(?:以上|左右|以下|多|余|的|，|,|\s)+")
_QUALIFIER_LENGTH = 20


def choose_qualifier(scene: Scene) -> Choice[Slice | None]:
    """The words that narrow an indicator carried over from an earlier value.

    They stand before the value, 「其中省级1家」, or where nothing does, after it: 「其中6人获奖」.
    """
    if scene.indicator.rule not in ("ellipsis", "ellipsis_before", "share_denominator"):
        return Choice(None, "none")
    start, end = scene.lead_start, scene.value.start
    if scene.indicator.rule != "share_denominator":
        # A name among the words makes them a subject or a clause, no qualifier.
        if any(span.start >= start for span in (*scene.indicators, *scene.others)):
            return Choice(None, "none")
    else:
        end = scene.lead_start + scene.lead.find("占")
    words = scene.text[start:end]
    if match := _STRIP_BEFORE.match(words):
        start += match.end()
    if match := _STRIP_AFTER.search(scene.text[start:end]):
        end = start + match.start()
    words = scene.text[start:end]
    if words.endswith("中"):
        words = ""  # 「26个项目中有11个存在困难」
    if words and not _TOTAL.fullmatch(words):
        if len(words) <= _QUALIFIER_LENGTH:
            return Choice(Slice(start, end), "before_value")
        return Choice(None, "none")
    if words:
        return Choice(None, "none")
    tail = scene.tail
    match = _AFTER_FILLER.match(tail)
    start = scene.end + (match.end() if match else 0)
    words = scene.text[start : scene.end + len(tail)].rstrip("、和与及， ")
    if 1 < len(words) <= _QUALIFIER_LENGTH:
        return Choice(Slice(start, start + len(words)), "after_value")
    return Choice(None, "none")
