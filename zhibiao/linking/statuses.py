"""Actual or target: plan sections and plan words against results."""

from __future__ import annotations

import re

from zhibiao.linking.choices import Choice
from zhibiao.linking.scene import Scene
from zhibiao.linking.structure import Structure, is_plan
from zhibiao.linking.years import Calendar

__all__ = ["Statuses"]

_AIM = re.compile(
    r"力争|争取(?=[^，。；]{0,20}(?:达|突破|实现|新增|完成|超))|确保|拟(?!终止)|目标[是为：:]|目标值|预期目标|奋斗目标|下一步|下一年|明年|要达到|将达到?"
    r"|将(?:新增|完成|建成|实现|投入|突破|超过)|有望|预计(?=明年|到)"
)
_POLICY = re.compile(
    r"(?:给予|予以|按照?|享受|提供)[^，。；]{0,24}(?:奖励|补助|补贴|资助|支持|奖补|贴息|扶持)|(?:一次性|最高|分别|各|再)(?:给予|奖励|补助|补贴|资助)"
    r"|不超过|最高(?:可|给予|奖励|补助|支持)|上限|原则上|规定的|要求的|(?:应|须|不得)[^，。；]{0,8}(?:低于|少于|高于|超过|达到)"
    r"|每年不少于|每年投入[^，。；]{0,12}不少于|对[^，。；]{2,30}的[，,]"
)
_DONE = re.compile(r"已(?!经?明确)|完成了|实现了|实际|达到了|截至|截止|目前|累计|共(?!建|享|同|创|性|识)|(?<!预)期内|全年共|新增了")
_ASSIGNED = re.compile(r"(?:下达|下发|确定|规定|要求|考核|目标|计划|任务)[^，。；、]{0,8}(?:任务|目标|要求|计划|指标)?[^，。；、]{0,6}的?$")
_OF_PLAN = re.compile(r"(?:年度|全年|年初|省市|市|省|县|区)?(?:计划|目标|任务|预算)(?:任务|目标)?(?:数)?的$")
_PLANNED_NAME = re.compile(r"^(?:计划|拟|预算|概算|目标|规划|任务)")
_BASE = re.compile(r"(?:[由从])(?:[^，。；]{0,8}的)?$")


class Statuses:
    """The status of the values of one report."""

    def __init__(self, structure: Structure, calendar: Calendar) -> None:
        self._structure = structure
        self._calendar = calendar
        head = structure.text[: structure.head.end]
        self._plan_report = _is_plan_report(head)

    def of(self, scene: Scene) -> Choice[str]:
        """The first rule that answers; actual where none does."""
        text = scene.text
        before = text[scene.sentence.start : scene.start]
        lead = scene.lead
        name = scene.indicator.answer
        if name and name.end <= scene.start and _PLANNED_NAME.match(text[name.start : name.end]):
            if name.start >= scene.lead_start:
                return Choice("target", "planned_name", ((name.start, name.end),))
        if scene.measure == "level" and _ASSIGNED.search(lead) and not _OF_PLAN.search(lead):
            if not lead.strip().startswith("完成"):
                return Choice("target", "assigned", ((scene.lead_start, scene.start),))
        in_plan = self._section_plan(scene.start)
        if in_plan:
            return Choice("target", "plan_section")
        aim = list(_AIM.finditer(before))
        if aim and not _DONE.search(before, aim[-1].end()):
            at = scene.sentence.start + aim[-1].start()
            return Choice("target", "aim_word", ((at, at + len(aim[-1].group())),))
        policy = _POLICY.search(before, max(0, len(before) - 60))
        if policy and not _DONE.search(before):
            at = scene.sentence.start + policy.start()
            return Choice("target", "policy", ((at, at + len(policy.group())),))
        if self._future_year(scene, before):
            return Choice("target", "future_year")
        if in_plan is None and self._plan_report and not _DONE.search(before):
            return Choice("target", "plan_report")
        return Choice("actual", "actual")

    def _section_plan(self, offset: int) -> bool | None:
        section = self._structure.section(offset)
        for around in section.chain() if section else ():
            if self._calendar.future_heading(around):
                return True
            if around.plan is not None:
                return around.plan
        return None

    def _future_year(self, scene: Scene, before: str) -> bool:
        current = self._calendar.current
        year = self._calendar.of(scene, target=False)
        if year.rule != "same_sentence" or year.answer is None or not current.isdigit():
            return False
        value = self._calendar.value(year.answer)
        return value[-4:].isdigit() and value[-4:] > current and len(value) in (4, 9) and (
            value[:4] > current
        )


def _is_plan_report(head: str) -> bool:
    """Whether the title is that of a plan or a policy and of nothing that reports results."""
    lines = [line for line in head.split("\n") if line.strip()]
    verdicts = [is_plan(line) for line in lines]
    return True in verdicts and False not in verdicts
