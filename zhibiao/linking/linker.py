"""From spans to records: one for each value, every field by the first rule that answers."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import Any

from zhibiao.linking.bounds import choose_bound
from zhibiao.linking.cells import link_cell, link_row
from zhibiao.linking.choices import Choice
from zhibiao.linking.indicators import choose_indicator, distribute
from zhibiao.linking.measures import choose_measure
from zhibiao.linking.precision import precision
from zhibiao.linking.qualifiers import choose_qualifier
from zhibiao.linking.scene import Scene
from zhibiao.linking.statuses import Statuses
from zhibiao.linking.structure import Slice, Structure
from zhibiao.linking.subjects import Subjects
from zhibiao.linking.tables import Tables
from zhibiao.linking.units import Units
from zhibiao.linking.years import Calendar
from zhibiao.quantities import parse_quantity
from zhibiao.records import Mention, Record
from zhibiao.spans import Span

__all__ = ["link_records", "link_rules"]

_DOUBTFUL = 0.5


def link_records(text: str, spans: Sequence[Span]) -> list[Record]:
    """One record for each 数值 span, in the order of the text.

    ``spans`` are sorted and do not overlap, as :meth:`Extractor.extract` gives them; offsets are
    code points of ``text``. Nothing is raised for strange text: what cannot be linked stays empty,
    with a low confidence and a note in Chinese.
    """
    return _Linker(text, spans).records()


def link_rules(text: str, spans: Sequence[Span]) -> list[dict[str, str]]:
    """For each record of :func:`link_records` the name of the rule behind each field."""
    return [
        {name: choice.rule for name, choice in choices.items()}
        for _, choices in _Linker(text, spans).decisions()
    ]


class _Linker:
    def __init__(self, text: str, spans: Sequence[Span]) -> None:
        self._text = text
        self._spans = sorted(spans)
        self._structure = Structure(text, self._spans)
        self._units = Units(text, self._spans)
        self._tables = Tables(text, self._spans)
        self._calendar = Calendar(text, self._spans, self._structure)
        self._statuses = Statuses(self._structure, self._calendar)
        self._subjects = Subjects(text, self._spans)

    def decisions(self) -> Iterator[tuple[Scene, dict[str, Choice[Any]]]]:
        """Each value with the decision for each of its fields."""
        earlier: Scene | None = None
        for scenes in self._sentences():
            scenes[0].earlier = earlier
            for scene in scenes:
                scene.measure = choose_measure(scene)
            self._choose_indicators(scenes)
            for scene in scenes:
                yield scene, self._choices(scene)
            earlier = scenes[-1]

    def records(self) -> list[Record]:
        return [self._record(scene, choices) for scene, choices in self.decisions()]

    def _sentences(self) -> Iterator[list[Scene]]:
        """The values of the report, sentence by sentence."""
        values = [span for span in self._spans if span.label == "数值"]
        starts = [span.start for span in self._spans]
        first = 0
        while first < len(values):
            sentence = self._structure.sentence(values[first].start)
            last = first + 1
            while last < len(values) and values[last].start < sentence.end:
                last += 1
            clauses = self._structure.clauses(sentence)
            clause_starts = [clause.start for clause in clauses]
            scenes: list[Scene] = []
            for value in values[first:last]:
                begin = scenes[-1].value.end if scenes else sentence.start
                between = self._spans[bisect_left(starts, begin) : bisect_left(starts, value.start)]
                clause = clauses[bisect_right(clause_starts, value.start) - 1]
                scene = Scene(self._text, value, self._units.of(value), sentence, clause)
                scene.indicators = tuple(s for s in between if s.label == "指标")
                scene.others = tuple(s for s in between if s.label in ("机构", "企业名", "年份"))
                number = bisect_left(starts, scene.end)
                if number < len(self._spans) and self._spans[number].start < sentence.end:
                    scene.following = self._spans[number]
                if scenes:
                    scene.previous = scene.earlier = scenes[-1]
                    scenes[-1].next = scene
                scenes.append(scene)
            yield scenes
            first = last

    def _choose_indicators(self, scenes: list[Scene]) -> None:
        number = 0
        while number < len(scenes):
            links = distribute(scenes, number)
            for scene, link in zip(scenes[number:], links, strict=False):
                scene.indicator = link
            if not links:
                scenes[number].indicator = choose_indicator(scenes[number])
            number += max(1, len(links))

    def _choices(self, scene: Scene) -> dict[str, Choice[Any]]:
        """The decision for each field but the value."""
        cell = link_cell(self._text, self._tables, scene.value)
        if cell:
            scene.unit, scene.indicator = cell.unit, cell.indicator
            scene.measure = cell.measure or scene.measure
        year = cell.year if cell else None
        if year is None:
            planned = self._statuses.planned(scene)
            year = self._calendar.of(scene, planned=planned)
        status = (cell and cell.status) or self._statuses.of(scene, year)
        return {
            "unit": scene.unit,
            "indicator": scene.indicator,
            "qualifier": choose_qualifier(scene),
            "subject": link_row(self._tables, scene.value) or self._subjects.of(scene),
            "year": year,
            "measure": scene.measure,
            "status": status,
            "bound": choose_bound(scene, target=status.answer == "target"),
        }

    def _record(self, scene: Scene, choices: dict[str, Choice[Any]]) -> Record:
        year = choices["year"].answer
        evidence = {
            name: tuple(Mention.at(self._text, *place) for place in choice.evidence)
            for name, choice in choices.items()
            if choice.evidence
        }
        return Record(
            value=Mention.of(self._text, scene.value),
            unit=self._mention(choices["unit"].answer),
            indicator=self._mention(choices["indicator"].answer),
            qualifier=self._mention(choices["qualifier"].answer),
            subject=tuple(Mention.of(self._text, span) for span in choices["subject"].answer),
            year=self._mention(year),
            year_value=self._calendar.value(year) if year else "",
            measure=choices["measure"].answer,
            status=choices["status"].answer,
            bound=choices["bound"].answer,
            quantity=parse_quantity(scene.value_text, scene.unit_text),
            evidence=evidence,
            confidence=self._confidence(scene, choices),
            notes=self._notes(choices),
        )

    def _confidence(self, scene: Scene, choices: dict[str, Choice[Any]]) -> dict[str, float]:
        """The precision of each field's rule, times the score of the spans that it rests on."""
        found = {"value": scene.value.score}
        for name, choice in choices.items():
            spans = choice.answer if isinstance(choice.answer, tuple) else (choice.answer,)
            score = min((s.score for s in spans if isinstance(s, Span)), default=1.0)
            probability = precision(name, choice.rule)
            if choice.note:
                # What is missing or doubtful asks for a look, however often the rule was right.
                probability = min(probability, _DOUBTFUL)
            found[name] = probability * min(score, scene.value.score)
        year = choices["year"]
        found["year_value"] = found["year"] and min(
            precision("year_value", year.rule), _DOUBTFUL if year.note else 1.0
        )
        if year.answer and self._calendar.is_doubtful(year.answer):
            found["year_value"] = min(found["year_value"], _DOUBTFUL)
        return found

    def _notes(self, choices: dict[str, Choice[Any]]) -> tuple[str, ...]:
        notes = [choice.note for choice in choices.values() if choice.note]
        year = choices["year"].answer
        if year and self._calendar.is_doubtful(year):
            notes.append(self._calendar.doubt)
        return tuple(dict.fromkeys(notes))

    def _mention(self, place: Span | Slice | None) -> Mention | None:
        return Mention.at(self._text, place.start, place.end) if place else None
