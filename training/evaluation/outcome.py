"""What a model made of one report: gold spans, predicted spans and the probabilities behind them.

The extractor is asked once a report; every measure of this package reads the outcomes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from zhibiao.decoding import decode, log_softmax
from zhibiao.errors import FormatError
from zhibiao.reports import Report
from zhibiao.spans import Span

if TYPE_CHECKING:
    from zhibiao.extractor import Extractor

__all__ = ["Outcome", "read_outcomes", "retempered", "span_probability"]

Floats = npt.NDArray[np.float32]

_GROUP_CHARACTERS = 32_768  # text given to the extractor at once


@dataclass(frozen=True, slots=True)
class Outcome:
    """A report and what the model answered.

    ``log_probabilities`` has shape (characters, tags). ``candidates`` are all decoded spans with
    their scores, ``predicted`` those that pass the label ``thresholds``.
    """

    report: Report
    labels: tuple[str, ...]
    log_probabilities: Floats = field(repr=False)
    transitions: Floats | None
    thresholds: Mapping[str, float]
    candidates: tuple[Span, ...]
    touching: bool = True

    @property
    def gold(self) -> tuple[Span, ...]:
        return self.report.spans

    @property
    def predicted(self) -> tuple[Span, ...]:
        least = self.thresholds
        return tuple(span for span in self.candidates if span.score >= least.get(span.label, 0.0))


def read_outcomes(extractor: Extractor, reports: Sequence[Report]) -> list[Outcome]:
    """Ask the extractor for every report, in order; about 50 bytes a character stay in memory.

    Raises:
        FormatError: there are no reports, or a gold label that the model does not know.
    """
    if not reports:
        raise FormatError("no reports to evaluate; give a file or split that has some")
    for report in reports:
        strange = {span.label for span in report.spans} - set(extractor.labels)
        if strange:
            raise FormatError(
                f"report {report.id}: the model does not know the label {min(strange)!r}, only "
                f"{'、'.join(extractor.labels)}; evaluate a model that was trained with it"
            )
    settings = extractor.settings
    found: list[Outcome] = []
    for group in _groups(reports):
        scores = extractor.log_probabilities([report.text for report in group])
        found.extend(
            Outcome(
                report,
                extractor.labels,
                rows,
                settings.transitions,
                settings.thresholds,
                tuple(
                    decode(
                        rows,
                        settings.transitions,
                        extractor.labels,
                        touching=settings.touching,
                    )
                ),
                settings.touching,
            )
            for report, rows in zip(group, scores, strict=True)
        )
    return found


def _groups(reports: Sequence[Report]) -> Iterator[list[Report]]:
    group: list[Report] = []
    size = 0
    for report in reports:
        group.append(report)
        size += len(report.text)
        if size >= _GROUP_CHARACTERS:
            yield group
            group, size = [], 0
    if group:
        yield group


def retempered(outcome: Outcome, factor: float) -> Outcome:
    """The outcome as if the logits had been divided by ``factor`` times as high a temperature.

    Softmax ignores a constant, so log-probabilities serve as logits. Without transitions the
    best path, and so every span, stays the same: only scores move. Thresholds were chosen for
    the old scores and are dropped.
    """
    rows = log_softmax(outcome.log_probabilities / np.float32(factor))
    spans = tuple(decode(rows, outcome.transitions, outcome.labels, touching=outcome.touching))
    return replace(outcome, log_probabilities=rows, candidates=spans, thresholds={})


def span_probability(outcome: Outcome, span: Span) -> float:
    """The score that decoding would give ``span``, whether or not the model found it.

    Characters are taken as independent: its ``B-``, its ``I-``, and no further ``I-`` after it.
    """
    rows = outcome.log_probabilities
    begin = 2 * outcome.labels.index(span.label) + 1
    total = float(rows[span.start, begin]) + float(rows[span.start + 1 : span.end, begin + 1].sum())
    probability = float(np.exp(total))
    if span.end < len(rows):
        probability *= 1.0 - float(np.exp(rows[span.end, begin + 1]))
    return min(max(probability, 0.0), 1.0)
