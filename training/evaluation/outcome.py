"""What a model made of one report: gold spans, predicted spans and the probabilities behind them.

The extractor is asked once a report; every measure of this package reads the outcomes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from zhibiao.decoder import Decoder
from zhibiao.decoding import log_softmax
from zhibiao.errors import FormatError
from zhibiao.reports import Report
from zhibiao.spans import Span

if TYPE_CHECKING:
    from zhibiao.extractor import Extractor

__all__ = ["Outcome", "read_outcomes", "retempered"]

Floats = npt.NDArray[np.float32]

_GROUP_CHARACTERS = 32_768  # text given to the extractor at once


@dataclass(frozen=True, slots=True)
class Outcome:
    """A report and what the model answered.

    ``log_probabilities`` has shape (characters, tags). ``candidates`` are all decoded spans with
    their scores, ``predicted`` those that pass the decoder's thresholds.
    """

    report: Report
    decoder: Decoder
    log_probabilities: Floats = field(repr=False)
    candidates: tuple[Span, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        return self.decoder.labels

    @property
    def gold(self) -> tuple[Span, ...]:
        return self.report.spans

    @property
    def predicted(self) -> tuple[Span, ...]:
        return tuple(self.decoder.kept(self.candidates))


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
    decoder = extractor.settings.decoder
    found: list[Outcome] = []
    for group in _groups(reports):
        scores = extractor.log_probabilities([report.text for report in group])
        found.extend(
            Outcome(report, decoder, rows, tuple(decoder.candidates(rows)))
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
    """The outcome as if the model's temperature had been ``factor`` times as high.

    Softmax ignores a constant, so log-probabilities serve as logits. The best path, and so every
    span, stays the same: only scores move. Thresholds were chosen for the old scores and are
    dropped.
    """
    rows = log_softmax(outcome.log_probabilities / np.float32(factor))
    decoder = outcome.decoder.retempered(factor)
    scores = decoder.scores(rows, outcome.candidates).tolist()
    spans = tuple(replace(s, score=p) for s, p in zip(outcome.candidates, scores, strict=True))
    return Outcome(outcome.report, decoder, rows, spans)
