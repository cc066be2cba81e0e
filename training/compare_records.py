"""Agreement of two writings of the same row sheets, and a list of what differs.

    python -m training.compare_records FIRST SECOND [--corpus CORPUS] [--csv FILE] [--json FILE]

FIRST and SECOND are folders of sheets ID.csv, such as data/records and data/agreement/records;
the reports that both have are compared. --csv writes a line for each field that differs, with a
column for the decision. Intervals are 95%, from 2,000 bootstrap resamples of the reports.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from training.program import one_line_errors
from training.records.agreement import agreement, read_writings, write_differences
from zhibiao.files import replacing

_RESAMPLES, _SEED = 2000, 13


def _table(result: dict[str, Any]) -> Table:
    title = f"{result['reports']} reports, {result['rows']} rows"
    table = Table("field", "equal", "95%", "differ", "filled F1", "kappa", title=title)
    for name, row in result["fields"].items():
        low, high = row["interval"] or (0.0, 0.0)
        others = ("" if row[key] is None else f"{row[key]:.4f}" for key in ("filled", "kappa"))
        differ = str(row["differences"])
        table.add_row(name, f"{row['equal']:.4f}", f"{low:.3f}-{high:.3f}", differ, *others)
    return table


def _run(options: argparse.Namespace) -> None:
    reports = read_writings(options.first, options.second, options.corpus)
    result = agreement(reports, _RESAMPLES, _SEED)
    console = Console(emoji=False, highlight=False)
    console.print(_table(result))
    if not result["trusted"]:
        console.print(f"only {result['reports']} reports: the intervals are not to be trusted")
    if options.csv:
        count = write_differences(options.csv, reports)
        console.print(f"{options.csv}: {count} differences to decide", markup=False, soft_wrap=True)
    if options.json:
        with replacing(options.json) as stream:
            stream.write(json.dumps(result, ensure_ascii=False, indent=1) + "\n")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("first", type=Path, metavar="FIRST")
    parser.add_argument("second", type=Path, metavar="SECOND")
    parser.add_argument(
        "--corpus", type=Path, default=Path("data"), help="folder of the reports; default: data"
    )
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write the differences here")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    options = parser.parse_args(argv)
    with one_line_errors(parser):
        _run(options)


if __name__ == "__main__":
    main()
