"""Give every report of the corpus a fixed split, balanced by genre.

    python -m training.splits data [--validation 0.1] [--test 0.1]

Reports that already have a split keep it; new ones go where their genre is furthest below its
share. Split before windowing: windows of one report never stand on two sides.
"""

from __future__ import annotations

import argparse
import hashlib
from collections import Counter
from pathlib import Path

from zhibiao.corpus import LISTING, read_splits
from zhibiao.files import replacing
from zhibiao.tagged import read_tagged

__all__ = ["assign_splits"]

_HEAD = "# The fixed split of every report: written by python -m training.splits data\n"


def assign_splits(
    genres: dict[str, str], known: dict[str, str], shares: dict[str, float]
) -> dict[str, str]:
    """Splits of all reports (id to split), given their genres and the splits already fixed.

    The order in which reports are considered is that of a hash of their ids, so it does not
    depend on who wrote them or when.
    """
    splits = {report_id: known[report_id] for report_id in genres if report_id in known}
    held: Counter[tuple[str, str]] = Counter()
    total: Counter[str] = Counter()
    overall: Counter[str] = Counter()

    def add(report_id: str, split: str) -> None:
        splits[report_id] = split
        held[genres[report_id], split] += 1
        total[genres[report_id]] += 1
        overall[split] += 1

    for report_id, split in list(splits.items()):
        add(report_id, split)
    fresh = sorted(
        (i for i in genres if i not in splits), key=lambda i: hashlib.sha256(i.encode()).digest()
    )
    for report_id in fresh:
        genre = genres[report_id]

        def missing(split: str, genre: str = genre) -> tuple[float, float]:
            in_genre = shares[split] * (total[genre] + 1) - held[genre, split]
            in_all = shares[split] * (overall.total() + 1) - overall[split]
            return (round(in_genre + in_all, 9), shares[split])

        add(report_id, max(shares, key=missing))
    return splits


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--validation", type=float, default=0.1)
    parser.add_argument("--test", type=float, default=0.1)
    options = parser.parse_args(argv)
    listing = options.corpus / LISTING
    known = read_splits(options.corpus) if listing.is_file() else {}
    genres = {}
    for path in sorted((options.corpus / "reports").glob("*.txt")):
        report = read_tagged(path)
        genres[report.id] = str(report.meta.get("genre", "other"))
    shares = {
        "train": 1 - options.validation - options.test,
        "validation": options.validation,
        "test": options.test,
    }
    splits = assign_splits(genres, known, shares)
    with replacing(listing) as stream:
        stream.write(_HEAD)
        stream.writelines(f"{split} {report_id}\n" for report_id, split in sorted(splits.items()))
    counts = Counter(splits.values())
    print(f"{listing}: " + ", ".join(f"{split} {counts[split]}" for split in shares))


if __name__ == "__main__":
    main()
