"""The year of a value, and the year that a report is about."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

from zhibiao.linking.choices import Choice
from zhibiao.linking.scene import Scene
from zhibiao.linking.structure import Section, Structure
from zhibiao.spans import Span

__all__ = ["Calendar", "year_value"]

_DATE_AFTER = re.compile(r"\s*[-./]\s*\d{1,2}\s*[-./]\s*\d|年?\s*\d{1,2}月\s*\d{1,2}日|年?[一二三四五六七八九十]+月[一二三四五六七八九十]+日")
# 比上年、较2015年同期、以2015年为基数、是“十二五”时期的1.4倍: the year compared with.
_COMPARED = re.compile(r"(?:[比较]|相比|同比|对比|高于|低于|多于|少于|超过|等于|当于)[“\"]?$")
_BASE_BEFORE = re.compile(r"(?:[以在与同按]|相对于?)[“\"]?$")
_BASE_AFTER = re.compile(
    r"[^，,。；\n]{0,8}?(?:为基数|为基期|的?基础上|相比|比较|同期|持平|末总股本)"
)
_TIMES_BEFORE = re.compile(r"(?:[是为达]|相当于|达到)[“\"]?$")
_TIMES_AFTER = re.compile(r"[”\"]?(?:时期|同期|末|底|全年|度)*的\s*[\d.一二两三四五六七八九十百近约多]+(?:倍|%|％|成)")
_RELATIVE = {
    "今年": 0, "本年": 0, "本年度": 0, "今年度": 0, "当年": 0,
    "去年": -1, "上年": -1, "上年度": -1, "上一年": -1, "上一年度": -1, "去年度": -1,
    "前年": -2,
    "明年": 1, "来年": 1, "下年": 1, "下一年": 1, "下年度": 1, "下一年度": 1, "明年度": 1,
}  # fmt: skip
_PLANS = {"十": 2001, "九": 1996, "八": 1991, "七": 1986, "六": 1981}
_DIGITS = str.maketrans("〇○零Ｏ一二三四五六七八九０１２３４５６７８９", "0000123456789" + "0123456789")
_FOUR = re.compile(r"(?:19|20)\d\d")
_RANGE = re.compile(r"((?:19|20)\d\d)\s*年?(?:度)?\s*[-—–－~～至到]+\s*((?:19|20)?\d\d)")
_MASKED = re.compile(r"[\dxX×Ｘ*＊＿_某Oo○〇]{2,4}")
_NUMBERED_PLAN = re.compile(r"十?[一二三四五六七八九]?五")
_PLAN_WORDS = re.compile(r"计划|打算|思路|谋划|安排|展望|部署|要点|规划|任务|目标|设想|重点工作|工作重点")
_DONE_WORDS = re.compile(r"总结|报告|公报|回顾|情况|汇报|小结|年报|述职|完成|进展|分析|盘点|简介|概况")
_FROM = re.compile(r"(?:[由从]|原来|过去|年初)(?:过去|原来|年初|原先|以前|之前|当初)?的?$")
_UP_TO = re.compile(r"[增提上下降减扩缩延调升压拓拉发翻加高长低少至到为]+")


def year_value(words: str, current: str) -> str:
    """What a year expression means: ``2016``, ``2016-2020``, a masked year, or nothing.

    ``current`` is the year that 今年 stands for, as this function writes years.
    """
    words = words.strip("“”\"' ")
    if words in _RELATIVE:
        step = _RELATIVE[words]
        if current.isdigit():
            return str(int(current) + step)
        return current if step == 0 else ""
    plain = words.translate(_DIGITS) if not _NUMBERED_PLAN.fullmatch(words) else words
    if match := _RANGE.search(plain):
        first, last = match.groups()
        return f"{first}-{last if len(last) == 4 else first[:2] + last}"
    if match := _FOUR.search(plain):
        return match.group()
    if _NUMBERED_PLAN.fullmatch(words):
        return _five_years(words)
    if match := _MASKED.match(plain):
        digits = match.group()
        # 16年 is 2016; no report of these is older than 1950.
        if len(digits) == 2 and digits.isdigit():
            return ("20" if int(digits) < 50 else "19") + digits
        return "" if digits.isdigit() else digits
    return ""


def _five_years(words: str) -> str:
    """十五 began in 2001, and every five-year plan five years after the one before."""
    numerals = "一二三四五六七八九"
    if words.startswith("十") and len(words) == 3:
        start = 2006 + 5 * (numerals.index(words[1]))
    elif words[0] in _PLANS and len(words) == 2:
        start = _PLANS[words[0]]
    else:
        return ""
    return f"{start}-{start + 4}"


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
        self.title_years = [y for y in self._years if y.start < structure.head.end]
        self.current, self.source = self._infer([*self.title_years], years)

    def _is_base(self, year: Span) -> bool:
        before = self._text[max(0, year.start - 6) : year.start]
        if _COMPARED.search(before):
            return True
        if _BASE_BEFORE.search(before) and _BASE_AFTER.match(self._text, year.end):
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
        counts: Counter[str] = Counter()
        for year in self._years:
            section = self._structure.section(year.start)
            if section and any(s.plan for s in section.chain()):
                continue
            value = year_value(text[year.start : year.end], "")
            if value and "-" not in value:
                counts[value] += 1
        if counts:
            # The year named most often; of several the first, as Counter keeps their order.
            return counts.most_common(1)[0][0], "text"
        for year in years:
            if value := year_value(text[year.start : year.end], ""):
                return value, "date"
        return "", "nowhere"

    def value(self, year: Span) -> str:
        """What a year expression of the report means where it stands."""
        words = self._text[year.start : year.end]
        current = self.current
        if words in _RELATIVE and (own := self._section_year(year.start)):
            step = _RELATIVE[words]
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
        """Whether a heading names a year after the report's own: 「2015年重点工作」."""
        if not self.current.isdigit():
            return False
        values = [self.value(year) for year in self._in_title(section)]
        return bool(values) and all(v[:4].isdigit() and v[:4] > self.current for v in values)

    def of(self, scene: Scene, *, target: bool) -> Choice[Span | None]:
        """The year expression that holds for a value of running text."""
        if direct := self._direct(scene):
            return Choice(direct, "direct")
        if self._is_former(scene):
            return Choice(None, "former", note="「由…」的基期没有写年份")
        position = bisect_left(self._starts, scene.start)
        if position:
            nearest = self._years[position - 1]
            if nearest.start >= scene.sentence.start:
                return Choice(nearest, "same_sentence")
        if position < len(self._years) and self._years[position].start < scene.sentence.end:
            return Choice(self._years[position], "later_in_sentence")
        if position:
            nearest = self._years[position - 1]
            if nearest.start >= self._structure.paragraph_start(scene.start):
                return Choice(nearest, "same_paragraph")
        section = self._structure.section(scene.start)
        for around in section.chain() if section else ():
            if years := self._in_title(around):
                return Choice(years[-1] if target else years[0], "heading")
        if self.title_years:
            return Choice(self._title_year(target=target), "title")
        return Choice(None, "none", note="没有找到限定它的年份" if self.any_year else "全文没有年份")

    def _title_year(self, *, target: bool) -> Span:
        values = [self.value(year) for year in self.title_years]
        if target and self.current.isdigit():
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
        return bool(_UP_TO.fullmatch(following.gap.strip("了，,")))
