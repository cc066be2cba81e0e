"""The named organisations that own, give, receive or achieve a value."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence

from zhibiao.linking.choices import Choice
from zhibiao.linking.scene import Scene
from zhibiao.spans import Span

__all__ = ["Subjects"]

Group = tuple[Span, ...]

_JOIN = re.compile(r"[”\"）)]?\s*(?:[、，,和与及同]|以及|会同|联合|等)?\s*[“\"（(]?")
_COORDINATE = re.compile(r"[”\"]?(?:[^，。；、]{0,24})[、和与及][“\"]?")
# Those guided by, approved by, cooperating with an organisation: it is not the subject.
_NOT_BEFORE = re.compile(
    r"(?:在|配合|根据|按照?|经|受|被|获得?|向|报|对|到|赴|往|至|入驻|依托|通过|列入|纳入|位于|属于|从|来自|代表|围绕|争取|授予"
    r"|出席|参加|接受|服从|听取|贯彻|落实|协助|请|聘请|邀请|上报|送|是|为|成为|以|把|将|居|支持|服务)$"
)
_NOT_AFTER = re.compile(
    r"[^，。；]{0,4}(?:的)?(?:[^，。；]{0,10}(?:领导下|指导下|支持下|关心下|帮助下|部署|安排|要求|精神|批准|审批|认定|下达|授予|评为|"
    r"评审|验收|鉴定|表彰|文件|通知|规定|办法|名单|立项|组织的))"
)


class Subjects:
    """The organisations of a report and how they hang together."""

    def __init__(self, text: str, spans: Sequence[Span]) -> None:
        self._text = text
        self._spans = [span for span in spans if span.label in ("机构", "企业名")]
        self._starts = [span.start for span in self._spans]

    def of(self, scene: Scene) -> Choice[Group]:
        """The nearest group before the value in its sentence, else one listed after it."""
        first = bisect_left(self._starts, scene.sentence.start)
        last = bisect_left(self._starts, scene.start)
        inside = self._spans[first:last]
        group = self._group(inside, scene)
        if group:
            rule = "clause" if group[-1].end > scene.clause.start else "sentence"
            return Choice(group, rule)
        return Choice((), "none")

    def _group(self, inside: Sequence[Span], scene: Scene) -> Group:
        group: list[Span] = []
        for span in reversed(inside):
            if group:
                between = self._text[span.end : group[0].start]
                if not _JOIN.fullmatch(between):
                    break
            group.insert(0, span)
        if not group or not self._acts(group[0], group[-1], scene):
            return ()
        return tuple(group)

    def _acts(self, first: Span, last: Span, scene: Scene) -> bool:
        before = self._text[max(scene.sentence.start, first.start - 4) : first.start]
        if _NOT_BEFORE.search(before.rstrip("“\"")):
            return False
        return not _NOT_AFTER.match(self._text[last.end : min(scene.start, last.end + 20)])
