"""The indicator of a value: the rules of the records' specification, in turn."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from zhibiao.linking.choices import Choice
from zhibiao.linking.scene import Scene
from zhibiao.spans import Span

__all__ = ["choose_indicator", "distribute"]

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
_REST = re.compile(r"其[他它余]")
_COMPARED = re.compile(
    r"(?:(?<![对评占])比(?![赛例重])|(?<!比)较(?![大多强高好])|高于|低于|快于|慢于|优于)[^，。；]{0,6}$"
    r"|占(?:到|了)?[^，。；]{0,6}$|[与同]$"
)
_TIMES_UNITS = frozenset(("次", "余次", "趟", "回", "遍", "轮", "场次", "批次"))
_PEOPLE = frozenset(("人", "名", "位"))
_RATIOS = frozenset(("%", "％", "‰", "成", "倍", "番", "个百分点", "百分点", "个点"))
_MAGNITUDE = re.compile(r"^[十百千万亿]+(?=.)")
_EMPTY_LEAD = re.compile(
    r"(?:[、，,和与及以\s]|其中|另有?|还有|仅|约|近|共|就|只|均|都|已|总[数量计]|合计|累计|共计|达到?|为|有|是|也|且|则"
    r"|超过|超|突破|力争|争取|确保|同比|环比|增长|增加|年均|每年|全年|规模|不少于|不低于|至少|实际|实有|在)*"
)
_LOOK_BACK = 8  # values; farther back nothing is carried over, and the cost stays bounded


def distribute(scenes: Sequence[Scene], number: int) -> list[Link]:
    """分别 and lists of names with lists of values: the first name to the first value.

    「产值、增加值分别增长26.3%和24.9%」; 「…18亿元，…5亿元，分别增长26%和24%」 where the names
    stand with earlier values; 「A、B、C 3家、2家、1家」 without 分别 where the counts agree.
    The links of the values from ``number`` on that form a list, or nothing.
    """
    first = scenes[number]
    named = _RESPECTIVELY in first.gap
    names = _names_before(first)
    if not named and len(names) < 2:
        return []
    run = _values_of_run(scenes, number)
    if len(run) < 2:
        return []
    if named and not names:
        names = _names_with_values(scenes[:number], len(run))
    if len(names) != len(run):
        return []
    rule = "respectively" if named else "parallel_lists"
    return [Choice(name, rule) for name in names]


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


def _names_with_values(scenes: Sequence[Scene], count: int) -> list[Span]:
    """The last indicators, each with its own value, of the values before."""
    names: list[Span] = []
    for scene in reversed(scenes):
        name = scene.indicator.answer
        if name is not None and name not in names:
            names.insert(0, name)
        if len(names) == count:
            break
    return names


def choose_indicator(scene: Scene) -> Link:
    """The answer of the first rule that has one."""
    for rule in _RULES:
        if link := rule(scene):
            return link
    return Choice(None, "none", note="没有找到它度量的指标")


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
    if scene.measure.answer != "share":
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
    unvalued = [i for i in _own(scene, clause=False) if i.start < scene.lead_start]
    if unvalued and _EMPTY_LEAD.fullmatch(subject):
        return Choice(unvalued[-1], "share_earlier_clause")
    if _EMPTY_LEAD.fullmatch(subject) and scene.previous and scene.previous.indicator.answer:
        return Choice(scene.previous.indicator.answer, "share_topic")
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
    if after and between.strip('”"约近共达有的为'):
        return None
    return Choice(names[-1], "before" if len(between) <= 4 else "before_far")


def _counted_after(scene: Scene) -> Link | None:
    """「46名科技特派员」: the name right after the value and its unit."""
    after = _attached_after(scene)
    return Choice(after, "after") if after else None


def _change_topic(scene: Scene) -> Link | None:
    """「…813件，比上年增长78%」: a change or share belongs to the level before it."""
    before = scene.earlier
    if scene.measure.answer == "level" or before is None or before.indicator.answer is None:
        return None
    if not scene.unit_text or scene.unit_text in _RATIOS or _comparable(scene, before):
        if scene.previous is not None:
            return Choice(before.indicator.answer, "change_topic")
        if _near(scene):
            return Choice(before.indicator.answer, "change_topic_before")
    return None


def _comparable(scene: Scene, other: Scene) -> bool:
    """Whether two units differ in nothing but 万 and 亿."""
    mine, theirs = (_MAGNITUDE.sub("", s.unit_text) for s in (scene, other))
    return mine == theirs


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
    if scene.unit_text in _TIMES_UNITS or _own(scene):
        return None
    is_sum = scene.unit_text.endswith("元")
    head = scene.earlier
    for _ in range(_LOOK_BACK):
        if head is None or "\n" in scene.text[head.end : scene.start]:
            return None
        same_sentence = head.sentence.start == scene.sentence.start
        is_rate = head.measure.answer != "level"
        if is_sum and not (same_sentence and (is_rate or _comparable(scene, head))):
            return None  # 「检查企业58家，罚款4.2万元」: sums are spent on something of their own
        level = head.measure.answer == "level" or scene.unit_text not in _RATIOS
        # A name inside 「其中…」 is narrower than what later sentences, or 其他, go on about.
        passed = _is_among(head) and (not same_sentence or _REST.search(scene.lead))
        if head.indicator.answer and level and not passed and _same_unit(scene, head):
            if same_sentence:
                return Choice(head.indicator.answer, "ellipsis")
            return (
                None if _has_new_topic(scene) else Choice(head.indicator.answer, "ellipsis_before")
            )
        head = head.earlier
    return None


def _has_new_topic(scene: Scene) -> bool:
    """Whether an earlier value of the sentence has brought an indicator of its own."""
    before = scene.previous
    return (
        before is not None
        and before.indicator.rule != "ellipsis_before"
        and (before.indicator.rule != "ellipsis")
    )


def _is_among(scene: Scene) -> bool:
    """Whether a value stands in a list after 其中."""
    for _ in range(_LOOK_BACK):
        if "其中" in scene.gap:
            return True
        if scene.previous is None or re.search(r"[，,；;]", scene.gap):
            return False
        scene = scene.previous
    return False


def _earlier_clause(scene: Scene) -> Link | None:
    """「专利申请量突破千件大关，达到1082件」: the name in the clause before."""
    names = _own(scene, clause=False)
    if not names:
        return None
    if _EMPTY_LEAD.fullmatch(scene.lead.strip()):
        return Choice(names[-1], "earlier_clause")
    return Choice(names[-1], "earlier_clause_far") if len(scene.lead) <= 6 else None


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
