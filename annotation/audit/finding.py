"""What an audit finds: signals, their probability, and findings that join them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Any

from annotation.audit.documents import Document
from annotation.audit.weights import probability

__all__ = ["KINDS", "Finding", "Reason", "Signal", "join"]

KINDS: tuple[str, ...] = ("漏标", "标签", "边界", "数值", "模型", "重复")
"""The kinds of check, by the name that ``--kind`` takes."""

_AROUND = 30  # characters of context on either side


@dataclass(frozen=True, slots=True)
class Signal:
    """One thing that is odd at one place, before anybody says how much it weighs.

    ``document`` is a position in the audited documents; ``start`` and ``end`` are offsets in its
    text (code points, half-open) that cover what stands there and what should. ``name`` chooses
    the weights that turn ``features`` into a probability.
    """

    kind: str
    name: str
    document: int
    start: int
    end: int
    label: str
    message: str
    expected: str
    features: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a place is suspected: in words, what would be expected, and how sure that is."""

    kind: str
    name: str
    label: str
    message: str
    expected: str
    probability: float


@dataclass(frozen=True, slots=True)
class Finding:
    """A place that is likely to be annotated wrongly, with all reasons, the strongest first.

    ``score`` estimates the probability that something there is wrong.
    """

    document: Document
    start: int
    end: int
    score: float
    reasons: tuple[Reason, ...]

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of the reasons, in the order of :data:`KINDS`."""
        present = {reason.kind for reason in self.reasons}
        return tuple(kind for kind in KINDS if kind in present)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that the reasons are about, the strongest reason's first."""
        return tuple(dict.fromkeys(reason.label for reason in self.reasons if reason.label))

    @property
    def where(self) -> str:
        """``file:line`` of the place."""
        return self.document.where(self.start)

    @property
    def context(self) -> tuple[str, str, str]:
        """The text before, at and after the place, spans written as ``⟦标签|原文⟧``.

        A finding about a whole report shows only how that begins.
        """
        text = self.document.report.text
        end = self.end if self.end - self.start <= 4 * _AROUND else self.start + 2 * _AROUND
        spans = self.document.report.spans
        # A span cut in two would show a border that is not there.
        low = max(0, self.start - _AROUND)
        low = min([low, *(span.start for span in spans if span.start < low < span.end)])
        high = min(len(text), end + _AROUND)
        high = max([high, *(span.end for span in spans if span.start < high < span.end)])
        marks = {low, self.start, end, high}
        marks.update(s.start for s in spans if low <= s.start < high)
        marks.update(s.end for s in spans if low < s.end <= high)
        opening = {span.start: span.label for span in spans if span.end <= high}
        closing = {span.end for span in spans if span.start >= low}
        before = middle = after = ""
        ordered = sorted(marks)
        for left, right in pairwise(ordered):
            piece = text[left:right]
            if left in opening:
                piece = f"⟦{opening[left]}|{piece}"
            if right in closing:
                piece += "⟧"
            if left < self.start:
                before += piece
            elif left < end:
                middle += piece
            else:
                after += piece
        return (
            ("…" if low > 0 else "") + before,
            middle + ("…" if end < self.end else ""),
            after + ("…" if high < len(text) else ""),
        )

    def to_dict(self) -> dict[str, Any]:
        """The finding as a JSON object."""
        return {
            "report": self.document.report.id,
            "split": self.document.split,
            "start": self.start,
            "end": self.end,
            "score": round(self.score, 4),
            "kinds": list(self.kinds),
            "labels": list(self.labels),
            "where": self.where,
            "link": self.document.link,
            "context": "".join(self.context),
            "reasons": [
                {
                    "kind": reason.kind,
                    "name": reason.name,
                    "label": reason.label,
                    "message": reason.message,
                    "expected": reason.expected,
                    "probability": round(reason.probability, 4),
                }
                for reason in self.reasons
            ],
        }


def join(signals: Iterable[Signal], documents: Sequence[Document]) -> list[Finding]:
    """Findings from signals, the likeliest mistake first.

    Signals whose places overlap are one finding. Its score is the probability that at least one
    of its reasons is right, the reasons taken as independent; of reasons of one kind only the
    strongest counts, because they rest on the same counts. A signal about a whole report
    (kind 重复) stays alone.
    """
    ordered = sorted(signals, key=lambda s: (s.document, s.kind == "重复", s.start, s.end, s.name))
    groups: list[list[Signal]] = []
    reach = 0
    for signal in ordered:
        last = groups[-1][-1] if groups else None
        if (
            last is not None
            and last.document == signal.document
            and "重复" not in (last.kind, signal.kind)
            and signal.start < reach
        ):
            groups[-1].append(signal)
            reach = max(reach, signal.end)
        else:
            groups.append([signal])
            reach = signal.end
    findings = [_finding(group, documents) for group in groups]
    position = {id(document): number for number, document in enumerate(documents)}
    return sorted(
        findings, key=lambda f: (-round(f.score, 9), position[id(f.document)], f.start, f.end)
    )


def _finding(group: list[Signal], documents: Sequence[Document]) -> Finding:
    reasons = sorted(
        (
            Reason(s.kind, s.name, s.label, s.message, s.expected, probability(s.name, s.features))
            for s in group
        ),
        key=lambda reason: (-reason.probability, reason.name, reason.message),
    )
    best: dict[str, float] = {}
    for reason in reasons:
        best.setdefault(reason.kind, reason.probability)
    return Finding(
        documents[group[0].document],
        min(signal.start for signal in group),
        max(signal.end for signal in group),
        1.0 - prod(1.0 - value for value in best.values()),
        tuple(reasons),
    )
