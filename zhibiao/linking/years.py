"""The year of a value, and the year that a report is about."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

from zhibiao.linking.choices import Choice
from zhibiao.linking.scene import Scene
from zhibiao.linking.structure import Section, Structure, is_plan_title
from zhibiao.linking.year_words import RELATIVE, year_value
from zhibiao.spans import Span

__all__ = ["Calendar"]

# 2014-01-06, and a line that ends with 2015年3月26日: when the page was published or signed.
_DATE_AFTER = re.compile(
    r"\s*[-./]\s*\d{1,2}\s*[-./]\s*\d"
    r"|年?\s*(?:\d{1,2}|[一二三四五六七八九十]+)月\s*(?:\d{1,2}|[一二三四五六七八九十]+)日\s*[）)]?\s*(?:\n|$)"
)
# 比上年、较2015年同期、以2015年为基数、是“十二五”时期的1.4倍: the year compared with.
_COMPARED = re.compile(r"(?:[比较]|相比|同比|对比|高于|低于|多于|少于|超过|等于|当于)[“\"]?$")
_BASE_BEFORE = re.compile(r"(?:[以在与同按]|相对于?)[“\"]?$")
_BASE_AFTER = re.compile(r"[^，,。；\n]{0,8}?(?:为基数|为基期|的?基础上|相比|比较|同期|持平)")
_TIMES_BEFORE = re.compile(r"(?:[是为达]|相当于|达到)[“\"]?$")
_TIMES_AFTER = re.compile(
    r"[”\"]?(?:时期|同期|末|底|全年|度)*的\s*[\d.一二两三四五六七八九十百近约多]+(?:倍|%|％|成)"
)
# 「执行期2019年7月至2022年6月」: a term, in which no value of the sentence was measured.
_TERM_BEFORE = re.compile(r"年\d{1,2}月(?:\d{1,2}日)?\s*[至到—~-]+\s*$")
_TERM_AFTER = re.compile(r"\d{1,2}月(?:\d{1,2}日)?\s*[至到—~-]+\s*\d{4}")
_DRAFTED = re.compile(r"(?:编制|制定|编写|谋划|起草|出台|印发)[^，。；]{0,6}[“\"]?$")
# 「是“十三五”的开局之年」, 「编制“十三五”规划」: the period is spoken of, not the value's time.
_PHASE = re.compile(
    r"[”\"]?(?:规划|计划|时期|发展)*的?(?:开局|收官|起步|关键|决胜|承上启下|攻坚|第[一二三四五]年|首年|末年|规划(?!期)|重[点大](?:项目|工程))"
)
_PLAN_WORDS = re.compile(
    r"计划|打算|思路|谋划|安排|展望|部署|要点|规划|任务|目标|设想|重点工作|工作重点"
)
_DONE_WORDS = re.compile(
    r"总结|报告|公报|回顾|情况|汇报|小结|年报|述职|完成|进展|分析|盘点|简介|概况"
)
_PAGE_VIEWS = re.compile(r"(?:点击|浏览|阅读|访问)(?:次数|数|量|率)?\s*[：:]\s*[【\[（(]?\s*$")
_REACHED = re.compile(r"达到?|[增提升扩降减]\w{0,2}[到至]|突破|拥有量|[率度]$")
_DURING = re.compile(r"累计(?!完成投资)|五年|期间")
_FROM = re.compile(r"(?:[由从]|原来|过去|年初)(?:过去|原来|年初|原先|以前|之前|当初)?的?$")
_UP_TO = re.compile(r"[^，。；、\d]{0,6}[到至为]")


class Calendar:
    """The year expressions of a report, and which of them holds for a value."""

    def __init__(self, text: str, spans: Sequence[Span], structure: Structure) -> None:
        self._text = text
        self._structure = structure
        years = [span for span in spans if span.label == "年份"]
        self.any_year = bool(years)
        self._bases = {y for y in years if self._is_base(y)}
        dates = {y for y in years if _DATE_AFTER.match(text, y.end)}
        self._years = [y for y in years if y not in self._bases and y not in dates]
        self._starts = [y.start for y in self._years]
        self._all_bases = sorted(self._bases)
        self._base_starts = [y.start for y in self._all_bases]
        self._headings: dict[int, list[Span]] = {}
        head = [y for y in self._years if y.start < structure.head.end]
        # The way to a page, 「首页 > 工作总结 > …」, repeats its title.
        self.title_years = [y for y in head if ">" not in self._line_before(y)] or head
        self._counts = self._body_counts()
        self.current, self.source = self._infer(self.title_years, years)
        self.now = self._find_now()
        self._is_address = "政府工作报告" in text[: structure.head.end]
        self._reviewed = self._find_reviewed()
        self.doubt = self._find_doubt()

    def _line_before(self, year: Span) -> str:
        return self._text[self._text.rfind("\n", 0, year.start) + 1 : year.start]

    def _is_base(self, year: Span) -> bool:
        before = self._text[max(0, year.start - 10) : year.start]
        if _COMPARED.search(before):
            return True
        if _BASE_BEFORE.search(before) and _BASE_AFTER.match(self._text, year.end):
            return True
        in_title = year.start < self._structure.head.end
        if (
            not in_title
            and self._text[year.start : year.end].endswith("五")
            and (_PHASE.match(self._text, year.end) or _DRAFTED.search(before))
        ):
            return True
        if _TERM_BEFORE.search(self._text[max(0, year.start - 12) : year.start]):
            return True
        if _TERM_AFTER.match(self._text, year.end):
            return True
        return bool(_TIMES_BEFORE.search(before) and _TIMES_AFTER.match(self._text, year.end))

    def _infer(self, title: list[Span], years: list[Span]) -> tuple[str, str]:
        """The year that 今年 means, and where it comes from: title, text, date or nowhere."""
        text = self._text
        plans = []
        for number, year in enumerate(title):
            stop = title[number + 1].start if number + 1 < len(title) else year.end + 24
            words = text[year.end : stop].split("\n")[0]
            value = year_value(text[year.start : year.end], "")
            if not value or "-" in value:
                continue
            plan, done = _PLAN_WORDS.search(words), _DONE_WORDS.search(words)
            if plan and not (done and done.start() < plan.start()):
                plans.append(value)
                continue
            return value, "title"
        if plans:
            return plans[0], "title"
        if self._counts:
            # The year named most often; of several the first, as Counter keeps their order.
            return self._counts.most_common(1)[0][0], "text"
        for year in years:
            if value := year_value(text[year.start : year.end], ""):
                return value, "date"
        return "", "nowhere"

    def _body_counts(self) -> Counter[str]:
        """How often the text below the title names each single year, plans left out."""
        counts: Counter[str] = Counter()
        for year in self._years:
            section = self._structure.section(year.start)
            if year.start < self._structure.head.end or (
                (section and any(around.plan for around in section.chain()))
                or self._structure.plan_opening(year.start)
            ):
                continue
            value = year_value(self._text[year.start : year.end], "")
            if value and "-" not in value:
                counts[value] += 1
        return counts

    def _find_now(self) -> str:
        """The year that divides past from future, four digits or nothing.

        For a plan of 2011-2015 it is 2011, whatever years its text names.
        """
        head = self._text[: self._structure.head.end]
        periods = [v for v in map(self.value, self.title_years) if "-" in v]
        if periods and self.source != "title" and is_plan_title(head):
            return periods[0][:4]
        return self.current if self.current.isdigit() else ""

    def _find_reviewed(self) -> Span | None:
        """「2008年政府工作报告」 reviews 2007: the year that its first paragraph names."""
        head = self._structure.head.end
        position = bisect_left(self._starts, head)
        if not self._is_address or position == len(self._years):
            return None
        year = self._years[position]
        before = str(int(self.current) - 1) if self.current.isdigit() else ""
        return year if self.value(year) == before else None

    def _find_doubt(self) -> str:
        """What makes the report's year doubtful, in Chinese, or nothing."""
        if self.source == "nowhere":
            return "推不出文档的年份"
        if self.source == "date":
            return f"文档的年份只见于日期，按{self.current}推算"
        if self.source == "title" and self._counts and not self._counts[self.current]:
            other, count = self._counts.most_common(1)[0]
            if count > 1 and self.current.isdigit() and other.isdigit():
                return f"标题写{self.current}年，正文多写{other}年，两者矛盾"
        return ""

    def is_doubtful(self, year: Span) -> bool:
        """Whether the meaning of a year expression rests on a doubtful year of the report."""
        if not self.doubt:
            return False
        return year in self.title_years or self._text[year.start : year.end] in RELATIVE

    def value(self, year: Span) -> str:
        """What a year expression of the report means where it stands."""
        words = self._text[year.start : year.end]
        current = self.current
        if words in RELATIVE and (own := self._section_year(year.start)):
            step = RELATIVE[words]
            # 今年 under 「三、2021年重点工作」 is 2021, whatever the title says; 明年 as well.
            if step == 0 or (step == 1 and self.source != "title"):
                return own
        return year_value(words, current)

    def _section_year(self, offset: int) -> str:
        section = self._structure.section(offset)
        while section is not None:
            if section.plan:
                for year in self._in_title(section):
                    value = year_value(self._text[year.start : year.end], "")
                    if value.isdigit():
                        return value
            section = section.parent
        return ""

    def _in_title(self, section: Section) -> list[Span]:
        found = self._headings.get(section.start)
        if found is None:
            first = bisect_left(self._starts, section.title.start)
            last = bisect_left(self._starts, section.title.end)
            found = self._headings[section.start] = self._years[first:last]
        return found

    def future_heading(self, section: Section) -> bool:
        """Whether a heading names a year after the report's own: 「2015年重点工作」.

        A 政府工作报告 of 2015 is given early that year, and what it says of 2015 is to come.
        """
        years = self._in_title(section)
        if self._is_address and section.plan is None and self.now:
            return bool(years) and all(self.value(year)[:4] >= self.now for year in years)
        return bool(years) and all(self.is_future(year) for year in years)

    def is_future(self, year: Span) -> bool:
        """Whether a year or period begins after the report was written."""
        first = self.value(year)[:4]
        return first.isdigit() and bool(self.now) and first > self.now

    def is_past(self, year: Span) -> bool:
        """Whether a year or period had ended before the report's own year."""
        last = self.value(year)[-4:]
        return last.isdigit() and bool(self.now) and last < self.now

    def of(self, scene: Scene, *, planned: bool) -> Choice[Span | None]:
        """The year expression that holds for a value of running text."""
        if direct := self._direct(scene):
            return Choice(direct, "direct")
        if self._is_former(scene):
            return Choice(None, "former", note="「由…」的基期没有写年份")
        if _PAGE_VIEWS.search(self._text[max(0, scene.start - 12) : scene.start]):
            return Choice(None, "page_views", note="页面的浏览次数，没有年份")
        position = bisect_left(self._starts, scene.start)
        nearest = self._years[position - 1] if position else None
        if nearest and nearest.start >= scene.gap_start:
            return Choice(nearest, "same_sentence")
        if _DURING.search(scene.gap) and (period := self._period(scene)):
            return Choice(period, "period")
        if nearest and nearest.start >= scene.sentence.start:
            return Choice(nearest, "same_sentence")
        if nearest and nearest.start >= self._structure.paragraph_start(scene.start):
            return Choice(nearest, "same_paragraph")
        section = self._structure.section(scene.start)
        for around in section.chain() if section else ():
            if years := self._in_title(around):
                return Choice(self._of_heading(years, scene), "heading")
        # 「到2020年，……具体目标如下：」 leads in the items below it.
        inside = section and nearest and nearest.start >= section.start
        if nearest and inside and self._structure.leads_in(nearest.start):
            return Choice(nearest, "lead_in")
        if self.title_years:
            return Choice(self._title_year(planned=planned), "title")
        if position < len(self._years) and self._years[position].start < scene.sentence.end:
            return Choice(self._years[position], "later_in_sentence")
        for year in self._years:
            if self.current in self._counts and self.value(year) == self.current:
                return Choice(year, "report")
        return Choice(
            None, "none", note="没有找到限定它的年份" if self.any_year else "全文没有年份"
        )

    def _of_heading(self, years: list[Span], scene: Scene) -> Span:
        """「“十三五”及2020年工作回顾」: what is reached belongs to the year, the rest to both."""
        single = [year for year in years if "-" not in self.value(year)]
        if len(years) == 1 or not single or len(single) == len(years):
            return years[0]
        reached = _REACHED.search(scene.lead) and not _DURING.search(scene.gap)
        if reached:
            return single[0]
        return next(year for year in years if year not in single)

    def _period(self, scene: Scene) -> Span | None:
        """「五年累计21.5亿元」 under a heading or title that names a period."""
        section = self._structure.section(scene.start)
        years = [
            y for around in (section.chain() if section else ()) for y in self._in_title(around)
        ]
        return next((y for y in [*years, *self.title_years] if "-" in self.value(y)), None)

    def _title_year(self, *, planned: bool) -> Span:
        values = [self.value(year) for year in self.title_years]
        if self._reviewed and not planned:
            return self._reviewed
        if planned and self.current.isdigit():
            for year, value in zip(self.title_years, values, strict=True):
                if value[:4].isdigit() and value[:4] > self.current:
                    return year
        for year, value in zip(self.title_years, values, strict=True):
            if value == self.current:
                return year
        return self.title_years[0]

    def _direct(self, scene: Scene) -> Span | None:
        """由上年的16.3%, 上年为30件: a year of comparison that the value itself belongs to."""
        position = bisect_left(self._base_starts, scene.start)
        if not position:
            return None
        base = self._all_bases[position - 1]
        if base.start < scene.lead_start:
            return None
        before = self._text[max(0, base.start - 1) : base.start]
        between = self._text[base.end : scene.start]
        if before in ("由", "从") and between in ("的", ""):
            return base
        return None

    def _is_former(self, scene: Scene) -> bool:
        """由46.8元降为31.5元: the first value is of an earlier time that is not named."""
        following = scene.next
        if following is None or not _FROM.search(scene.lead):
            return False
        return bool(_UP_TO.fullmatch(following.gap.strip()))
