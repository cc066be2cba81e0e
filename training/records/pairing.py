"""Gold and predicted rows of a report, paired by the value that they belong to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from training.records.fields import content, wrong_fields
from training.records.gold import GoldReport
from zhibiao.records import FIELDS, Record
from zhibiao.reports import Report
from zhibiao.spans import Span

__all__ = ["Linker", "PairedReport", "RowPair", "link_reports"]

Linker = Callable[[str, Sequence[Span]], list[Record]]
"""From a text and its spans to its rows, as :func:`zhibiao.linking.link_records`."""


@dataclass(frozen=True, slots=True)
class RowPair:
    """A gold row and the predicted row of the same value; one is None where there is none."""

    gold: Record | None
    predicted: Record | None

    @property
    def kind(self) -> str:
        """``right``, ``wrong`` (some field differs), ``missed`` or ``extra``."""
        if self.predicted is None:
            return "missed"
        if self.gold is None:
            return "extra"
        return "wrong" if self.wrong else "right"

    @property
    def wrong(self) -> tuple[str, ...]:
        """The fields that differ; all of them for a row that only one side has."""
        if self.gold is None or self.predicted is None:
            return FIELDS
        return wrong_fields(self.gold, self.predicted)

    @property
    def record(self) -> Record:
        """The gold row, or the predicted one where there is no gold."""
        record = self.gold or self.predicted
        assert record is not None
        return record


@dataclass(frozen=True, slots=True)
class PairedReport:
    """A report and its rows in pairs, in the order of the values."""

    report: Report
    pairs: tuple[RowPair, ...]

    @classmethod
    def of(
        cls, report: Report, gold: Iterable[Record], predicted: Iterable[Record]
    ) -> PairedReport:
        """Pair the rows whose values have the same offsets; a second row of a value is extra."""
        waiting: dict[object, list[Record]] = {}
        for record in predicted:
            waiting.setdefault(content(record, "value"), []).append(record)
        pairs = []
        for record in gold:
            same = waiting.get(content(record, "value"))
            pairs.append(RowPair(record, same.pop(0) if same else None))
        pairs += [RowPair(None, record) for rest in waiting.values() for record in rest]
        return cls(report, tuple(sorted(pairs, key=lambda pair: pair.record.value)))


def link_reports(
    gold: Sequence[GoldReport], spans: Iterable[Sequence[Span]], linker: Linker
) -> list[PairedReport]:
    """Rows made from the given spans of each report, paired with the gold rows."""
    return [
        PairedReport.of(item.report, item.records, linker(item.report.text, found))
        for item, found in zip(gold, spans, strict=True)
    ]
