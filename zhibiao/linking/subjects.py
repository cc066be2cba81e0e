"""The named organisations that own, give, receive or achieve a value."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence

from zhibiao.linking.choices import Choice
from zhibiao.linking.scene import Scene
from zhibiao.spans import Span

__all__ = ["Subjects"]

Group = tuple[Span, ...]

# 甲公司、乙大学和丙院; 太行药业中药提取智能化、晋源新材镁合金轮毂等项目: with what each does.
_JOIN = re.compile(
    r"[”\"）)]?\s*(?:[、和与及同]|以及|会同|联合)?\s*[“\"（(]?|(?:[^，。；、,;]{0,12})、[“\"]?"
)
_SEGMENT_END = re.compile(r"[；;]")
# A region or the writer takes over: 「…，全县专利申请813件」.
_REGION = re.compile(
    r"(?:[，,、：:]|^)(?:[^，。；,;]{0,6}?)(?:全[省市县区旗州镇乡国行院校]|各[地县区镇])"
    r"|(?:[，,：:]|^)(?:公司|集团|本行)(?!全资|控股)"
)
_WRITER = re.compile(r"[，,、：:](?:[^，。；,;]{0,6}?)我[省市县区局院校们行]")
# Led by, approved by, given to, founded: the organisation does not act.
_NOT_BEFORE = re.compile(
    r"(?:在|配合|根据|按照?|经|受|被|获得?|向|报|对|到|赴|往|至|入驻|通过|列入|纳入|位于|从|来自|代表|围绕|授予"
    r"|出席|参加|接受|服从|听取|贯彻|落实|上报|送|是|为|成为|以|把|将|居|对接|聘请|成立|建立|组建|新建|筹建|建成|创建|设立)$"
)
_NOT_AFTER = re.compile(
    r"(?:的|和[^，。；]{1,12}的)?[^，。；、]{0,4}(?:(?:领导|指导|支持|关心|帮助|监督)下|部署(?=[下，,和])|安排下|要求|精神|批准|下达|授予)"
)
# 「与A大学建立合作关系，引进博士12名」: who we work with does not do what follows.
_WITH = re.compile(r"(?:^|[，,；;。：:\s])(?:并|还|先后|分别)?[与同和]$")
_PARTNER = re.compile(
    r"等?[^，。；、]{0,6}(?:建立|签[订署约]|达成|结成|对接|开展[^，。；]{0,6}合作)"
)
_OPENS = re.compile(r"[，,：:；;。\s“\"（(、由如—]$")
_COUNTED = re.compile(r"[”\"）)]?等?[“\"]?")
_LISTED = re.compile(r"\s*[，,]?(?:即|分别[是为]|[（(：:])(?:是|为|有)?[“\"]?")
_OF = re.compile(r"(?:以上|左右)?的[“\"]?")


class Subjects:
    """The organisations of a report and how they hang together."""

    def __init__(self, text: str, spans: Sequence[Span]) -> None:
        self._text = text
        self._spans = [span for span in spans if span.label in ("机构", "企业名")]
        self._starts = [span.start for span in self._spans]

    def of(self, scene: Scene) -> Choice[Group]:
        """The group that opens a clause before the value, the nearest else, or one after it."""
        if listed := self._after(scene):
            return listed
        start, taken = self._part(scene)
        groups = list(self._groups(start, scene))
        counted = self._counted(start, scene)
        for group in reversed(groups):
            if counted and group[-1].end <= scene.clause.start:
                break
            if self._opens_clause(group, scene):
                return Choice(group, "opens_clause")
        if counted:
            return Choice(counted, "counted")
        if groups and not taken:
            return Choice(groups[-1], "in_clause")
        return Choice((), "region" if taken else "none")

    def _part(self, scene: Scene) -> tuple[int, bool]:
        """Where the value's part of the sentence begins, and whether 全县 or 公司 opens it."""
        start = scene.sentence.start
        words = self._text[start : scene.start]
        for match in _SEGMENT_END.finditer(words):
            start = scene.sentence.start + match.end()
        words = self._text[start : scene.start]
        for match in _WRITER.finditer(words):
            start += match.end()
        words = self._text[start : scene.start]
        regions = list(_REGION.finditer(words))
        return (start + regions[-1].start(), True) if regions else (start, False)

    def _groups(self, start: int, scene: Scene) -> Iterator[Group]:
        """The acting groups between an offset and the value, from left to right."""
        text = self._text
        inside = self._spans[
            bisect_left(self._starts, start) : bisect_left(self._starts, scene.start)
        ]
        group: list[Span] = []
        for span in inside:
            if group and not _JOIN.fullmatch(text, group[-1].end, span.start):
                if self._acts(group, start, scene):
                    yield tuple(group)
                group = []
            group.append(span)
        if group and self._acts(group, start, scene):
            yield tuple(group)

    def _counted(self, start: int, scene: Scene) -> Group:
        """「对甲公司、乙公司等12家供应商」: those counted, whatever is done with them."""
        group: list[Span] = []
        number = bisect_left(self._starts, scene.start) - 1
        while number >= 0 and self._starts[number] >= start:
            span = self._spans[number]
            after = group[0].start if group else scene.start
            joined = _JOIN if group else _COUNTED
            if not joined.fullmatch(self._text, span.end, after):
                break
            group.insert(0, span)
            number -= 1
        return tuple(group) if len(group) > 1 else ()

    def _acts(self, group: Sequence[Span], start: int, scene: Scene) -> bool:
        before = self._text[max(start, group[0].start - 4) : group[0].start].rstrip('“"')
        if _NOT_BEFORE.search(before):
            return False
        end = group[-1].end
        if end < scene.clause.start and _WITH.search(before) and _PARTNER.match(self._text, end):
            return False
        return not _NOT_AFTER.match(self._text, end, scene.start)

    def _opens_clause(self, group: Group, scene: Scene) -> bool:
        start = group[0].start
        return start == scene.sentence.start or bool(
            _OPENS.search(self._text[max(scene.sentence.start, start - 1) : start])
        )

    def _after(self, scene: Scene) -> Choice[Group] | None:
        """「3家，即甲院、乙院、丙院」, 「总投资12亿元的天士达玻璃」."""
        number = bisect_left(self._starts, scene.end)
        if number == len(self._spans) or self._starts[number] >= scene.sentence.end:
            return None
        first = self._spans[number]
        if _OF.fullmatch(self._text, scene.end, first.start):
            return Choice((first,), "of_organisation")
        if not _LISTED.fullmatch(self._text, scene.end, first.start):
            return None
        group = [first]
        for span in self._spans[number + 1 :]:
            if not _JOIN.fullmatch(self._text, group[-1].end, span.start):
                break
            group.append(span)
        return Choice(tuple(group), "listed_after")
