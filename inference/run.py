"""What a run knows of itself and of all its reports when the writers finish their work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from inference.doubts import is_doubtful
from inference.prediction import Prediction
from zhibiao.series import Row, Series, merge_series
from zhibiao.spans import spans_by_label

__all__ = ["ReportCounts", "Run"]

_MOST_ROWS = 200_000
"""Rows that are kept for series, about 1 KB each; series over more would not fit a computer."""
_OPENING = 200
"""Characters of a report's first lines: the title with whose report it is."""


@dataclass(frozen=True, slots=True)
class ReportCounts:
    """What a run keeps of a report; ``doubtful`` counts records of low confidence."""

    id: str
    source: str
    characters: int
    spans: Mapping[str, int]
    records: int
    doubtful: int


@dataclass
class Run:
    """The model, the failures and the counts of a run, and the series over its reports.

    ``failures`` grows while the run goes on; everything is complete when a writer closes.
    """

    model: Mapping[str, Any]
    failures: Sequence[str] = field(default_factory=list)
    reports: list[ReportCounts] = field(default_factory=list)
    indicators: Counter[str] = field(default_factory=Counter)
    rows: list[Row] = field(default_factory=list)
    too_many_rows: bool = False

    def add(self, prediction: Prediction) -> None:
        """Count one finished report and keep of its records what series need."""
        report = prediction.report
        self.reports.append(
            ReportCounts(
                report.id,
                report.source,
                len(report.text),
                spans_by_label(prediction.spans),
                len(prediction.records),
                sum(map(is_doubtful, prediction.records)),
            )
        )
        opening = report.text.lstrip()[:_OPENING]
        names = (prediction.text_of(span) for span in prediction.spans if span.label == "机构")
        organisations = tuple(name for name, _ in Counter(names).most_common())
        for record in prediction.records:
            if record.indicator is None:
                continue
            self.indicators[record.indicator.text] += 1
            if len(self.rows) < _MOST_ROWS:
                # Whether a change is a rise or a fall stands in its evidence.
                kept = {k: v for k, v in record.evidence.items() if k == "measure"}
                slim = replace(record, evidence=kept, confidence={}, notes=())
                self.rows.append(Row(report.id, opening, slim, organisations))
            else:
                self.too_many_rows = True

    @cached_property
    def series(self) -> Sequence[Series]:
        """The same indicators over reports and years; none for a single report, or too many."""
        if len(self.reports) < 2 or self.too_many_rows:
            return ()
        return merge_series(self.rows)
