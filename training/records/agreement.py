"""How well two writings of the same sheets agree, and where a person has to decide.

Cohen's kappa (1960) corrects the fields with few choices for chance; with one value throughout
it is undefined and None. The other fields have no fixed choices, so for them the share of equal
rows is told, and F1 over filled cells, which takes the place of kappa where agreed emptiness
would make any two writers look alike (Hripcsak and Rothschild 2005).
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from training.records.pairing import PairedReport
from training.records.scores import NAMES, score_rows
from zhibiao.errors import FormatError
from zhibiao.files import replacing
from zhibiao.records import Mention
from zhibiao.rows import read_rows
from zhibiao.tagged import read_tagged

__all__ = ["agreement", "read_writings", "write_differences"]

_CHOICES = ("measure", "status", "bound")
_BEFORE, _AFTER = 24, 16  # characters of context, more than a sheet shows: somebody must decide


def read_writings(first: Path, second: Path, corpus: Path) -> list[PairedReport]:
    """The reports of a corpus that have a sheet in both folders, with the rows in pairs.

    Raises:
        FormatError: no sheet is in both folders, or one breaks its format or has no report.
    """
    ids = {path.stem for path in first.glob("*.csv")} & {path.stem for path in second.glob("*.csv")}
    if not ids:
        raise FormatError(f"{first} and {second} have no sheet ID.csv in common")
    pairs = []
    for report_id in sorted(ids):
        path = corpus / "reports" / f"{report_id}.txt"
        if not path.is_file():
            raise FormatError(f"{path}: missing, but {first / report_id}.csv has rows of it")
        report = read_tagged(path)
        rows = [read_rows(folder / f"{report_id}.csv", report) for folder in (first, second)]
        pairs.append(PairedReport.of(report, *rows))
    return pairs


def agreement(reports: Sequence[PairedReport], resamples: int, seed: int) -> dict[str, Any]:
    """Figures of two writings as plain data.

    Keys: ``reports``, ``rows``, ``trusted``, and ``fields``: for each field, for six and for all,
    ``equal`` (share of rows), ``interval`` (95%, by report), ``differences`` (rows), ``filled``
    (F1 over filled cells, None for fields that are never empty) and ``kappa`` (None for other
    fields than measure, status and bound, and where it is undefined).
    """
    scores = score_rows(reports, resamples, seed)
    fields = {}
    for name in NAMES:
        figures = scores["fields"][name]
        fields[name] = {
            "equal": figures["f1"],
            "interval": figures["intervals"]["f1"],
            "differences": figures["gold"] - figures["right"],
            "filled": figures["filled"]["f1"] if "filled" in figures else None,
            "kappa": _kappa(reports, name) if name in _CHOICES else None,
        }
    return {
        "reports": scores["reports"],
        "rows": scores["gold"],
        "trusted": scores["trusted"],
        "fields": fields,
    }


def _kappa(reports: Sequence[PairedReport], field: str) -> float | None:
    from sklearn.metrics import cohen_kappa_score

    # Sheets have exactly one row a value, so both sides of every pair are there.
    pairs = [
        (getattr(pair.gold, field), getattr(pair.predicted, field))
        for report in reports
        for pair in report.pairs
    ]
    if len({choice for pair in pairs for choice in pair}) < 2:
        return None
    first, second = zip(*pairs, strict=True)
    return round(float(cohen_kappa_score(first, second)), 4)


def write_differences(path: str | Path, reports: Sequence[PairedReport]) -> int:
    """Write a line for each field that differs, with a column for the decision; return how many.

    The file is UTF-8 CSV with the mark that spreadsheet programs need.
    """
    lines = list(_differences(reports))
    with replacing(path) as stream:
        stream.write("\ufeff")
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("报告", "位置", "原文", "数值", "字段", "第一份", "第二份", "裁定"))
        writer.writerows(lines)
    return len(lines)


def _differences(reports: Sequence[PairedReport]) -> Iterator[tuple[str | int, ...]]:
    for item in reports:
        text = item.report.text
        for pair in item.pairs:
            if pair.gold is None or pair.predicted is None:
                continue
            value = pair.gold.value
            before = text[max(0, value.start - _BEFORE) : value.start]
            after = text[value.end : value.end + _AFTER]
            context = f"{before}【{value.text}】{after}".replace("\n", "⏎")
            for field in pair.wrong:
                shown = (_shown(getattr(row, field)) for row in (pair.gold, pair.predicted))
                yield (item.report.id, value.start, context, value.text, field, *shown, "")


def _shown(content: Any) -> str:
    if isinstance(content, tuple):
        return "；".join(map(_shown, content))
    return f"{content.text}@{content.start}" if isinstance(content, Mention) else content or ""
