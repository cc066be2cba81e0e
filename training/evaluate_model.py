"""Score a model on whole reports, strictly, with seqeval as the cross-check.

    python -m training.evaluate_model [--model DIR] --data SOURCE [SOURCE ...] [--json FILE]

SOURCE is a report JSONL file or CORPUS:SPLIT such as ``data:test``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from training.dataset import lost_spans
from zhibiao.corpus import read_reports
from zhibiao.errors import ZhibiaoError
from zhibiao.extractor import Extractor
from zhibiao.metrics import Scores, score_reports, seqeval_f1
from zhibiao.reports import Report

__all__ = ["evaluate", "score_extractor"]


def score_extractor(extractor: Extractor, reports: Sequence[Report]) -> Scores:
    """Strict scores of an extractor on reports with gold spans."""
    found = extractor.extract_many(report.text for report in reports)
    return score_reports((r.spans, spans) for r, spans in zip(reports, found, strict=True))


def evaluate(extractor: Extractor, reports: Sequence[Report]) -> dict[str, Any]:
    """Scores, the seqeval cross-check and lost gold spans, as plain data for JSON.

    Raises:
        ZhibiaoError: seqeval and the span sets disagree, so one of them is wrong.
    """
    found = list(extractor.extract_many(report.text for report in reports))
    scores = score_reports((r.spans, spans) for r, spans in zip(reports, found, strict=True))
    check = seqeval_f1(
        (len(r.text), r.spans, spans) for r, spans in zip(reports, found, strict=True)
    )
    if abs(check - scores.micro.f1) > 1e-9:
        raise ZhibiaoError(f"seqeval says {check}, span sets say {scores.micro.f1}")
    settings = extractor.settings
    return {
        "model": extractor.info,
        "reports": len(reports),
        "characters": sum(len(report.text) for report in reports),
        "lost_gold_spans": lost_spans(reports, settings.window, settings.overlap),
        "seqeval_f1": round(check, 4),
        **scores.to_dict(),
    }


def _table(source: str, result: dict[str, Any]) -> Table:
    title = (
        f"{source}: {result['reports']} reports, {result['characters']} characters, "
        f"lost gold spans {result['lost_gold_spans']}, seqeval F1 {result['seqeval_f1']:.4f}"
    )
    table = Table("label", "precision", "recall", "F1", "right", "predicted", "gold", title=title)
    rows = [*result["labels"].items(), ("micro", result["micro"])]
    for label, numbers in rows:
        shown = [f"{numbers[key]:.4f}" for key in ("precision", "recall", "f1")]
        table.add_row(label, *shown, *(str(numbers[key]) for key in ("right", "predicted", "gold")))
    table.add_row("macro", "", "", f"{result['macro_f1']:.4f}", "", "", "")
    return table


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--model", help="model directory; default: the embedded model")
    parser.add_argument("--data", nargs="+", required=True, metavar="SOURCE")
    parser.add_argument("--backend", choices=("onnx", "torch"), default="onnx")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    options = parser.parse_args(argv)
    results = {}
    try:
        extractor = Extractor.from_pretrained(options.model, backend=options.backend)
        for source in options.data:
            results[source] = evaluate(extractor, read_reports(source))
            Console().print(_table(source, results[source]))
    except ZhibiaoError as error:
        parser.exit(2, f"error: {error}\n")
    if options.json:
        options.json.write_text(json.dumps(results, ensure_ascii=False, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
