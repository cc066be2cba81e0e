"""Records out of the results of an annotation, with every check that the server does not make."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from annotation.record_controls import CHOICES, FIELDS, NO_YEAR, TITLES, YEAR_NAME
from annotation.regions import Checked, shown
from zhibiao.linking.year_words import year_value
from zhibiao.quantities import parse_quantity
from zhibiao.records import Mention, Record
from zhibiao.spans import Span

__all__ = ["to_records"]

_YEARS = re.compile(r"([0-9]{4})(?:-([0-9]{4}))?")


def to_records(
    result: Sequence[Any], text: str, checked: Checked
) -> tuple[tuple[Record, ...], tuple[str, ...]]:
    """The record of each 数值 span of a result list, in order, and a line for each problem.

    ``checked`` is what :func:`annotation.regions.to_spans` made of the list. A relation is a
    problem, and left out, when one of its ends is no region that came through the checks or the
    two labels give no field. A field for which there are two answers (two indicators, two units,
    two different choices) is a problem and stays empty, or what is usual: which one is right
    nobody but a person can say. Subjects are in the order of the text. Answers about regions whose
    label has no such question (it was changed later, and the page hides them) are passed over.
    """
    reading = _Reading(text, checked)
    for item in result:
        if isinstance(item, dict):
            reading.read(item)
    records = tuple(reading.record(span) for span in checked.spans if span.label == "数值")
    return records, tuple(dict.fromkeys(reading.problems))


class _Reading:
    def __init__(self, text: str, checked: Checked) -> None:
        self._text = text
        self._regions = checked.regions
        self._qualifiers = checked.qualifiers
        # Field to answers, of a value or a year expression, each answer once and in order.
        self._joined: defaultdict[Span, dict[tuple[str, Span], None]] = defaultdict(dict)
        self._answers: defaultdict[tuple[Span, str], dict[str, None]] = defaultdict(dict)
        self.problems = [
            f"{shown(span, text)}又标了限定词；只按前者，限定词请另划一段"
            for name, span in checked.regions.items()
            if name in checked.qualifiers
        ]

    def read(self, item: Mapping[str, Any]) -> None:
        if item.get("type") == "relation":
            self._read_relation(str(item.get("from_id")), str(item.get("to_id")))
        elif item.get("type") in ("choices", "textarea"):
            span = self._regions.get(str(item.get("id")))
            name = item.get("from_name")
            asked = {"数值": tuple(CHOICES), "年份": (YEAR_NAME,)}.get(
                span.label if span else "", ()
            )
            if span is not None and name in asked:
                self._read_answer(span, str(name), item.get("value"))

    def _read_relation(self, one: str, other: str) -> None:
        ends = [self._end(one), self._end(other)]
        found = [end for end in ends if end is not None]
        if len(found) < 2:
            there = f"{shown(found[0], self._text)}的一条关系，另" if found else "一条关系，"
            self.problems.append(f"{there}一端的片段已删去或有问题；请删去这条关系，重新连")
            return
        values = [span for span in found if span.label == "数值"]
        others = [span for span in found if span.label != "数值"]
        if len(values) != 1:
            pair = "和".join(shown(span, self._text) for span in found)
            self.problems.append(f"{pair}之间不该有关系：应有一端（只有一端）是数值；请删去重连")
            return
        self._joined[values[0]][FIELDS[others[0].label], others[0]] = None

    def _end(self, region: str) -> Span | None:
        return self._regions.get(region) or self._qualifiers.get(region)

    def _read_answer(self, span: Span, name: str, value: Any) -> None:
        key = "choices" if name in CHOICES else "text"
        given = value.get(key) if isinstance(value, dict) else None
        # An empty list is an answer that was taken back.
        answers = given if isinstance(given, list) else [given] if given else []
        for answer in answers:
            self._answers[span, name][str(answer).strip()] = None

    def record(self, value: Span) -> Record:
        fields: defaultdict[str, list[Span]] = defaultdict(list)
        for field, span in self._joined[value]:
            fields[field].append(span)

        def one(field: str) -> Span | None:
            found = fields[field]
            if len(found) > 1:
                several = "、".join(shown(span, self._text) for span in found)
                self.problems.append(
                    f"{shown(value, self._text)}连了 {len(found)} 个{TITLES[field]}：{several}；"
                    "这一项没有采用，请只留一个"
                )
            return found[0] if len(found) == 1 else None

        unit, year = self._mention(one("unit")), one("year")
        amount = self._text[value.start : value.end]
        return Record(
            value=Mention.of(self._text, value),
            unit=unit,
            indicator=self._mention(one("indicator")),
            qualifier=self._mention(one("qualifier")),
            subject=tuple(Mention.of(self._text, span) for span in sorted(fields["subject"])),
            year=self._mention(year),
            year_value=self._year_value(year) if year else "",
            measure=self._choice(value, "measure"),
            status=self._choice(value, "status"),
            bound=self._choice(value, "bound"),
            quantity=parse_quantity(amount, unit.text if unit else ""),
        )

    def _mention(self, span: Span | None) -> Mention | None:
        return Mention.of(self._text, span) if span else None

    def _choice(self, value: Span, name: str) -> str:
        known = CHOICES[name]
        usual = next(iter(known))
        answers = list(self._answers[value, name])
        if len(answers) > 1 or any(answer not in known for answer in answers):
            chosen = "、".join(known.get(answer, answer) for answer in answers)
            self.problems.append(
                f"{shown(value, self._text)}的“{TITLES[name]}”选了{chosen}；"
                f"应是{'、'.join(known.values())}中的一个，现按{known[usual]}导出"
            )
            return usual
        return answers[0] if answers else usual

    def _year_value(self, year: Span) -> str:
        words = self._text[year.start : year.end]
        answers = list(self._answers[year, YEAR_NAME])
        if not answers:
            return year_value(words, "")
        if answers == [NO_YEAR]:
            return ""
        meaning = year_value(answers[0], "") if len(answers) == 1 else ""
        years = _YEARS.fullmatch(meaning)
        # A masked year is one only as it stands in the report.
        if years[1] <= (years[2] or years[1]) if years else meaning and meaning in self._text:
            return meaning
        self.problems.append(
            f"{shown(year, self._text)}填的年份是“{'、'.join(answers)}”；"
            f"请写成 2016、2016-2020、打码的原样或“{NO_YEAR}”"
        )
        return ""
