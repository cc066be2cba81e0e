"""The tables an analyst gets: their columns, and what stands in each cell."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Generic, TypeAlias, TypeVar

from inference.doubts import confidence_of, notes_of
from inference.prediction import Prediction
from inference.words import BOUND_WORDS, FIELD_WORDS, MEASURE_WORDS, STATUS_WORDS
from inference.writers.sentences import find_sentence, sentence_around, sentence_pieces
from zhibiao.readers import Place
from zhibiao.records import Mention, Record
from zhibiao.spans import Span

__all__ = ["RECORDS", "SOURCES", "SPANS", "Cell", "Coloured", "Column", "RecordRow", "Table"]

RowT = TypeVar("RowT")


@dataclass(frozen=True, slots=True)
class Coloured:
    """A text in slices as (characters, what they are); slices of no kind have ``""``."""

    pieces: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return "".join(piece for piece, _ in self.pieces)


Cell: TypeAlias = str | int | float | Decimal | Coloured | None


@dataclass(frozen=True, slots=True)
class Column(Generic[RowT]):
    """A column: its head, its width in characters, its cell of a row.

    ``field`` names the field of the record whose confidence concerns the cell.
    """

    head: str
    width: int
    cell: Callable[[RowT], Cell]
    field: str = ""


@dataclass(frozen=True, slots=True)
class Table(Generic[RowT]):
    """Columns, and the rows that a prediction gives; ``number`` counts rows over the whole run."""

    columns: tuple[Column[RowT], ...]
    rows: Callable[[Prediction, int], Iterator[RowT]]

    @property
    def heads(self) -> tuple[str, ...]:
        """The heads of the columns."""
        return tuple(column.head for column in self.columns)

    def cells(self, row: RowT) -> tuple[Cell, ...]:
        """The cells of a row."""
        return tuple(column.cell(row) for column in self.columns)


@dataclass(frozen=True, slots=True)
class SpanRow:
    """A span of a report."""

    prediction: Prediction
    span: Span

    @property
    def place(self) -> Place | None:
        """Where the span begins."""
        return self.prediction.place_at(self.span.start)


@dataclass(frozen=True, slots=True)
class RecordRow:
    """A record of a report; ``number`` counts from 1 over the whole run."""

    number: int
    prediction: Prediction
    record: Record

    @property
    def text(self) -> str:
        """The text of the report."""
        return self.prediction.report.text


def _span_rows(prediction: Prediction, _before: int) -> Iterator[SpanRow]:
    for span in prediction.spans:
        yield SpanRow(prediction, span)


def _record_rows(prediction: Prediction, before: int) -> Iterator[RecordRow]:
    for number, record in enumerate(prediction.records, start=before + 1):
        yield RecordRow(number, prediction, record)


def _text(mention: Mention | None) -> str:
    return mention.text if mention else ""


def _subjects(row: RecordRow) -> str:
    return "、".join(mention.text for mention in row.record.subject)


def _year(row: RecordRow) -> Cell:
    year = row.record.year_value
    return int(year) if len(year) == 4 and year.isascii() and year.isdigit() else year


def _quantity(name: str) -> Callable[[RecordRow], Cell]:
    def cell(row: RecordRow) -> Cell:
        quantity = row.record.quantity
        found: Cell = getattr(quantity, name) if quantity else None
        return found

    return cell


def _marks(row: RecordRow) -> Iterator[tuple[int, int, str]]:
    """What the record is made of, as (start, end, kind)."""
    record = row.record
    labels = {span.start: span.label for span in row.prediction.spans}
    for mention, kind in (
        (record.value, "数值"),
        (record.unit, "单位"),
        (record.indicator, "指标"),
        (record.year, "年份"),
        (record.qualifier, "限定"),
        *((mention, labels.get(mention.start, "机构")) for mention in record.subject),
    ):
        if mention is not None:
            yield mention.start, mention.end, kind


def _source(row: RecordRow) -> Coloured:
    value = row.record.value
    return Coloured(tuple(sentence_pieces(row.text, value.start, value.end, _marks(row))))


def _elsewhere(row: RecordRow) -> str:
    """The words outside the sentence that the record rests on, and where they stand."""
    record = row.record
    sentence = find_sentence(row.text, record.value.start, record.value.end)
    own = (
        ("unit", record.unit),
        ("indicator", record.indicator),
        ("qualifier", record.qualifier),
        *(("subject", mention) for mention in record.subject),
        ("year", record.year),
    )
    evidence = ((name, mention) for name in record.evidence for mention in record.evidence[name])
    words = (
        f"{FIELD_WORDS.get(name, name)}：{' '.join(mention.text.split())}"
        f"（{row.prediction.place_name(mention.start)}）"
        for name, mention in (*own, *evidence)
        if mention and not sentence.start <= mention.start < sentence.end
    )
    return "；".join(dict.fromkeys(words))


RECORDS: Table[RecordRow] = Table(
    (
        Column("序号", 7, lambda row: row.number),
        Column("报告", 24, lambda row: row.prediction.report.id),
        Column("主体", 20, _subjects, "subject"),
        Column("年份", 10, _year, "year"),
        Column("指标", 24, lambda row: _text(row.record.indicator), "indicator"),
        Column("限定", 12, lambda row: _text(row.record.qualifier), "qualifier"),
        Column("数值原文", 11, lambda row: row.record.value.text, "value"),
        Column("单位", 9, lambda row: _text(row.record.unit), "unit"),
        Column("数值", 16, _quantity("number"), "value"),
        Column("下限", 12, _quantity("low"), "value"),
        Column("上限", 12, _quantity("high"), "value"),
        Column("基本单位", 10, _quantity("unit_base"), "unit"),
        Column("性质", 8, lambda row: MEASURE_WORDS[row.record.measure], "measure"),
        Column("实绩/目标", 11, lambda row: STATUS_WORDS[row.record.status], "status"),
        Column("界限", 9, lambda row: BOUND_WORDS[row.record.bound], "bound"),
        Column("置信度", 9, lambda row: confidence_of(row.record)),
        Column("说明", 28, lambda row: "；".join(notes_of(row.record))),
        Column(
            "原句",
            60,
            lambda row: sentence_around(row.text, row.record.value.start, row.record.value.end),
        ),
        Column("位置", 16, lambda row: row.prediction.place_name(row.record.value.start)),
        Column("起始", 8, lambda row: row.record.value.start),
    ),
    _record_rows,
)
"""One row a record; 起始 is the value's offset in the text of the JSONL, in code points from 0."""

SOURCES: Table[RecordRow] = Table(
    (
        Column("序号", 7, lambda row: row.number),
        Column("报告", 24, lambda row: row.prediction.report.id),
        Column("位置", 16, lambda row: row.prediction.place_name(row.record.value.start)),
        Column("原句", 100, _source),
        Column("句外依据", 44, _elsewhere),
    ),
    _record_rows,
)
"""One row a record: the sentence it stands in, and what it takes from elsewhere."""

SPANS: Table[SpanRow] = Table(
    (
        Column("报告编号", 24, lambda row: row.prediction.report.id),
        Column("来源文件", 24, lambda row: row.prediction.report.source),
        Column("标签", 9, lambda row: row.span.label),
        Column("文本", 24, lambda row: row.prediction.text_of(row.span)),
        Column("起始", 9, lambda row: row.span.start),
        Column("结束", 9, lambda row: row.span.end),
        Column("置信度", 9, lambda row: round(row.span.score, 4)),
        Column("页码", 8, lambda row: row.place.page if row.place else None),
        Column("段落", 8, lambda row: row.place.paragraph if row.place else None),
        Column(
            "所在句",
            60,
            lambda row: sentence_around(row.prediction.report.text, row.span.start, row.span.end),
        ),
    ),
    _span_rows,
)
"""One row a span."""
