"""Level, change or share: what a value says about its indicator."""

from __future__ import annotations

import re

from zhibiao.linking.choices import Choice
from zhibiao.linking.scene import Scene

__all__ = ["choose_measure"]

_VERBS = (
    r"增长|增加|增幅|增速|增产|增收|增效|净增|提高|提升|提速|上升|上涨|上浮|增强|扩大|攀升|回升|跃升|升高|高出|高|快|多|涨"
    r"|下降|减少|降低|回落|下滑|下跌|减产|减收|缩减|压减|压缩|缩短|下浮|审减|核减|精简|少|低|降|减|慢|跌|缩"
    r"|前移|后移|前进|后退|翻|扩增|递增|节约|节省|放大"
)
# What stands between the verb and the number without changing the meaning.
_TRIM = re.compile(
    r"(?:了|近|约|大约|将近|接近|左右|超过|超|突破|达到|达|逾|不到|不足|至少|最少|最多|最高|最低|不低于|不少于"
    r"|不高于|不超过|低于|高于|均|都|分别|各|仅|只|就|也|还|又|再|要|可|：|:|\s)+$"
)
_CHANGE = re.compile(rf"(?:{_VERBS})$")
# 减少一线操作工120余人: the indicator stands between verb and value.
_CHANGE_OF = re.compile(r"(?:减少|增加|压减|精简|裁减|缩减|净增|净减|减排|削减)(?:了)?$")
_GROWTH = re.compile(
    r"(?:增幅|增速|涨幅|降幅|增长率|升幅|跌幅|增量)(?:均|分别|各)?(?:为|达|达到|超过|超|约|近|突破)*$"
)
_SHARE = re.compile(
    r"占(?:到|了)?[^，；。]*(?:的|比重|比例|份额)?[^，；。的]{0,6}$"
    r"|(?:占比|比重|比例|份额)[^，；。]{0,6}$"
    r"|(?:完成|达到?|[是为])[^，；。]{0,14}(?:计划|任务|目标|预算|指标|预期|进度|时序)[^，；。]{0,8}的\s*$"
    r"|不[足到][^，；。]{0,8}(?:预期|计划|目标|任务)[^，；。]{0,2}的\s*$"
    r"|之比为?$"
)
_AGAINST = re.compile(
    r"相当于[^，；。]*的?\s*$"
    r"|(?:不[足到]|达到?|[是为])[^，；。]{0,12}(?:平均|水平|均值|同期)[^，；。]{0,4}的\s*$"
)
_PARTS = ("%", "％", "‰", "成")
_FRACTION = re.compile(r"分之|半数|一半|过半|^半$|[/／]")
_TIMES = ("倍", "番")
_POINTS = re.compile(r"百分点|个点")


def choose_measure(scene: Scene) -> Choice[str]:
    """The first rule that answers; a level where none does."""
    return (
        _points(scene)
        or _change_verb(scene)
        or _coordinate(scene)
        or _share_of_following(scene)
        or _share(scene)
        or _times(scene)
        or Choice("level", "level")
    )


def _words(scene: Scene) -> str:
    """The words between the nearest span of an indicator, or the clause's start, and the value."""
    own = [i for i in scene.indicators if i.start >= scene.lead_start]
    return scene.text[own[-1].end if own else scene.lead_start : scene.start]


def _evidence(scene: Scene, words: str) -> tuple[tuple[int, int], ...]:
    """The last words before the value, where they are not empty."""
    stripped = words.strip()
    if not stripped:
        return ()
    start = scene.start - len(words) + words.index(stripped)
    return ((start, start + len(stripped)),)


def _points(scene: Scene) -> Choice[str] | None:
    """个百分点 measures changes only."""
    if _POINTS.search(scene.unit_text) and scene.unit.answer:
        unit = scene.unit.answer
        return Choice("change", "points", ((unit.start, unit.end),))
    return None


def _change_verb(scene: Scene) -> Choice[str] | None:
    """增长12%, 比上年增加72万元, 减少一线操作工120人."""
    words = _words(scene)
    if _CHANGE.search(_TRIM.sub("", words)):
        return Choice("change", "change_verb", _evidence(scene, words))
    if _GROWTH.search(words):
        return Choice("change", "growth_noun", _evidence(scene, words))
    own = [i for i in scene.indicators if i.start >= scene.lead_start]
    if own and not words.strip("约近达共了"):
        before = scene.text[scene.lead_start : own[-1].start]
        if match := _CHANGE_OF.search(before):
            start = scene.lead_start + match.start()
            return Choice("change", "change_of", ((start, scene.lead_start + match.end()),))
    return None


def _coordinate(scene: Scene) -> Choice[str] | None:
    """分别增长26.3%和24.9%; 43.6%的企业选择“没有必要”，28.9%选择…: as the value before it."""
    before = scene.previous
    if before is None or before.measure.answer == "level" or scene.indicators:
        return None
    bare = re.fullmatch(r"[、和与及，,以]*(?:力争|争|至|到)?[、和与及]?", scene.gap.strip())
    listed = before.measure.answer == "share" and not scene.lead.strip()
    if before.unit_text == scene.unit_text and (bare or listed):
        return Choice(before.measure.answer, "coordinate")
    return None


def _share_of_following(scene: Scene) -> Choice[str] | None:
    """九成以上的规上工业企业, 43.6%的企业, 三分之二的行政村."""
    following = scene.following
    if following is None or following.label != "指标":
        return None
    part = scene.unit_text in _PARTS or _FRACTION.search(scene.value_text)
    between = scene.text[scene.end : following.start]
    if part and re.fullmatch(r"(?:以上|左右|多|以下)?的?", between):
        return Choice("share", "share_of_following", ((scene.end, following.end),))
    return None


def _share(scene: Scene) -> Choice[str] | None:
    """占全区的12%, 完成年度计划的80%, 占比31.8%; not where the indicator itself is the ratio."""
    if scene.unit_text not in _PARTS and not _FRACTION.search(scene.value_text):
        return None
    lead = scene.lead
    if scene.previous and scene.gap == "的":
        return Choice("share", "share_of_value", ((scene.previous.start, scene.start),))
    match = _SHARE.search(lead)
    if match is None:
        return None
    own = [i for i in scene.indicators if i.start >= scene.lead_start]
    at = scene.lead_start + match.start()
    # 「占GDP比重」 as part of the indicator's own name makes a level.
    if any(i.start <= at < i.end and scene.text[i.start : i.end] != "占" for i in own):
        return None
    return Choice("share", "share", ((at, scene.start),))


def _times(scene: Scene) -> Choice[str] | None:
    """是上年的1.7倍, 相当于全县平均水平的六成: against another number."""
    lead = scene.lead
    if scene.unit_text in _TIMES and re.search(r"的\s*(?:近|约|将近)?$|[是为达][^，]*$|翻", lead):
        return Choice("change", "times", _evidence(scene, lead))
    part = scene.unit_text in _PARTS or _FRACTION.search(scene.value_text)
    if part and _AGAINST.search(lead):
        return Choice("change", "times", _evidence(scene, lead))
    return None
