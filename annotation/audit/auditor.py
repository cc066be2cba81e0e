"""The audit: all checks over all documents."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from annotation.audit.copies import copy_signals
from annotation.audit.documents import Document
from annotation.audit.edges import edge_signals
from annotation.audit.evidence import Evidence
from annotation.audit.finding import KINDS, Finding, Signal, join
from annotation.audit.numbers import number_signals, unit_signals
from annotation.audit.opinions import Scorer, model_signals
from annotation.audit.rules import rule_signals
from annotation.audit.strings import label_signals, string_signals

__all__ = ["audit", "signals"]

_LEAST = 0.05  # what is wrong less often than once in twenty is not worth a look

_CHECKS = (
    string_signals,
    label_signals,
    edge_signals,
    rule_signals,
    unit_signals,
    number_signals,
    copy_signals,
)


def audit(
    documents: Sequence[Document],
    scorer: Scorer | None = None,
    kinds: Collection[str] = KINDS,
) -> list[Finding]:
    """Likely mistakes in the annotations of the documents, the likeliest first.

    Documents that are references count as evidence but are not audited. ``scorer`` is the model
    whose opinion is asked; without one the check 模型 is left out. Of a finding that has several
    kinds of reason, only those of ``kinds`` count. Deterministic.
    """
    wanted = (signal for signal in signals(documents, scorer) if signal.kind in kinds)
    return [finding for finding in join(wanted, documents) if finding.score >= _LEAST]


def signals(documents: Sequence[Document], scorer: Scorer | None = None) -> Iterator[Signal]:
    """Everything that is odd, check by check, not yet weighed."""
    evidence = Evidence(documents)
    for check in _CHECKS:
        yield from check(evidence)
    if scorer is not None:
        yield from model_signals(evidence, scorer)
