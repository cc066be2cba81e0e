"""What a rule answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from zhibiao.spans import Span

__all__ = ["Choice"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Choice(Generic[T]):
    """An answer for one field, the rule that gave it, and the words that it rests on.

    ``evidence`` holds (start, end) ranges of the text, half-open, in code points.
    """

    answer: T
    rule: str
    evidence: tuple[tuple[int, int], ...] = ()
    spans: tuple[Span, ...] = ()
    note: str = ""
