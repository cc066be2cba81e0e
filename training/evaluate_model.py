"""Score a model on whole reports, strictly and partly, with intervals and every error.

    python -m training.evaluate_model [--model DIR] --data SOURCE [SOURCE ...]
        [--validation SOURCE [--precision P]]
        [--json FILE] [--html FILE]

SOURCE is a report JSONL file or CORPUS:SPLIT such as ``data:test``. Intervals are 95%, from
2,000 bootstrap resamples of the reports. With --validation the temperature is fitted there and
the calibration error is told before and after; --precision finds label thresholds there too.
Nothing is written into the model: training.calibrate does that.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from training.evaluation.calibration import TARGETS
from training.evaluation.error_page import write_page
from training.evaluation.mistakes import Mistake, find_mistakes
from training.evaluation.outcome import read_outcomes
from training.evaluation.summary import Fit, fit, summarise
from training.program import one_line_errors
from zhibiao.corpus import read_reports
from zhibiao.extractor import Extractor
from zhibiao.files import replacing
from zhibiao.metrics import Scores, score_reports
from zhibiao.reports import Report

__all__ = ["evaluate", "score_extractor"]


def score_extractor(extractor: Extractor, reports: Sequence[Report]) -> Scores:
    """Strict scores of an extractor on reports with gold spans."""
    found = extractor.extract_many(report.text for report in reports)
    pairs = ((r.spans, spans) for r, spans in zip(reports, found, strict=True))
    return score_reports(pairs, extractor.labels)


def evaluate(
    extractor: Extractor,
    reports: Sequence[Report],
    fitted: Fit | None = None,
    resamples: int = 2000,
    seed: int = 13,
) -> dict[str, Any]:
    """All measures as plain data for JSON; the keys are in :func:`.summary.summarise`.

    Raises:
        FormatError: there are no reports, or they have labels that the model does not know.
        ZhibiaoError: seqeval and the span sets disagree, so one of them is wrong.
    """
    return summarise(extractor, read_outcomes(extractor, reports), fitted, resamples, seed)


def _range(interval: Sequence[float] | None) -> str:
    return f"{interval[0]:.3f}-{interval[1]:.3f}" if interval else "-"


def _table(source: str, result: dict[str, Any]) -> Table:
    title = (
        f"{source}: {result['reports']} reports, {result['characters']} characters, "
        f"lost gold spans {result['lost_gold_spans']}, seqeval F1 {result['seqeval_f1']:.4f}"
    )
    # Narrow enough for 80 columns, so that no figure is cut.
    heads = ("label", "P", "R", "F1", "95%", "right", "found", "gold", "reports")
    table = Table(*heads, title=title, box=SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    ranges = result["intervals"]
    rows = [*result["labels"].items(), ("micro", result["micro"])]
    for label, numbers in rows:
        shown = [f"{numbers[key]:.4f}" for key in ("precision", "recall", "f1")]
        counts = [str(numbers[key]) for key in ("right", "predicted", "gold")]
        found = ranges["labels"].get(label) or {**ranges["micro"], "reports": ranges["reports"]}
        table.add_row(label, *shown, _range(found["f1"]), *counts, str(found["reports"]))
    table.add_row("macro", "", "", f"{result['macro_f1']:.4f}", _range(ranges["macro_f1"]))
    return table


def _lines(result: dict[str, Any]) -> list[str]:
    """What the table does not say, a line a measure."""
    partial = ", ".join(
        f"{name} {numbers['f1']:.4f}" for name, numbers in result["partial"].items()
    )
    kinds = ", ".join(f"{kind} {count}" for kind, count in result["errors"]["total"].items())
    lines = [f"nervaluate F1: {partial}", f"errors: {kinds}"]
    if not result["intervals"]["trusted"]:
        lines.append(f"only {result['reports']} reports: the intervals are not to be trusted")
    measured = result["calibration"]
    states = [("temperature", measured["temperature"], measured["before"])]
    if measured["after"]:
        states.append(
            (
                f"fitted on {measured['target']} of {measured['fitted_on']}:",
                measured["fitted"],
                measured["after"],
            )
        )
    lines.extend(
        f"{name} {temperature:.3g}: expected calibration error of spans "
        f"{numbers['spans']['error']:.4f}, of characters {numbers['characters']['error']:.4f}"
        for name, temperature, numbers in states
    )
    if result["thresholds"]:
        here = result["thresholds"]["here"]["micro"]
        lines.append(
            f"with thresholds for precision {result['thresholds']['wanted']}: "
            f"precision {here['precision']:.4f}, recall {here['recall']:.4f}, F1 {here['f1']:.4f}"
        )
        lines.extend(
            f"  {label}: no threshold reaches it"
            for label, row in result["thresholds"]["labels"].items()
            if row["threshold"] is None
        )
    return lines


def _arguments(argv: list[str] | None) -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--model", help="model directory; default: the embedded model")
    parser.add_argument("--data", nargs="+", required=True, metavar="SOURCE")
    parser.add_argument("--validation", metavar="SOURCE", help="fit the temperature on these")
    parser.add_argument(
        "--precision", type=float, metavar="P", help="find thresholds for it on --validation"
    )
    parser.add_argument(
        "--target", choices=TARGETS, default=TARGETS[0], help="what the temperature is fitted on"
    )
    parser.add_argument("--backend", choices=("onnx", "torch"), default="onnx")
    parser.add_argument("--resamples", type=int, default=2000, metavar="N")
    parser.add_argument("--seed", type=int, default=13, help="of the resamples; default: 13")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to this file")
    parser.add_argument(
        "--html", type=Path, metavar="FILE", help="write a page with every error in its context"
    )
    options = parser.parse_args(argv)
    if options.precision is not None and options.validation is None:
        parser.error("--precision needs --validation SOURCE to find thresholds on")
    if options.resamples < 1:
        parser.error("--resamples must be at least 1")
    return parser, options


def _run(options: argparse.Namespace) -> None:
    extractor = Extractor.from_pretrained(options.model, backend=options.backend, labels=None)

    def read(source: str) -> list[Report]:
        return read_reports(source, extractor.labels)

    fitted = None
    if options.validation:
        outcomes = read_outcomes(extractor, read(options.validation))
        fitted = fit(outcomes, options.validation, options.precision, options.target)
    results: dict[str, dict[str, Any]] = {}
    mistakes: dict[str, list[Mistake]] = {}
    console = Console(emoji=False, highlight=False)
    for source in options.data:
        outcomes = read_outcomes(extractor, read(source))
        result = summarise(extractor, outcomes, fitted, options.resamples, options.seed)
        results[source] = result
        mistakes[source] = find_mistakes(outcomes) if options.html else []
        console.print(_table(source, result))
        for line in _lines(result):
            console.print(line, markup=False)
    if options.json:
        with replacing(options.json) as stream:
            stream.write(json.dumps(results, ensure_ascii=False, indent=1) + "\n")
    if options.html:
        write_page(options.html, results, mistakes, extractor.labels)


def main(argv: list[str] | None = None) -> None:
    parser, options = _arguments(argv)
    with one_line_errors(parser):
        _run(options)


if __name__ == "__main__":
    main()
