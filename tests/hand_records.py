"""Records made by hand, for tests of what becomes of records."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from inference.prediction import Prediction
from zhibiao.inputs import Input
from zhibiao.quantities import Quantity
from zhibiao.readers import Document
from zhibiao.records import Mention, Record
from zhibiao.spans import Span

__all__ = ["predicted_by_hand", "record"]

_LABELS = {
    "value": "数值",
    "unit": "单位",
    "indicator": "指标",
    "year": "年份",
    "subject": "企业名",
}


def record(text: str, value: str, number: str | None = None, **fields: Any) -> Record:
    """A record of mentions that stand in the text once each, named by their words."""

    def mention(words: str) -> Mention:
        assert text.count(words) == 1, words
        start = text.index(words)
        return Mention.at(text, start, start + len(words))

    names = ("unit", "indicator", "qualifier", "year")
    mentions: dict[str, Any] = {name: mention(fields.pop(name)) for name in names if name in fields}
    subject = tuple(mention(words) for words in fields.pop("subject", ()))
    base = Quantity(
        number=None if number is None else Decimal(number), unit_base=fields.pop("base", "")
    )
    quantity = replace(base, **fields.pop("quantity", {}))
    return Record(mention(value), subject=subject, quantity=quantity, **mentions, **fields)


def predicted_by_hand(
    name: str, text: str, *records: Record, document: Document | None = None
) -> Prediction:
    """A prediction whose spans are the mentions of its records."""
    spans = {
        Span(mention.start, mention.end, label, 0.9)
        for one in records
        for field, label in _LABELS.items()
        for mention in _mentions(getattr(one, field))
    }
    return Prediction(Input(name, f"in/{name}", text, document, 0), sorted(spans), records)


def _mentions(found: Mention | tuple[Mention, ...] | None) -> tuple[Mention, ...]:
    if found is None:
        return ()
    return found if isinstance(found, tuple) else (found,)
