"""Make the sheet in which the gold records of corpus reports are written by hand.

    python scripts/record_sheet.py data a01 a05

Prints each report with its spans numbered, as references in the sheet need them, and writes
``data/records/ID.csv`` with a line for each value, everything else empty, unless it is there;
a sheet that is there is checked. With --rewrite a sheet that is right in form is written again:
context as the report has it now, every cell in its usual spelling, other columns dropped.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from zhibiao import Report, read_tagged
from zhibiao.errors import FormatError
from zhibiao.records import Mention, Record
from zhibiao.rows import read_rows, write_rows


def numbered(report: Report) -> str:
    """The text with ``⟦number label|text⟧`` for each span."""
    pieces = []
    position = 0
    for number, span in enumerate(report.spans, start=1):
        pieces.append(report.text[position : span.start])
        pieces.append(f"⟦{number} {span.label}|{report.text[span.start : span.end]}⟧")
        position = span.end
    return "".join(pieces) + report.text[position:]


def main(arguments: list[str] | None = None) -> int:
    """Return 1 when a sheet is wrong."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", type=Path, help="corpus folder")
    parser.add_argument("reports", nargs="+", help="ids of reports", metavar="ID")
    parser.add_argument("--quiet", action="store_true", help="only check, do not print the text")
    parser.add_argument("--rewrite", action="store_true", help="write right sheets again")
    parser.add_argument("--folder", help="folder of the sheets (CORPUS/records)", type=Path)
    options = parser.parse_args(arguments)
    wrong = 0
    for report_id in options.reports:
        try:
            report = read_tagged(options.corpus / "reports" / f"{report_id}.txt")
            path = (options.folder or options.corpus / "records") / f"{report_id}.csv"
            if not options.quiet:
                print(f"== {report_id} {dict(report.meta)}\n{numbered(report)}\n")
            if path.exists():
                records = read_rows(path, report)
                if options.rewrite:
                    write_rows(path, report, records)
                print(f"{path}: {len(records)} records, right in form")
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                values = [span for span in report.spans if span.label == "数值"]
                write_rows(path, report, [Record(Mention.of(report.text, v)) for v in values])
                print(f"{path}: written, {len(values)} lines to fill")
        except FormatError as error:
            print(error, file=sys.stderr)
            wrong += 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
