"""Actual or target: plan sections and plan words against results."""

from __future__ import annotations

import re

from zhibiao.linking.choices import Choice
from zhibiao.linking.scene import Scene
from zhibiao.linking.structure import Section, Slice, Structure, is_plan_title
from zhibiao.linking.years import Calendar
from zhibiao.spans import Span

__all__ = ["Statuses"]

_AIM = re.compile(
    r"(?<!奋)力争(?![先上])|争取(?=[^，。；]{0,20}(?:达|突破|实现|新增|完成|超))|确保|拟(?!终止)|目标[是为：:]|目标值|预期目标|奋斗目标|下一步|下一年|明年|要达到|将达到?"
    r"|将(?:新增|完成|建成|实现|投入|突破|超过)|有望|预计(?=明年|到)"
)
_POLICY = re.compile(
    r"(?:给予|予以|按照?|享受|提供)[^，。；]{0,24}(?:奖励|补助|补贴|资助|支持|奖补|贴息|扶持)|(?:一次性|最高|再)(?:给予|奖励|补助|补贴|资助)"
    r"|不超过|最高(?:可|给予|奖励|补助|支持)|上限|原则上|规定的|要求的|(?:应|须|不得)[^，。；]{0,8}(?:低于|少于|高于|超过|达到)"
    r"|每年不少于|每年投入[^，。；]{0,12}不少于|对[^，。；]{2,30}的[，,]"
)
_DONE = re.compile(r"已(?!经?明确)|完成了|实现了|达到了|新增了|截至|截止|目前|实际完成")
# 为市下达任务120件, 任务书要求的0.08毫米, 合同约定15人: somebody asked for so much.
_ASSIGNED = re.compile(
    r"(?:下达|考核|规定|约定|要求|核定|确定)(?:的)?(?:任务|目标|要求|计划|指标|标准)?(?:数|值)?(?:的|为|是)?$"
    r"|(?:[，,（(]|^)设计$|按照?$|(?:年度|全年|年初|目标)(?:任务|目标)(?:数|值)?(?:为|是)?$"
)
_NEAR_YEARS = frozenset(("same_sentence", "same_paragraph", "lead_in", "heading"))
_PLANNED_NAME = re.compile(r"^(?:计划(?!生育|单列)|拟|规划|预期|目标|设计)")


class Statuses:
    """The status of the values of one report."""

    def __init__(self, structure: Structure, calendar: Calendar) -> None:
        self._structure = structure
        self._calendar = calendar
        head = structure.text[: structure.head.end]
        self._verdicts: dict[int, tuple[bool | None, Slice]] = {}
        self._plan_report = is_plan_title(head)

    def of(self, scene: Scene, year: Choice[Span | None]) -> Choice[str]:
        """The first rule that answers; actual where none does. ``year`` is the value's year."""
        text = scene.text
        before = text[scene.sentence.start : scene.start]
        lead = scene.lead
        name = scene.indicator.answer
        if name and scene.lead_start <= name.start < scene.start:
            if _PLANNED_NAME.match(text[name.start : name.end]):
                return Choice("target", "planned_name", ((name.start, name.end),))
            lead = text[name.end : scene.start]
        if match := _ASSIGNED.search(lead):
            at = scene.start - len(lead) + match.start()
            return Choice("target", "assigned", ((at, scene.start),))
        in_plan, heading = self._section(scene.start)
        if year.answer and year.rule == "same_sentence" and self._calendar.is_past(year.answer):
            return Choice("actual", "past_year", ((year.answer.start, year.answer.end),))
        if in_plan:
            return Choice("target", "plan_section", ((heading.start, heading.end),))
        aim = list(_AIM.finditer(before))
        if aim and not _DONE.search(before, aim[-1].end()):
            at = scene.sentence.start + aim[-1].start()
            return Choice("target", "aim_word", ((at, at + len(aim[-1].group())),))
        policy = _POLICY.search(before, max(0, len(before) - 60))
        if policy and not _DONE.search(before):
            at = scene.sentence.start + policy.start()
            return Choice("target", "policy", ((at, at + len(policy.group())),))
        if year.answer and year.rule in _NEAR_YEARS and self._calendar.is_future(year.answer):
            return Choice("target", "future_year", ((year.answer.start, year.answer.end),))
        if opening := self._structure.plan_opening(scene.start):
            return Choice("target", "plan_paragraph", ((opening.start, opening.end),))
        if in_plan is None and self._plan_report and not _DONE.search(before):
            return Choice("target", "plan_report")
        return Choice("actual", "actual")

    def planned(self, scene: Scene) -> bool:
        """Whether the value stands in a part of the report that looks ahead."""
        verdict, _ = self._section(scene.start)
        return self._plan_report if verdict is None else verdict

    def _section(self, offset: int) -> tuple[bool | None, Slice]:
        """Whether the sections around plan, report or do neither; the heading that tells."""
        section = self._structure.section(offset)
        if section is None:
            return None, Slice(0, 0)
        if section.start not in self._verdicts:
            self._verdicts[section.start] = self._verdict(section)
        return self._verdicts[section.start]

    def _verdict(self, section: Section) -> tuple[bool | None, Slice]:
        for around in section.chain():
            if self._calendar.future_heading(around):
                return True, around.title
            if around.plan is not None:
                return around.plan, around.title
        return None, section.title
