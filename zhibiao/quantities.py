"""Quantities: a value and its unit as exact decimals."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

__all__ = ["Quantity", "parse_quantity"]


@dataclass(frozen=True, slots=True)
class Quantity:
    """What a value and a unit mean, in the base unit.

    ``number`` is exact for one number and None for ranges, masked figures and text that is no
    number; ``low`` and ``high`` hold a range. ``flags`` name every doubt.
    """

    number: Decimal | None = None
    low: Decimal | None = None
    high: Decimal | None = None
    unit_base: str = ""
    bound: str = "eq"
    flags: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The quantity as JSON values; numbers are exact decimal strings or None."""
        return {
            "value_number": _plain(self.number),
            "value_low": _plain(self.low),
            "value_high": _plain(self.high),
            "unit_base": self.unit_base,
        }


def _plain(number: Decimal | None) -> str | None:
    return None if number is None else format(number, "f")


def parse_quantity(value: str, unit: str = "") -> Quantity:
    """To be written."""
    raise NotImplementedError
