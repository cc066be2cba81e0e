"""The indicator of a value, and what narrows it: the rules of the records' specification."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from zhibiao.linking.choices import Choice
from zhibiao.linking.scene import Scene
from zhibiao.spans import Span

__all__ = ["choose_indicator", "choose_qualifier", "distribute"]

Link = Choice[Span | None]

_ATTACHED = re.compile(r"(?:以上|左右|以下|以内|上下|多|余|来)?的?[“\"《]?")
_JOIN = re.compile(r"[”\"]?[、和与及以]*(?:以及)?[“\"]?")
_LIST = re.compile(r"(?:以上|左右|以下|以内|上下|多|余)?[、，,和与及以]*")
_RUN = re.compile(r"(?:以上|左右|以内)?[\s，,、]*(?:力?争|冲|至|到|—|-|~)[\s]*")
_FROM_TO = re.compile(
    r"[，,]?(?:[^，。；、]{0,6}?)(?:增|提|上升|下降|减|降|扩|缩|延|调|升|压|拓|发展|翻|跃|跌|涨|回落|改|变)"
    r"[^，。；、\d]{0,3}?(?:到|至|为)[^，。；、]{0,10}"
)
_RESPECTIVELY = "分别"
_AMONG = re.compile(r"其中|中[，,]?有?$|包括|含")
_COMPARED = re.compile(r"(?:[比较]|高于|低于|快于|慢于|优于|超过|占到?了?|与|同)[^，。；]{0,6}$")
_SHARE_OF = re.compile(r"占(?:到|了|我[省市县区])?[^，。；占]{0,12}$|(?:达到?|为|是|完成|相当于|不足|不到)[^，。；]{0,6}$")
_TIMES_UNITS = frozenset(("次", "余次", "趟", "回", "遍", "轮", "场次", "批次"))
_PEOPLE = frozenset(("人", "名", "位", "人次", "万人", "万名", "人员"))
_MONEY = re.compile(r"元$")
_EMPTY_LEAD = re.compile(
    r"(?:[、，,和与及以\s]|其中|另有?|还有|仅|约|近|共|就|只|均|都|已|总[数量计]|合计|累计|共计|达到?|为|有|是|也|且|则"
    r"|超过|超|突破|力争|争取|确保|同比|环比|增长|增加|年均)*"
)
_STRIP_BEFORE = re.compile(
    r"^(?:[、，,：:；;“”\"\s]|其中|和|与|及|以及|另|还|并|又|再|今年|全年|目前|现|已经|已|共|累计|新增|有|约|近|力争|争取"
    r"|确保|计划|仅|只|就|(?:截至|截止|到)[^，。；]{1,8}底|完成(?=了?[^，。；]{2,}))+"
)
_STRIP_AFTER = re.compile(
    r"(?:[：:“”\"\s]|的|为|有|达到?|约|近|共|了|仅|只|是|占|各|分别|就|超过|突破|不少于|不低于|增长|提高|增加|下降|同比|数)+$"
)
_TOTAL = re.compile(r"(?:总数|总量|累计|合计|共计|共|总计|保有量|存量|两项合计|总|均|平均|年均|全年|全市|全县|全区|增幅|首次|其他|每年)+")
_AFTER_FILLER = re.compile(r"^(?:以上|左右|以下|多|余|的|，|,|\s)+")
_QUALIFIER_LENGTH = 20


def distribute(scenes: Sequence[Scene]) -> dict[Scene, Link]:
    """分别 and lists of names before lists of values: the first name to the first value.

    「产值、增加值分别增长26.3%和24.9%」; 「…18亿元，…5亿元，分别增长26%和24%」 where the names
    stand with earlier values; 「A、B、C 3家、2家、1家」 without 分别 where the counts agree.
    """
    found: dict[Scene, Link] = {}
    number = 0
    while number < len(scenes):
        first = scenes[number]
        named = _RESPECTIVELY in first.gap
        run = _values_of_run(scenes, number)
        names = _names_before(first)
        if len(run) > 1 and (named or len(names) == len(run)):
            if len(names) != len(run):
                own = [i for i in first.indicators if i.start >= first.lead_start]
                names = _names_with_values(scenes[:number], found, len(run)) if not own else []
            if len(names) == len(run):
                rule = "respectively" if named else "parallel_lists"
                for scene, name in zip(run, names, strict=True):
                    found[scene] = Choice(name, rule)
        number += len(run)
    return found


def _values_of_run(scenes: Sequence[Scene], first: int) -> list[Scene]:
    run = [scenes[first]]
    repeated = ""
    if at := scenes[first].gap.rfind(_RESPECTIVELY) + 1:
        repeated = scenes[first].gap[at + 1 :].strip()
    for scene in scenes[first + 1 :]:
        gap = scene.gap.replace(repeated, "") if repeated else scene.gap
        if scene.indicators or not _LIST.fullmatch(gap):
            break
        run.append(scene)
    return run


def _names_before(scene: Scene) -> list[Span]:
    """The coordinate indicators right before a value: those joined by 、 or 和."""
    own = [i for i in scene.indicators if i.start >= scene.lead_start]
    names: list[Span] = []
    for indicator in reversed(own):
        if names and not _JOIN.fullmatch(scene.text[indicator.end : names[0].start]):
            break
        names.insert(0, indicator)
    return names


def _names_with_values(
    scenes: Sequence[Scene], found: dict[Scene, Link], count: int
) -> list[Span]:
    names: list[Span] = []
    for scene in reversed(scenes):
        name = found[scene].answer if scene in found else None
        if name is None:
            name = choose_indicator(scene, {}).answer
        if name is not None and name not in names:
            names.insert(0, name)
        if len(names) == count:
            break
    return names


def choose_indicator(scene: Scene, distributed: dict[Scene, Link]) -> Link:
    """The answer of the first rule that has one."""
    if scene in distributed:
        return distributed[scene]
    for rule in _RULES:
        if link := rule(scene):
            return link
    return Choice(None, "none", note="没有找到它度量的指标")


def _topic(scene: Scene) -> Link | None:
    """The indicator of the value before, as long as it is near."""
    before = scene.earlier
    return before.indicator if before is not None else None


def _own(scene: Scene, *, clause: bool = True) -> list[Span]:
    """Indicators before the value that no earlier value has taken and that are no comparison."""
    start = scene.lead_start if clause else scene.gap_start
    taken = scene.previous.indicator.answer if scene.previous else None
    names = [i for i in scene.indicators if i.start >= start and i is not taken]
    return [i for i in names if not _COMPARED.search(scene.text[max(start, i.start - 8) : i.start])]


def _attached_after(scene: Scene) -> Span | None:
    following = scene.following
    if following is None or following.label != "指标":
        return None
    between = scene.text[scene.end : following.start]
    return following if _ATTACHED.fullmatch(between) else None


def _adjacent_values(scene: Scene) -> Link | None:
    """「贫困户64户201人」, 「从11家增加到46家」, 「保90争95」: one indicator, several values."""
    before = scene.previous
    if before is None or scene.indicators or not before.indicator.answer:
        return None
    gap = scene.gap
    if not gap.strip() or _RUN.fullmatch(gap):
        return Choice(before.indicator.answer, "adjacent_values")
    if _FROM_TO.fullmatch(gap):
        return Choice(before.indicator.answer, "from_to", ((before.end, scene.start),))
    return None


def _share_numerator(scene: Scene) -> Link | None:
    """「X占Y的12%」 measures X; Y where X has no name."""
    if scene.measure != "share":
        return None
    if scene.unit_text in ("%", "成", "％", "‰") or not scene.unit_text:
        after = _attached_after(scene)
        if after and not scene.lead.strip("，,、有近约以在 "):
            return Choice(after, "share_of_following")
    lead = scene.lead
    at = lead.find("占")
    if at < 0:
        return None
    position = scene.lead_start + at
    numerators = [i for i in _own(scene) if i.start < position]
    if numerators:
        return Choice(numerators[-1], "share_numerator")
    subject = lead[:at].strip("，,、；; ")
    topic = _topic(scene)
    if _EMPTY_LEAD.fullmatch(subject) and scene.previous and topic and topic.answer:
        return Choice(topic.answer, "share_topic")
    denominators = [i for i in scene.indicators if i.start >= position]
    if denominators:
        return Choice(denominators[-1], "share_denominator")
    return None


def _before(scene: Scene) -> Link | None:
    """「专利申请813件」: the nearest name before the value in its clause."""
    names = _own(scene)
    if not names:
        return None
    after = _attached_after(scene)
    between = scene.text[names[-1].end : scene.start]
    if after and between.strip("”\"约近共达有的为"):
        return None
    return Choice(names[-1], "before" if len(between) <= 4 else "before_far")


def _counted_after(scene: Scene) -> Link | None:
    """「46名科技特派员」: the name right after the value and its unit."""
    after = _attached_after(scene)
    return Choice(after, "after") if after else None


def _change_topic(scene: Scene) -> Link | None:
    """「…813件，比上年增长78%」: a change or share belongs to the level before it."""
    if scene.measure == "level":
        return None
    topic = _topic(scene)
    if topic is None or topic.answer is None:
        return None
    if scene.previous is not None:
        return Choice(topic.answer, "change_topic")
    return Choice(topic.answer, "change_topic_before") if _near(scene) else None


def _near(scene: Scene) -> bool:
    """Whether the value before stands in the sentence just before, in the same line."""
    before = scene.earlier
    return (
        before is not None
        and before.sentence.end + 2 >= scene.sentence.start
        and "\n" not in scene.text[before.end : scene.start]
    )


def _same_unit(scene: Scene, other: Scene) -> bool:
    mine, theirs = scene.unit_text, other.unit_text
    return mine == theirs or (mine in _PEOPLE and theirs in _PEOPLE)


def _ellipsis(scene: Scene) -> Link | None:
    """「其中省级1家、市级3家」, 「申报42项，立项19项」: the name of an earlier value, same unit."""
    if scene.indicators and _own(scene):
        return None
    if scene.unit_text in _TIMES_UNITS:
        return None
    head = scene.earlier
    steps = 0
    while head is not None and steps < 6:
        name = head.indicator.answer
        if name and _same_unit(scene, head) and head.measure == "level":
            if head.sentence.start == scene.sentence.start:
                return Choice(name, "ellipsis")
            if "\n" not in scene.text[head.end : scene.start] and steps < 4:
                return Choice(name, "ellipsis_before")
            return None
        head = head.earlier
        steps += 1
    return None


def _earlier_clause(scene: Scene) -> Link | None:
    """「专利申请量突破千件大关，达到1082件」: the name in the clause before."""
    names = _own(scene, clause=False)
    if not names or not _EMPTY_LEAD.fullmatch(scene.lead.strip()):
        return None
    return Choice(names[-1], "earlier_clause")


def _later_in_clause(scene: Scene) -> Link | None:
    """「3000万元的科技贷款风险补偿资金池」, 「2300亩高标准黄精基地」: with words between."""
    following = scene.following
    if following is None or following.label != "指标" or following.start >= scene.clause.end:
        return None
    after = scene.next
    if after is not None and after.start - following.end <= 1:
        return None
    between = scene.text[scene.end : following.start]
    if len(between) <= 8:
        return Choice(following, "later_in_clause")
    return None


_RULES: tuple[Callable[[Scene], Link | None], ...] = (
    _adjacent_values,
    _share_numerator,
    _before,
    _counted_after,
    _change_topic,
    _later_in_clause,
    _earlier_clause,
    _ellipsis,
)


def choose_qualifier(scene: Scene) -> Choice[tuple[int, int] | None]:
    """The words that narrow an indicator carried over from an earlier value."""
    if scene.indicator.rule not in ("ellipsis", "ellipsis_before", "share_denominator"):
        return Choice(None, "none")
    start, end = scene.lead_start, scene.value.start
    if scene.indicator.rule == "share_denominator":
        end = scene.lead_start + scene.lead.find("占")
    words = scene.text[start:end]
    if match := _STRIP_BEFORE.match(words):
        start += match.end()
    if match := _STRIP_AFTER.search(scene.text[start:end]):
        end = start + match.start()
    words = scene.text[start:end]
    if words and not _TOTAL.fullmatch(words):
        if len(words) <= _QUALIFIER_LENGTH:
            return Choice((start, end), "before_value")
        return Choice(None, "none")
    if words:
        return Choice(None, "none")
    tail = scene.tail
    match = _AFTER_FILLER.match(tail)
    start = scene.end + (match.end() if match else 0)
    words = scene.text[start : scene.end + len(tail)].rstrip("、和与及， ")
    if 1 < len(words) <= _QUALIFIER_LENGTH:
        return Choice((start, start + len(words)), "after_value")
    return Choice(None, "none")
