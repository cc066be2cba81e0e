"""What became of every report of an archive: a table of them all, and a page over the parts."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from markupsafe import Markup

from inference.archive.folder import STATUS, ArchiveFolder
from inference.archive.plan import Part, Plan
from inference.writers import Format
from inference.writers.csv_file import neutralised
from zhibiao.files import replacing
from zhibiao.pages import content_policy, page_environment
from zhibiao.sources import Source

__all__ = ["Totals", "write_manifest"]

_HEADS = ("id", "source", "part", "status", "reason", "characters", "spans", "records")
_GONE = "来源文件已不在，结果保留"
_SHOWN_FAILURES = 500
_TEMPLATES = Path(__file__).resolve().parent / "templates"
_STYLE = _TEMPLATES.parent.parent / "templates" / "style.css"


@dataclass(slots=True)
class Totals:
    """Counts over reports; ``failures`` are reasons, ``pending`` counts what is yet to be read.

    ``first`` and ``last`` are ids.
    """

    number: int = 0
    first: str = ""
    last: str = ""
    reports: int = 0
    characters: int = 0
    spans: Counter[str] = field(default_factory=Counter)
    records: int = 0
    doubtful: int = 0
    pending: int = 0
    failures: list[str] = field(default_factory=list)

    def add(self, row: dict[str, Any]) -> None:
        """Count a report."""
        self.first = self.first or row["id"]
        self.last = row["id"]
        if row["status"] == "pending":
            self.pending += 1
        if row["reason"] and row["status"] in ("failed", "partial"):
            self.failures.append(row["reason"])
        if row["status"] in ("ok", "partial"):
            self.reports += 1
            self.characters += row["characters"]
            self.spans.update(row["spans"])
            self.records += row["records"]
            self.doubtful += row["doubtful"]


def write_manifest(
    folder: ArchiveFolder, plan: Plan, formats: Sequence[Format], sources: Sequence[Source]
) -> Totals:
    """Write ``manifest.csv`` and ``index.html``, each complete or not at all, and return totals.

    ``sources`` are those found now: a report whose file is gone keeps its results, with a note.
    """
    absent = plan.absent(sources)
    totals = Totals()
    parts: list[Totals] = []
    with replacing(folder.manifest, encoding="utf-8-sig", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(_HEADS)
        for part in plan.parts:
            counts = Totals(part.number)
            for row in _rows(folder, part, absent):
                writer.writerow(_cells(row, part.number))
                counts.add(row)
                totals.add(row)
            parts.append(counts)
    _write_index(folder, parts, totals, formats, plan.settings["model"])
    return totals


def _rows(folder: ArchiveFolder, part: Part, absent: Collection[str]) -> Iterator[dict[str, Any]]:
    if folder.digest(part.number) != part.digest:
        for source in part.sources:
            yield {"id": source.id, "source": source.name, "status": "pending", "reason": ""}
        return
    gone = {source.name for source in part.sources if str(source.path) in absent}
    with (folder.part(part.number) / STATUS).open(encoding="utf-8") as stream:
        next(stream)
        for line in stream:
            row: dict[str, Any] = json.loads(line)
            where = row["source"]
            if gone and (where in gone or where.rpartition(":")[0] in gone):
                row["reason"] = "；".join(filter(None, (row["reason"], _GONE)))
            yield row


def _cells(row: dict[str, Any], part: int) -> list[str]:
    spans = row.get("spans")
    return [
        neutralised(row["id"]),
        neutralised(row["source"]),
        f"{part:05d}",
        row["status"],
        neutralised(row["reason"]),
        str(row.get("characters", "")),
        "" if spans is None else str(sum(spans.values())),
        str(row.get("records", "")),
    ]


def _write_index(
    folder: ArchiveFolder,
    parts: Sequence[Totals],
    totals: Totals,
    formats: Sequence[Format],
    model: dict[str, str],
) -> None:
    style = _STYLE.read_text(encoding="utf-8")
    template = page_environment(_TEMPLATES).get_template("index.html.j2")
    pieces = template.generate(
        parts=parts,
        totals=totals,
        entries=[one.entry for one in formats],
        failures=totals.failures[:_SHOWN_FAILURES],
        model=model,
        style=Markup(style),
        policy=content_policy([style], []),
        manifest=folder.manifest.name,
    )
    with replacing(folder.index) as stream:
        stream.writelines(pieces)
