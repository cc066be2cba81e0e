"""Every wrong row in its sentence, with gold and predicted fields, as one web page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.pages import LIMIT, Piece, choices_of, shortened, write_cards
from training.records.pairing import PairedReport, RowPair
from zhibiao.records import FIELDS, Mention, Record
from zhibiao.reports import Report

__all__ = ["Mistake", "find_mistakes", "write_page"]

_CONTEXT = 80  # characters of the value's sentence on either side of it
_AROUND = 16  # characters on either side of a mention outside the sentence
_NEAR = 24  # characters below which what lies between two passages is shown too
_ENDS = "。！？；\n"

_FIELD_NAMES = dict(
    zip(
        FIELDS,
        ("数值", "单位", "指标", "限定词", "主体", "年份", "年度", "度量", "状态", "界限"),
        strict=True,
    )
)
_WORDS = {
    **{"level": "水平", "change": "变化", "share": "占比", "actual": "实绩", "target": "目标"},
    **{"eq": "等于", "approx": "约", "ge": "不少于", "le": "不多于", "gt": "超过", "lt": "不足"},
}
_KIND_NAMES = {"wrong": "字段错", "missed": "漏掉的行", "extra": "多出的行"}
_MODE_NAMES = {"gold_spans": "标准实体", "predicted_spans": "模型实体"}


@dataclass(frozen=True, slots=True)
class Mistake:
    """A pair of rows that differ, in its report; ``mode`` says whose spans the rows were made of.

    ``confidence`` is how sure the linking was of its wrong answer: the highest confidence among
    the wrong fields of the predicted row, 0 where it gave none.
    """

    mode: str
    report: Report
    pair: RowPair

    @property
    def confidence(self) -> float:
        told = self.pair.predicted.confidence if self.pair.predicted else {}
        return max((told[name] for name in self.pair.wrong if name in told), default=0.0)

    def to_dict(self) -> dict[str, Any]:
        """Keys: mode, report, genre, kind, fields (the wrong ones), gold and predicted rows."""
        gold, predicted = self.pair.gold, self.pair.predicted
        return {
            "mode": self.mode,
            "report": self.report.id,
            "genre": str(self.report.meta.get("genre") or ""),
            "kind": self.pair.kind,
            "fields": list(self.pair.wrong),
            "gold": gold and {name: gold.to_dict()[name] for name in FIELDS},
            "predicted": predicted and predicted.to_dict(self.report.id),
        }


def find_mistakes(mode: str, reports: Sequence[PairedReport]) -> list[Mistake]:
    """The wrong, missed and extra rows, in the order of reports and text."""
    return [
        Mistake(mode, item.report, pair)
        for item in reports
        for pair in item.pairs
        if pair.kind != "right"
    ]


def write_page(
    path: str | Path,
    results: Mapping[str, Mapping[str, Any]],
    mistakes: Mapping[str, Sequence[Mistake]],
    *,
    limit: int = LIMIT,
) -> None:
    """Write the page of ``results`` (see :func:`training.evaluate_records.evaluate`) by source.

    ``limit`` bounds the rows shown, the first ones; the page says what it leaves out.

    Raises:
        OutputError: the folder does not exist or is not writable.
    """
    every = [(source, mistake) for source, items in mistakes.items() for mistake in items]
    shown = every[:limit]
    genres, reports = choices_of((source, mistake.report) for source, mistake in shown)
    write_cards(
        path,
        "records.html.j2",
        len(FIELDS),
        results=results,
        fields=_FIELD_NAMES,
        kinds=_KIND_NAMES,
        modes=_MODE_NAMES,
        total=len(every),
        shown=len(shown),
        sources=list(results),
        genres=genres,
        reports=reports,
        cards=_cards(shown, list(results), genres, list(reports)),
    )


def _cards(
    shown: Sequence[tuple[str, Mistake]],
    sources: list[str],
    genres: list[str],
    reports: list[tuple[str, str]],
) -> Iterator[dict[str, Any]]:
    """What the template shows of each wrong row, made when it asks for it."""
    for source, mistake in shown:
        pair, report = mistake.pair, mistake.report
        genre = str(report.meta.get("genre") or "")
        sides = [("标准", pair.gold), ("模型", pair.predicted)]
        passages = _passages(pair, report.text)
        yield {
            "mistake": mistake,
            "source": sources.index(source) + 1,
            "genre": genres.index(genre) + 1 if genre else 0,
            "report": reports.index((source, report.id)) + 1,
            "start": pair.record.value.start,
            "sides": [
                {
                    "name": name,
                    "cells": [_cell(record, field) for field in FIELDS],
                    "pieces": list(_pieces(record, pair, report.text, passages)),
                }
                for name, record in sides
                if record is not None
            ],
            "notes": pair.predicted.notes if pair.predicted else (),
            "evidence": _evidence(pair),
        }


def _cell(record: Record, field: str) -> str:
    content = getattr(record, field)
    mentions = content if isinstance(content, tuple) else (content,)
    words = (m.text if isinstance(m, Mention) else _WORDS.get(m, m) for m in mentions if m)
    return "；".join(shortened(str(word)) for word in words)


def _evidence(pair: RowPair) -> list[tuple[str, str]]:
    """Name of a wrong field, and the words that the linking decided it by."""
    told = pair.predicted.evidence if pair.predicted else {}
    return [
        (_FIELD_NAMES[name], shortened("、".join(mention.text for mention in told[name])))
        for name in pair.wrong
        if told.get(name)
    ]


def _mentions(record: Record) -> Iterator[tuple[Mention, str]]:
    for field in FIELDS:
        content = getattr(record, field)
        for mention in content if isinstance(content, tuple) else (content,):
            if isinstance(mention, Mention):
                yield mention, field


def _passages(pair: RowPair, text: str) -> list[tuple[int, int]]:
    """The value's sentence and a little around each mention elsewhere, joined where near."""
    value = pair.record.value
    low = max(value.start - _CONTEXT, *(text.rfind(end, 0, value.start) + 1 for end in _ENDS))
    found = [end for sign in _ENDS if (end := text.find(sign, value.end) + 1)]
    high = min(value.end + _CONTEXT, len(text), *found)
    passages = [(low, high)]
    for record in (pair.gold, pair.predicted):
        for mention, _ in _mentions(record) if record else ():
            if not low <= mention.start <= mention.end <= high:
                start = max(0, mention.start - _AROUND)
                passages.append((start, min(len(text), mention.end + _AROUND)))
    passages.sort()
    joined = passages[:1]
    for start, end in passages[1:]:
        if start - joined[-1][1] <= _NEAR:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined


def _pieces(
    record: Record, pair: RowPair, text: str, passages: Sequence[tuple[int, int]]
) -> Iterator[Piece]:
    """One side's passages with the mentions of its row; a mention within another is left out."""
    marks = sorted(_mentions(record), key=lambda mark: (mark[0].start, -mark[0].end))
    position = 0
    for low, high in passages:
        if low > position:
            yield Piece(" … " if position else "…")
        position = low
        for mention, field in marks:
            if position <= mention.start and mention.end <= high:
                if position < mention.start:
                    yield Piece(text[position : mention.start])
                role = "differs" if field in pair.wrong else "same"
                yield Piece(shortened(mention.text), role, field)
                position = mention.end
        yield Piece(text[position:high])
        position = high
    if position < len(text):
        yield Piece("…")
