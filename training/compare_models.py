"""Compare two models on the same reports with a paired bootstrap test.

    python -m training.compare_models A B --data SOURCE [SOURCE ...] [--json FILE]

A and B are model directories, or ``embedded`` for the embedded model; SOURCE is a report JSONL
file or CORPUS:SPLIT such as ``data:test``. Differences are B minus A: what is above 0 speaks for
B. Intervals (95%) and p are from 2,000 resamples of the reports, the same for both models.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from training.evaluation.comparison import compare_outcomes
from training.evaluation.outcome import read_outcomes
from training.program import one_line_errors
from zhibiao.corpus import read_reports
from zhibiao.extractor import Extractor
from zhibiao.files import replacing
from zhibiao.reports import Report

__all__ = ["compare"]

EMBEDDED = "embedded"


def compare(
    first: Extractor,
    second: Extractor,
    reports: Sequence[Report],
    resamples: int = 2000,
    seed: int = 13,
    examples: int = 20,
) -> dict[str, Any]:
    """``model_a`` and ``model_b``, and the keys of :func:`.comparison.compare_outcomes`.

    Raises:
        FormatError: no reports, or labels that differ.
    """
    a, b = (read_outcomes(extractor, reports) for extractor in (first, second))
    found = compare_outcomes(a, b, resamples, seed, examples)
    return {"model_a": first.info, "model_b": second.info, **found}


def _table(source: str, result: dict[str, Any]) -> Table:
    table = Table(
        *("label", "F1 A", "F1 B", "B - A", "95%", "B better", "equal", "p", "only A", "only B"),
        title=f"{source}: {result['reports']} reports",
    )
    rows = [*result["labels"].items(), ("micro", result["micro"]), ("macro", result["macro_f1"])]
    for name, row in rows:
        cells = [f"{row['a']:.4f}", f"{row['b']:.4f}", f"{row['difference']:+.4f}"]
        if row["interval"] is None:
            cells += ["-"] * 4
        else:
            low, high = row["interval"]
            cells.append(f"{low:+.4f} to {high:+.4f}")
            cells += [f"{row[key]:.1%}" for key in ("share_b_better", "share_equal")]
            cells.append(f"{row['p']:.4f}")
        for side in ("only_a", "only_b"):
            counts = result[side]
            whole = str(counts["count"]) if name == "micro" else ""
            cells.append(str(counts["labels"].get(name, whole)))
        table.add_row(name, *cells)
    return table


def _examples(result: dict[str, Any], side: str) -> list[str]:
    return [
        f"  {item['report']}: {item['before']}[{item['text']} {item['label']}]{item['after']}"
        for item in result[side]["examples"]
    ]


def _arguments(argv: list[str] | None) -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("a", metavar="A", help="model directory, or 'embedded'")
    parser.add_argument("b", metavar="B", help="model directory, or 'embedded'")
    parser.add_argument("--data", nargs="+", required=True, metavar="SOURCE")
    parser.add_argument("--backend", choices=("onnx", "torch"), default="onnx")
    parser.add_argument("--resamples", type=int, default=2000, metavar="N")
    parser.add_argument("--seed", type=int, default=13, help="of the resamples; default: 13")
    parser.add_argument(
        "--examples", type=int, default=20, metavar="N", help="spans shown that only one got"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to this file")
    options = parser.parse_args(argv)
    if options.resamples < 1 or options.examples < 0:
        parser.error("--resamples must be at least 1, --examples not negative")
    return parser, options


def _run(options: argparse.Namespace) -> None:
    first, second = (
        Extractor.from_pretrained(
            None if name == EMBEDDED else name, backend=options.backend, labels=None
        )
        for name in (options.a, options.b)
    )
    results = {}
    console = Console(emoji=False, highlight=False)
    for source in options.data:
        reports = read_reports(source, first.labels)
        result = compare(first, second, reports, options.resamples, options.seed, options.examples)
        results[source] = result
        console.print(_table(source, result))
        if not result["trusted"]:
            console.print(f"only {result['reports']} reports: intervals and p say little")
        for side, name in (("only_a", "A"), ("only_b", "B")):
            lines = _examples(result, side)
            if lines:
                console.print(f"gold spans that only {name} got ({result[side]['count']}):")
            for line in lines:
                console.print(line.replace("\n", " "), markup=False)
    if options.json:
        with replacing(options.json) as stream:
            stream.write(json.dumps(results, ensure_ascii=False, indent=1) + "\n")


def main(argv: list[str] | None = None) -> None:
    parser, options = _arguments(argv)
    with one_line_errors(parser):
        _run(options)


if __name__ == "__main__":
    main()
