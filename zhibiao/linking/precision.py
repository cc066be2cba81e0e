"""How often each rule was right: the confidences of fields."""

from __future__ import annotations

__all__ = ["precision"]

_DEFAULT = 0.8


_PRECISION: dict[str, float] = {}


def precision(field: str, rule: str) -> float:
    """The precision of a field's rule."""
    return _PRECISION.get(f"{field}.{rule}", _DEFAULT)
