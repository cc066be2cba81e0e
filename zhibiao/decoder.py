"""How one model's tag probabilities become spans: the settings of decoding, in one place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from zhibiao.decoding import decode, log_marginals, span_scores
from zhibiao.spans import LABELS, Span

__all__ = ["Decoder"]

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Decoder:
    """Decodes tag log-probabilities of shape (characters, tags) as the model wants it.

    ``transitions`` has shape (tags from, tags to) and the temperature of the log-probabilities,
    or is None. Without ``touching`` no two spans of one label meet. ``thresholds`` maps labels to
    the least score a span must have, ``lone`` to that of a span of one character: a model that is
    unsure leaves single characters of a name behind.
    """

    labels: tuple[str, ...] = LABELS
    transitions: Floats | None = field(default=None, repr=False)
    touching: bool = True
    thresholds: Mapping[str, float] = field(default_factory=dict)
    lone: Mapping[str, float] = field(default_factory=dict)

    def decode(self, log_probabilities: Floats) -> list[Span]:
        """The spans of one text, with scores."""
        return self.kept(self.candidates(log_probabilities))

    def candidates(self, log_probabilities: Floats) -> list[Span]:
        """The spans before any is dropped for its score."""
        return decode(log_probabilities, self.transitions, self.labels, touching=self.touching)

    def kept(self, spans: Iterable[Span]) -> list[Span]:
        """The spans whose scores reach what their labels and lengths ask for."""
        return [span for span in spans if span.score >= self._least(span)]

    def _least(self, span: Span) -> float:
        least = self.thresholds.get(span.label, 0.0)
        return max(least, self.lone.get(span.label, 0.0)) if span.end - span.start == 1 else least

    def scores(self, log_probabilities: Floats, spans: Sequence[Span]) -> npt.NDArray[np.float64]:
        """The scores that decoding would give to ``spans``, found or not; shape (spans,)."""
        rows = log_marginals(log_probabilities, self.transitions, touching=self.touching)
        return span_scores(rows, spans, self.labels)

    def retempered(self, factor: float) -> Decoder:
        """The decoder for log-probabilities of ``factor`` times as high a temperature.

        ``thresholds`` were chosen for the old scores and are dropped; ``lone`` stays, as it parts
        scores that lie far apart.
        """
        scaled = None if self.transitions is None else self.transitions / np.float32(factor)
        return replace(self, transitions=scaled, thresholds={})
