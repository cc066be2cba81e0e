"""What a rule answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["Choice"]

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Choice(Generic[T_co]):
    """An answer for one field, the rule that gave it, and the words that it rests on.

    ``evidence`` holds (start, end) ranges of the text, half-open, in code points. ``note`` says
    in Chinese what is missing or doubtful.
    """

    answer: T_co
    rule: str
    evidence: tuple[tuple[int, int], ...] = ()
    note: str = ""
