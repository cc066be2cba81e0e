"""A corpus folder: tagged reports and the fixed split of each.

The folder holds ``reports/*.txt`` (tagged text) and ``splits.txt`` with lines ``split report-id``.
"""

from __future__ import annotations

from pathlib import Path

from zhibiao.errors import FormatError
from zhibiao.reports import Report, read_jsonl
from zhibiao.spans import LABELS
from zhibiao.tagged import read_tagged

__all__ = ["LISTING", "read_reports", "read_split", "read_splits"]

LISTING = "splits.txt"


def read_splits(corpus: Path) -> dict[str, str]:
    """The fixed split of every report of a corpus folder, by id.

    Raises:
        FormatError: the list is missing, has a broken line or names a report twice.
    """
    listing = corpus / LISTING
    if not listing.is_file():
        raise FormatError(f"{listing}: missing; it lists the split of every report")
    chosen: dict[str, str] = {}
    for number, line in enumerate(listing.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        parts = line.split()
        if len(parts) != 2 or parts[1] in chosen:
            raise FormatError(f"{listing}:{number}: expected 'split report-id', each report once")
        chosen[parts[1]] = parts[0]
    return chosen


def read_split(corpus: str | Path, split: str) -> list[Report]:
    """The reports of one split of a tagged corpus folder.

    The folder holds ``reports/*.txt`` and ``splits.txt`` with lines ``split report-id``.

    Raises:
        FormatError: the split list is missing or names a report twice or one that is not there.
    """
    corpus = Path(corpus)
    listing = corpus / LISTING
    chosen = read_splits(corpus)
    ids = [report_id for report_id, name in chosen.items() if name == split]
    if not ids:
        raise FormatError(f"{listing}: no report in split {split!r}")
    missing = [i for i in ids if not (corpus / "reports" / f"{i}.txt").is_file()]
    if missing:
        raise FormatError(f"{listing}: no file reports/{missing[0]}.txt for {missing[0]}")
    return [read_tagged(corpus / "reports" / f"{i}.txt") for i in ids]


def read_reports(source: str, labels: tuple[str, ...] = LABELS) -> list[Report]:
    """Reports of ``FILE.jsonl``, or of ``CORPUS:SPLIT`` such as ``data:train`` (six labels)."""
    if source.endswith(".jsonl"):
        return list(read_jsonl(source, labels))
    corpus, colon, split = source.rpartition(":")
    if not colon:
        raise FormatError(f"data source {source!r}: write FILE.jsonl or CORPUS:SPLIT")
    return read_split(corpus, split)
