"""Fit a model's temperature, and thresholds for a wanted precision, and write them into it.

    python -m training.calibrate MODEL --data SOURCE [SOURCE ...] [--precision P] [--dry-run]

SOURCE is a report JSONL file or CORPUS:SPLIT: validation reports, never those the model is
tested on. ``temperature``, ``thresholds`` and ``calibration`` in MODEL/zhibiao.json are replaced,
everything else is kept. Without --precision thresholds are not touched; a model that has some
needs --precision or --no-thresholds, because they were chosen for the old scores.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from training.dataset import data_hash
from training.evaluation.calibration import TARGETS, calibration
from training.evaluation.outcome import Outcome, read_outcomes, retempered
from training.evaluation.summary import fit
from training.program import one_line_errors
from zhibiao.corpus import read_reports
from zhibiao.errors import ModelError
from zhibiao.extractor import Extractor
from zhibiao.files import replacing

__all__ = ["calibrate", "write_calibration"]

_SETTINGS = "zhibiao.json"


def calibrate(
    extractor: Extractor,
    outcomes: Sequence[Outcome],
    source: str,
    precision: float | None = None,
    target: str = "spans",
) -> dict[str, Any]:
    """What is to be written: ``temperature``, ``thresholds`` and ``calibration``.

    ``thresholds`` holds only labels that need one. ``calibration`` records ``data``,
    ``reports``, ``hash``, ``target``, ``precision`` wanted, ``labels`` (see
    :func:`~training.evaluation.thresholds.label_thresholds`), and ``before`` and ``after`` with
    the negative log-likelihood and the expected calibration errors.

    Raises:
        ZhibiaoError: no gold spans, no best temperature, or an impossible precision.
    """
    found = fit(outcomes, source, precision, target)
    warmer = [retempered(outcome, found.factor) for outcome in outcomes]
    return {
        "temperature": round(extractor.settings.temperature * found.factor, 6),
        "thresholds": {
            label: row["threshold"] for label, row in found.thresholds.items() if row["threshold"]
        },
        "calibration": {
            "data": source,
            "reports": len(outcomes),
            "hash": data_hash(outcome.report for outcome in outcomes),
            "target": target,
            "precision": precision,
            "labels": dict(found.thresholds),
            "before": _short(calibration(outcomes)),
            "after": _short(calibration(warmer)),
        },
    }


def _short(measured: Mapping[str, Any]) -> dict[str, float]:
    return {
        "negative_log_likelihood": measured["negative_log_likelihood"],
        "character_error": measured["characters"]["error"],
        "span_error": measured["spans"]["error"],
    }


def write_calibration(directory: str | Path, found: Mapping[str, Any]) -> None:
    """Put the keys of ``found`` into the model's ``zhibiao.json``; the file is replaced whole.

    Raises:
        ModelError: the settings cannot be read.
        OutputError: the directory is not writable.
    """
    path = Path(directory) / _SETTINGS
    try:
        settings = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read as JSON ({error})") from error
    if not isinstance(settings, dict):
        raise ModelError(f"{path}: expected a JSON object")
    with replacing(path) as stream:
        stream.write(json.dumps(settings | dict(found), ensure_ascii=False, indent=1) + "\n")


def _table(rows: Mapping[str, Mapping[str, Any]]) -> Table:
    table = Table(
        *("label", "threshold", "precision", "at least", "recall", "P / R without", "spans"),
        title="thresholds; 'at least' is the low end of the precision's 95% interval",
    )
    for label, row in rows.items():
        threshold = row["threshold"]
        table.add_row(
            label,
            "unreachable" if threshold is None else f"{threshold:.4f}" if threshold else "none",
            *(f"{row[key]:.4f}" for key in ("precision", "precision_low", "recall")),
            f"{row['precision_before']:.4f} / {row['recall_before']:.4f}",
            f"{row['candidates']}{' (few)' if row['few'] else ''}",
        )
    return table


def _arguments(argv: list[str] | None) -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("model", metavar="MODEL", help="model directory")
    parser.add_argument("--data", nargs="+", required=True, metavar="SOURCE")
    thresholds = parser.add_mutually_exclusive_group()
    thresholds.add_argument("--precision", type=float, metavar="P", help="such as 0.95")
    thresholds.add_argument(
        "--no-thresholds", action="store_true", help="remove the thresholds that the model has"
    )
    parser.add_argument(
        "--target",
        choices=TARGETS,
        default=TARGETS[0],
        help="what the temperature is fitted on: scores of found spans (what prediction shows and\n"
        "thresholds use; default), or tags of all characters",
    )
    parser.add_argument("--backend", choices=("onnx", "torch"), default="onnx")
    parser.add_argument("--dry-run", action="store_true", help="print, write nothing")
    return parser, parser.parse_args(argv)


def _run(options: argparse.Namespace) -> None:
    extractor = Extractor.from_pretrained(options.model, backend=options.backend, labels=None)
    if extractor.settings.thresholds and options.precision is None and not options.no_thresholds:
        raise ModelError(
            f"{options.model}: has thresholds, chosen for the old temperature; "
            "give --precision P to find new ones or --no-thresholds to remove them"
        )
    reports = [r for source in options.data for r in read_reports(source, extractor.labels)]
    outcomes = read_outcomes(extractor, reports)
    found = calibrate(
        extractor, outcomes, " ".join(options.data), options.precision, options.target
    )
    console = Console(emoji=False, highlight=False)
    record = found["calibration"]
    console.print(
        f"temperature {extractor.settings.temperature:.4f} -> {found['temperature']:.4f} "
        f"on {record['reports']} reports"
    )
    for name in record["before"]:
        shown = name.replace("_", " ")
        console.print(f"{shown}: {record['before'][name]:.5f} -> {record['after'][name]:.5f}")
    if record["labels"]:
        console.print(_table(record["labels"]))
    if not options.dry_run:
        write_calibration(options.model, found)


def main(argv: list[str] | None = None) -> None:
    parser, options = _arguments(argv)
    with one_line_errors(parser):
        _run(options)


if __name__ == "__main__":
    main()
