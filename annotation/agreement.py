"""How well two independent taggings of the same reports agree.

    python -m annotation.agreement data/agreement/first data/agreement/second [--list]

Agreement is the strict F1 of one tagging against the other: a span agrees when start, end and
label do (Hripcsak and Rothschild 2005: for spans, F1 takes the place of kappa, because the
number of non-entities is not defined). ``--list`` prints every disagreement in its context.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from zhibiao.errors import FormatError, ZhibiaoError
from zhibiao.metrics import Scores, score_reports
from zhibiao.reports import Report
from zhibiao.tagged import read_tagged

__all__ = ["agreement", "disagreements", "read_pairs"]


def read_pairs(first: Path, second: Path) -> list[tuple[Report, Report]]:
    """Reports that both folders of tagged text hold, as pairs in order of id.

    Raises:
        FormatError: a report of ``second`` is missing in ``first``, or its text is another.
    """
    pairs = []
    for path in sorted(second.glob("*.txt")):
        if not (first / path.name).is_file():
            raise FormatError(f"{path}: no {path.name} in {first} to compare with")
        one, other = read_tagged(first / path.name), read_tagged(path)
        if one.text != other.text:
            at = next(
                (i for i, (a, b) in enumerate(zip(one.text, other.text, strict=False)) if a != b),
                -1,
            )
            raise FormatError(f"{path}: the text differs from the first tagging at offset {at}")
        pairs.append((one, other))
    if not pairs:
        raise FormatError(f"{second}: no tagged reports (*.txt)")
    return pairs


def agreement(pairs: list[tuple[Report, Report]]) -> Scores:
    """Strict scores of the second tagging against the first; F1 is symmetric."""
    return score_reports((one.spans, other.spans) for one, other in pairs)


def disagreements(one: Report, other: Report) -> Iterator[str]:
    """A line for every span that only one of two taggings of a report has."""
    mine = {span.key for span in one.spans}
    theirs = {span.key for span in other.spans}
    for start, end, label in sorted(mine ^ theirs):
        side = "first " if (start, end, label) in mine else "second"
        around = one.text[max(0, start - 12) : start], one.text[end : end + 8]
        shown = f"{around[0]}⟦{label}|{one.text[start:end]}⟧{around[1]}".replace("\n", "⏎")
        yield f"{one.id}:{start}: {side} only: {shown}"


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("--list", action="store_true", help="print every disagreement")
    options = parser.parse_args(argv)
    try:
        pairs = read_pairs(options.first, options.second)
    except ZhibiaoError as error:
        parser.exit(2, f"error: {error}\n")
    if options.list:
        for one, other in pairs:
            for line in disagreements(one, other):
                print(line)
    scores = agreement(pairs)
    spans = sum(len(one.spans) for one, _ in pairs)
    table = Table(
        "label", "F1", "both", "second", "first", title=f"{len(pairs)} reports, {spans} spans"
    )
    for label, counts in [*scores.labels.items(), ("micro", scores.micro)]:
        table.add_row(
            label, f"{counts.f1:.4f}", *map(str, (counts.right, counts.predicted, counts.gold))
        )
    Console().print(table)


if __name__ == "__main__":
    main()
