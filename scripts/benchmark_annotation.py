"""Import and export through Label Studio against the bare SDK calls, side by side in one run.

    python scripts/benchmark_annotation.py [--imports 1000] [--exports 4000] [--json FILE]

Starts a server of its own on a fresh data folder (scripts/label_studio's environment, installed
when missing) and stops it. Machines are shared and noisy, so look at the ratios: ours over the
bare call, with the same tasks, 10 suggested spans each.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from annotation.client import Connection, connect  # noqa: E402
from annotation.export import export_project  # noqa: E402
from annotation.importing import Incoming, import_reports  # noqa: E402
from annotation.project import create_project  # noqa: E402
from annotation.regions import to_regions  # noqa: E402
from annotation.server import LabelStudioServer  # noqa: E402
from annotation.server_environment import ensure_installed  # noqa: E402
from annotation.tasks import Suggestion, task_data, to_prediction  # noqa: E402
from zhibiao.corpus import read_reports  # noqa: E402
from zhibiao.spans import Span  # noqa: E402

_SPANS = 10
_VERSION = "benchmark"


def texts(count: int) -> list[str]:
    """Different texts of the length of real reports: those of the test split, numbered."""
    reports = read_reports(f"{ROOT / 'data'}:test")
    return [f"{number}。{reports[number % len(reports)].text}" for number in range(count)]


def spans(text: str) -> tuple[Span, ...]:
    """Ten spans a text, as the bare call gets."""
    step = len(text) // _SPANS
    found = (Span(at, at + 2, "指标", 0.9) for at in range(0, step * _SPANS, step))
    return tuple(
        span for span in found if text[span.start : span.end].strip() == text[span.start : span.end]
    )


def suggest(asked: Sequence[str]) -> Iterator[tuple[Suggestion, ...]]:
    """Suggestions that cost nothing, so that the server's part is what is measured."""
    for text in asked:
        yield (Suggestion(spans(text), _VERSION),)


def measure(connection: Connection, imports: int, exports: int) -> dict[str, dict[str, float]]:
    """Seconds of each call and their ratio."""
    results = {"import": _import(connection, imports), "export": _export(connection, exports)}
    for times in results.values():
        times["ratio"] = times["ours"] / times["bare"]
    return results


def _import(connection: Connection, count: int) -> dict[str, float]:
    reports = texts(count)
    bare = create_project(connection, "bare import").id
    ours = create_project(connection, "our import").id

    def bare_call() -> None:
        request: Any = [
            {
                "data": task_data(str(number), text, "x"),
                "predictions": [to_prediction(Suggestion(spans(text), _VERSION))],
            }
            for number, text in enumerate(reports)
        ]
        connection.api.projects.import_tasks(bare, request=request)

    incoming = [Incoming(task_data(str(number), text, "x")) for number, text in enumerate(reports)]
    return {
        "tasks": count,
        "bare": _seconds(bare_call),
        "ours": _seconds(lambda: import_reports(connection, ours, incoming, suggest)),
    }


def _export(connection: Connection, count: int) -> dict[str, float]:
    project = create_project(connection, "export").id
    request: Any = [
        {
            "data": task_data(str(number), text, "x"),
            "annotations": [{"result": to_regions(spans(text))}],
        }
        for number, text in enumerate(texts(count))
    ]
    for start in range(0, count, 500):
        connection.api.projects.import_tasks(project, request=request[start : start + 500])
    with tempfile.TemporaryDirectory() as folder:
        exports = connection.api.projects.exports
        times = {"tasks": float(count), "bare": _seconds(lambda: exports.as_json(project))}
        times["ours"] = _seconds(lambda: export_project(connection, project, Path(folder)))
        times["again"] = _seconds(lambda: export_project(connection, project, Path(folder)))
    return times


def _seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--imports", type=int, default=1000, help="tasks to import")
    parser.add_argument("--exports", type=int, default=4000, help="tasks to export")
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv-label-studio")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(argv)
    ensure_installed(options.venv, print)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (
        tempfile.TemporaryDirectory() as data,
        LabelStudioServer(data, options.venv, port) as server,
    ):
        connection = connect(server.url, server.token)
        results = measure(connection, options.imports, options.exports)
    table = Table("", "tasks", "bare SDK, s", "ours, s", "ratio", "again, s")
    for name, times in results.items():
        again = f"{times['again']:.1f}" if "again" in times else ""
        row = [f"{times[key]:.1f}" for key in ("bare", "ours", "ratio")]
        table.add_row(name, f"{times['tasks']:.0f}", *row, again)
    Console(emoji=False).print(table)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
