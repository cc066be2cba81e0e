"""How often each rule was right: the confidences of fields.

``precision.json`` beside this module is what :func:`format_table` makes of what
:func:`measure_rules` counts on the train split; ``docs/linking.md`` has the command.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["format_table", "measure_rules", "precision"]

Table = dict[str, dict[str, list[int]]]

_TABLE = Path(__file__).with_name("precision.json")
_PRIOR_RIGHT, _PRIOR_WRONG = 4.0, 1.0


@cache
def _counts() -> Table:
    table: Table = json.loads(_TABLE.read_text(encoding="utf-8"))
    return table


@cache
def precision(field: str, rule: str) -> float:
    """The probability that a field's rule is right: its precision, smoothed.

    ``precision.json`` holds for each field and rule how often it was right and how often it
    answered. Rules seen rarely are drawn towards 0.8, the beta prior of four right and one wrong.
    """
    right, asked = _counts().get(field, {}).get(rule, (0, 0))
    return (right + _PRIOR_RIGHT) / (asked + _PRIOR_RIGHT + _PRIOR_WRONG)


def measure_rules(corpus: Path, split: str) -> Table:
    """By field and rule, how often it was right and how often it answered, on gold rows.

    The rows are ``corpus/records/ID.csv`` of the reports of the split; gold spans are given.
    """
    # The linker needs this module, and these are for measuring only.
    from zhibiao.corpus import read_split
    from zhibiao.linking.linker import link_records, link_rules
    from zhibiao.rows import read_rows

    table: Table = {}
    for report in read_split(corpus, split):
        rows = corpus / "records" / f"{report.id}.csv"
        if not rows.is_file():
            continue
        gold = read_rows(rows, report)
        found = link_records(report.text, report.spans)
        rules = link_rules(report.text, report.spans)
        for wanted, record, names in zip(gold, found, rules, strict=True):
            # The meaning of a year stands and falls with the rule that chose it.
            for field, rule in (*names.items(), ("year_value", names["year"])):
                counts = table.setdefault(field, {}).setdefault(rule, [0, 0])
                counts[0] += _content(wanted, field) == _content(record, field)
                counts[1] += 1
    return {field: dict(sorted(rules.items())) for field, rules in table.items()}


def _content(record: Any, field: str) -> object:
    value = getattr(record, field)
    return frozenset(value) if field == "subject" else value


def format_table(table: Table) -> str:
    """The table as JSON, a line for each field."""
    lines = (f" {json.dumps(field)}: {json.dumps(rules)}" for field, rules in table.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"
