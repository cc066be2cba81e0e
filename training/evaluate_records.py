"""Score rows (records) on reports with gold rows, from gold spans and from predicted spans.

    python -m training.evaluate_records --data SOURCE [SOURCE ...]
        [--records FILE.jsonl] [--model DIR] [--json FILE] [--html FILE]

SOURCE is CORPUS:SPLIT, with gold rows in the sheets CORPUS/records/ID.csv, or a report JSONL
file, with gold rows in records.jsonl beside it unless --records names another file. Intervals
are 95%, from 2,000 bootstrap resamples of the reports.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from training.program import one_line_errors
from training.records.error_page import Mistake, find_mistakes, write_page
from training.records.gold import GoldRows, read_gold
from training.records.pairing import Linker, PairedReport, link_reports
from training.records.scores import NAMES, score_rows
from zhibiao.extractor import Extractor
from zhibiao.files import replacing
from zhibiao.linking import link_records

__all__ = ["evaluate", "pair_rows"]

_MODES = {"gold_spans": "gold spans", "predicted_spans": "predicted spans"}


def pair_rows(
    extractor: Extractor, gold: GoldRows, linker: Linker = link_records
) -> dict[str, list[PairedReport]]:
    """Gold rows paired with those made from ``gold_spans`` and from ``predicted_spans``."""
    reports = [item.report for item in gold.reports]
    found = extractor.extract_many(report.text for report in reports)
    return {
        "gold_spans": link_reports(gold.reports, [report.spans for report in reports], linker),
        "predicted_spans": link_reports(gold.reports, found, linker),
    }


def evaluate(
    extractor: Extractor,
    gold: GoldRows,
    pairs: dict[str, list[PairedReport]],
    resamples: int = 2000,
    seed: int = 13,
) -> dict[str, Any]:
    """All figures as plain data for JSON.

    Keys: ``model``, ``reports``, ``reports_with_rows``, and for each entry of ``pairs`` (see
    :func:`pair_rows`) what :func:`.scores.score_rows` gives, with every wrong row in ``errors``.
    """
    return {
        "model": extractor.info,
        "reports": gold.total,
        "reports_with_rows": sum(bool(item.records) for item in gold.reports),
        **{
            mode: {
                **score_rows(reports, resamples, seed),
                "errors": [mistake.to_dict() for mistake in find_mistakes(mode, reports)],
            }
            for mode, reports in pairs.items()
        },
    }


def _range(interval: Sequence[float] | None) -> str:
    return f"{interval[0]:.3f}-{interval[1]:.3f}" if interval else "-"


def _fields_table(mode: str, figures: dict[str, Any]) -> Table:
    # From gold spans there are as many predicted as gold rows: P, R and F1 are one number.
    keys = {"accuracy": "f1"} if mode == "gold_spans" else {"P": "precision", "R": "recall"}
    if "P" in keys:
        keys["F1"] = "f1"
    title = f"{_MODES[mode]}: {figures['gold']} gold rows, {figures['predicted']} predicted"
    table = Table("field", *keys, "95%", "filled F1", title=title)
    for name in NAMES:
        numbers = figures["fields"][name]
        filled = f"{numbers['filled']['f1']:.4f}" if "filled" in numbers else ""
        shown = [f"{numbers[key]:.4f}" for key in keys.values()]
        table.add_row(name, *shown, _range(numbers["intervals"]["f1"]), filled)
    return table


def _genres_table(mode: str, figures: dict[str, Any]) -> Table:
    names = ("indicator", "subject", "six", "all")  # more do not fit a terminal; see --json
    table = Table(
        "genre", "reports", "rows", *names, title=f"F1 by genre, {_MODES[mode]}", pad_edge=False
    )
    for row in figures["genres"]:
        scores = [f"{row['f1'][name]:.3f}" for name in names]
        table.add_row(row["name"], str(row["reports"]), str(row["gold"]), *scores)
    return table


def _calibration_line(mode: str, figures: dict[str, Any]) -> str:
    told = (
        f"{field} {numbers['error']:.4f} (mean {numbers['confidence']:.3f}, "
        f"right {numbers['accuracy']:.3f})"
        if numbers["count"]
        else f"{field} not told"
        for field, numbers in figures["calibration"].items()
    )
    return f"calibration error of confidence, {_MODES[mode]}: {', '.join(told)}"


def _print(console: Console, source: str, result: dict[str, Any]) -> None:
    covered = f"{result['reports_with_rows']} of {result['reports']} reports have gold rows"
    console.print(f"{source}: {covered}", markup=False, soft_wrap=True)
    for mode in _MODES:
        console.print(_fields_table(mode, result[mode]))
        if result[mode]["genres"]:
            console.print(_genres_table(mode, result[mode]))
        console.print(_calibration_line(mode, result[mode]), markup=False, soft_wrap=True)
    if not result["gold_spans"]["trusted"]:
        console.print("so few reports: the intervals are not to be trusted")


def _arguments(argv: list[str] | None) -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--model", help="model directory; default: the embedded model")
    parser.add_argument("--data", nargs="+", required=True, metavar="SOURCE")
    parser.add_argument(
        "--records", type=Path, metavar="FILE", help="gold rows of the one JSONL file in --data"
    )
    parser.add_argument("--resamples", type=int, default=2000, metavar="N")
    parser.add_argument("--seed", type=int, default=13, help="of the resamples; default: 13")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to this file")
    parser.add_argument(
        "--html", type=Path, metavar="FILE", help="write a page with every wrong row"
    )
    options = parser.parse_args(argv)
    if options.records and sum(source.endswith(".jsonl") for source in options.data) != 1:
        parser.error("--records needs exactly one JSONL file in --data")
    if options.resamples < 1:
        parser.error("--resamples must be at least 1")
    return parser, options


def _run(options: argparse.Namespace) -> None:
    extractor = Extractor.from_pretrained(options.model)
    results: dict[str, dict[str, Any]] = {}
    mistakes: dict[str, list[Mistake]] = {}
    console = Console(emoji=False, highlight=False)
    for source in options.data:
        gold = read_gold(source, options.records)
        pairs = pair_rows(extractor, gold)
        result = evaluate(extractor, gold, pairs, options.resamples, options.seed)
        results[source] = result
        mistakes[source] = [
            mistake for mode, reports in pairs.items() for mistake in find_mistakes(mode, reports)
        ]
        _print(console, source, result)
    if options.json:
        with replacing(options.json) as stream:
            stream.write(json.dumps(results, ensure_ascii=False, indent=1) + "\n")
    if options.html:
        write_page(options.html, results, mistakes)


def main(argv: list[str] | None = None) -> None:
    parser, options = _arguments(argv)
    with one_line_errors(parser):
        _run(options)


if __name__ == "__main__":
    main()
