"""Run many trainings of one kind and say what they show together.

    python -m training.study KIND --config CONFIG [--dry-run] [key=value ...]

KIND   kfold   every training report scored by a model that has not seen it
       curve   F1 over the number of reports, and what more would bring
       seeds   the same config with several seeds
       search  hyperparameter search (Optuna)
       sweep   named variants against the base

CONFIG is a study file; ready ones are in configs/studies/. key=value changes it. Finished runs
are not done again: repeat the command after an interruption or a failure. The study's folder
gets study.json, table.csv, plot.svg, plot.png and a folder for each run.
Exit status: 0, or 1 when a run failed, or 2 for wrong use.
"""

from __future__ import annotations

import argparse
import csv
import json
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from rich.console import Console
from rich.table import Table

from training.config import load_config, options_of
from training.studies.folds import FoldsConfig, plan_folds, summarise_folds
from training.studies.learning_curve import CurveConfig, plan_curve, summarise_curve
from training.studies.plots import save_figure
from training.studies.run import Result, Run, execute
from training.studies.search import SearchConfig, plan_search, run_search, summarise_search
from training.studies.seeds import SeedsConfig, plan_seeds, summarise_seeds
from training.studies.settings import Sources, StudyConfig, Summary
from training.studies.sweep import SweepConfig, plan_sweep, summarise_sweep
from zhibiao.errors import FormatError, ZhibiaoError
from zhibiao.files import replacing

__all__ = ["KINDS", "dry_run", "run_study"]


@dataclass(frozen=True)
class _Kind:
    """A study's settings, its plan of runs, and what its results say."""

    config: type[StudyConfig]
    plan: Callable[[Any, Sources], list[Run]]
    summarise: Callable[[Any, Sequence[Result]], Summary]


KINDS: dict[str, _Kind] = {
    "kfold": _Kind(FoldsConfig, plan_folds, summarise_folds),
    "curve": _Kind(CurveConfig, plan_curve, summarise_curve),
    "seeds": _Kind(SeedsConfig, plan_seeds, summarise_seeds),
    "search": _Kind(SearchConfig, plan_search, summarise_search),
    "sweep": _Kind(SweepConfig, plan_sweep, summarise_sweep),
}


def dry_run(kind: str, study: StudyConfig, console: Console) -> int:
    """Print the planned runs; returns the characters that they go through at most."""
    data = Sources(study.folder / "data", write=False)
    runs = KINDS[kind].plan(study, data)
    table = Table(title="at most, early stopping aside")
    for column in ("run", "training reports", "epochs", "characters", "finished"):
        table.add_column(column, no_wrap=column == "run")
    total = seen = 0
    seconds = 0.0
    for run in runs:
        characters = run.characters(data)
        record = run.record(data)
        if record:
            seconds += record["seconds"]
            seen += characters
        reports = len(data.reports(run.config.train, run.config.labels))
        shown = (str(reports), str(run.config.epochs), f"{characters:,}", "yes" if record else "")
        table.add_row(run.name, *shown)
        total += characters
    console.print(table)
    line = f"{len(runs)} runs, {total:,} characters at most"
    if seconds:
        hours = (total - seen) / (seen / seconds) / 3600
        line += f"; about {hours:.1f} hours more at the {seen / seconds:,.0f} characters a second"
        line += " of the runs that have a result"
    console.print(line, soft_wrap=True)
    return total


def run_study(kind: str, study: StudyConfig, console: Console | None = None) -> dict[str, Any]:
    """Do the runs of a study that are not finished; returns the content of ``study.json``.

    ``study.json`` is written after every run, so what is done is there whatever comes.

    Raises:
        FormatError: a study file that asks for what cannot be; the message names its key.
    """
    console = console or Console(emoji=False, stderr=True)
    study.folder.mkdir(parents=True, exist_ok=True)
    data = Sources(study.folder / "data")
    runs = KINDS[kind].plan(study, data)
    results: dict[str, Result] = {}

    def report(result: Result) -> None:
        results[result.run.name] = result
        score = f"F1 {result.f1:.4f}" if result.finished else result.error
        count = f"{len(results)}/{len(runs)}"
        console.print(f"{count} {result.run.name}: {result.status}, {score}", soft_wrap=True)
        _write_json(study.folder / "study.json", _record(kind, study, results, {}))

    if isinstance(study, SearchConfig):
        run_search(study, data, report)
    else:
        ordered = execute(runs, study, data, report)
        results = {result.run.name: result for result in ordered}
    summary = KINDS[kind].summarise(study, list(results.values()))
    record = _record(kind, study, results, summary.numbers)
    _write_json(study.folder / "study.json", record)
    _write_table(study.folder / "table.csv", summary.rows)
    if summary.figure:
        save_figure(summary.figure, study.folder)
    _show(summary, console)
    return record


def _record(
    kind: str, study: StudyConfig, results: dict[str, Result], numbers: dict[str, Any]
) -> dict[str, Any]:
    return {
        "kind": kind,
        "config": study.model_dump(mode="json"),
        "runs": [result.to_dict() for result in results.values()],
        "failed": [name for name, result in results.items() if result.status == "failed"],
        "summary": numbers,
    }


def _write_json(path: Path, data: Any) -> None:
    with replacing(path) as stream:
        stream.write(json.dumps(data, ensure_ascii=False, indent=1) + "\n")


def _write_table(path: Path, rows: list[dict[str, Any]]) -> None:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with replacing(path) as stream:
        writer = csv.DictWriter(stream, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _show(summary: Summary, console: Console) -> None:
    columns = list(dict.fromkeys(key for row in summary.rows for key in row))
    table = Table(*columns)
    for row in summary.rows:
        cells = (row.get(column) for column in columns)
        table.add_row(*("" if cell is None else str(cell) for cell in cells))
    if columns:
        console.print(table)
    for line in summary.lines:
        console.print(line, soft_wrap=True, highlight=False)


def _keys() -> str:
    shared = options_of(StudyConfig)
    parts = [f"keys of every study file and their defaults:\n{shared}"]
    for name, kind in KINDS.items():
        own = [line for line in options_of(kind.config).split("\n") if line not in shared]
        parts.append("\n".join([f"keys of {name}:", *own]))
    return "\n".join(parts)


def _arguments(argv: list[str] | None) -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=_keys(), formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("kind", choices=KINDS, metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("--config", type=Path, required=True, help="study file")
    parser.add_argument(
        "--dry-run", action="store_true", help="print the runs and the characters to process"
    )
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    # Intermixed, or key=value after an option would not be taken.
    return parser, parser.parse_intermixed_args(argv)


def main(argv: list[str] | None = None) -> None:
    parser, options = _arguments(argv)
    # Ending politely ends the runs too, each at its last checkpoint.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        study = load_config(KINDS[options.kind].config, options.config, options.overrides)
        if options.dry_run:
            dry_run(options.kind, study, Console(emoji=False))
            return
        record = run_study(options.kind, study, Console(emoji=False))
    except FormatError as error:
        where = "" if str(error).startswith(str(options.config)) else f"{options.config}: "
        parser.exit(2, f"error: {where}{error}\n")
    except (ZhibiaoError, OSError) as error:
        parser.exit(2, f"error: {error}\n")
    if record["failed"]:
        failed = ", ".join(cast("list[str]", record["failed"]))
        parser.exit(1, f"failed: {failed}; see study.json, and repeat the command for them\n")


if __name__ == "__main__":
    main()
