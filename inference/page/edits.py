"""What a person typed over the fields of a record, made part of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from inference.words import BOUND_WORDS, FIELD_WORDS, MEASURE_WORDS, STATUS_WORDS
from inference.writers.edited import EditedRecord
from zhibiao.errors import FormatError
from zhibiao.quantities import parse_quantity
from zhibiao.records import Mention, Record

__all__ = ["EDITABLE", "apply_edits"]

_CHOICES = {"measure": MEASURE_WORDS, "status": STATUS_WORDS, "bound": BOUND_WORDS}
_WORDS = ("subject", "year", "indicator", "qualifier", "value", "unit")
EDITABLE: tuple[str, ...] = (*_WORDS, *_CHOICES)
"""The fields that a person may correct, in the order of the tables' columns."""

_LONGEST = 200
"""Characters of one cell; a longer one is a sentence that was pasted by mistake."""
_SEPARATOR = "、"


def apply_edits(record: Record, edits: Any, where: str) -> Record:
    """The record with the words that a person typed, by field, and a note of what was there.

    ``edits`` maps fields of :data:`EDITABLE` to strings: words, or for ``measure``, ``status``
    and ``bound`` their codes. An empty string empties the cell. What equals the record's own
    words is no edit. The quantity is read again from the words; the model's confidence says
    nothing about them and is left out.

    Raises:
        FormatError: names ``where`` and the field.
    """
    if not isinstance(edits, dict):
        raise FormatError(f"{where}：edited 应是对象")
    before = _words_of(record)
    after = {name: _checked(name, edits[name], where) for name in edits}
    if "value" in after and not after["value"]:
        raise FormatError(f"{where}：数值不能为空；不要这一行时请删除它")
    changed = {name: words for name, words in after.items() if words != before[name]}
    if not changed:
        return record
    # asdict() would turn the mentions into dictionaries too.
    own: dict[str, Any] = {one.name: getattr(record, one.name) for one in fields(record)}
    own.update(_replaced(record, changed))
    words = before | changed
    if {"value", "unit"} & changed.keys():
        own["quantity"] = parse_quantity(words["value"], words["unit"])
    for part in ("confidence", "evidence"):
        own[part] = {name: found for name, found in own[part].items() if name not in changed}
    own["notes"] = (*record.notes, _note(before, changed))
    return EditedRecord(**own, edited=frozenset(changed))


def _words_of(record: Record) -> dict[str, str]:
    """The record's cells as a person sees and edits them."""
    single = (record.indicator, record.qualifier, record.value, record.unit)
    indicator, qualifier, value, unit = (mention.text if mention else "" for mention in single)
    return {
        "subject": _SEPARATOR.join(mention.text for mention in record.subject),
        "year": record.year_value,
        "indicator": indicator,
        "qualifier": qualifier,
        "value": value,
        "unit": unit,
        "measure": record.measure,
        "status": record.status,
        "bound": record.bound,
    }


def _checked(name: str, typed: Any, where: str) -> str:
    if name not in EDITABLE:
        raise FormatError(f"{where}：没有可以修改的栏 {name[:40]!r}；可用：{'、'.join(EDITABLE)}")
    if not isinstance(typed, str):
        raise FormatError(f"{where}：{FIELD_WORDS[name]}应是文字")
    words = " ".join(typed.split())
    if name in _CHOICES and words not in _CHOICES[name]:
        known = "、".join(_CHOICES[name])
        raise FormatError(f"{where}：{FIELD_WORDS[name]} {words[:40]!r} 不认识；可用：{known}")
    if len(words) > _LONGEST:
        raise FormatError(f"{where}：{FIELD_WORDS[name]}超过 {_LONGEST} 字；请缩短")
    return words


def _replaced(record: Record, changed: Mapping[str, str]) -> dict[str, Any]:
    """The fields of the record that the changes replace."""
    place = record.value.start

    def typed(words: str) -> Mention | None:
        return Mention(place, place, words) if words else None

    found: dict[str, Any] = {}
    for name, words in changed.items():
        if name == "value":
            found[name] = Mention(place, record.value.end, words)
        elif name == "year":
            found |= {"year": None, "year_value": words}
        elif name == "subject":
            found[name] = tuple(filter(None, map(typed, words.split(_SEPARATOR))))
        elif name in _CHOICES:
            found[name] = words
        else:
            found[name] = typed(words)
    return found


def _note(before: Mapping[str, str], changed: Mapping[str, str]) -> str:
    parts = (
        f"{FIELD_WORDS[name]}（原为{_shown(name, before[name])}）"
        for name in EDITABLE
        if name in changed
    )
    return f"人工修改：{'、'.join(parts)}"


def _shown(name: str, words: str) -> str:
    words = _CHOICES[name][words] if name in _CHOICES else words
    return f"“{words}”" if words else "空"
