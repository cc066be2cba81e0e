"""Size, speed and F1 of models side by side."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from zhibiao.extractor import Extractor
from zhibiao.metrics import Scores, score_reports
from zhibiao.reports import Report

__all__ = ["compare_models", "comparison_table", "score"]

_ROUNDS = 5  # speed is the best of so many turns


def score(extractor: Extractor, reports: Sequence[Report]) -> Scores:
    """Strict scores of an extractor on whole reports."""
    found = extractor.extract_many(report.text for report in reports)
    return score_reports(
        ((r.spans, spans) for r, spans in zip(reports, found, strict=True)), extractor.labels
    )


def compare_models(
    directories: Sequence[str | Path],
    reports: Sequence[Report],
    *,
    backend: str = "torch",
    device: str = "cpu",
) -> list[dict[str, Any]]:
    """Size, speed and F1 of models on the same reports, a row for each, in their order.

    ``megabytes`` (10^6 bytes) is the file that the backend runs; ``speed`` is characters a second
    from text to spans, the best of five turns. The models take turns, so what slows the machine
    slows all of them; compare speeds within one call alone.
    """
    models = [
        Extractor.from_pretrained(path, backend=backend, device=device, labels=None)
        for path in directories
    ]
    rows: list[dict[str, Any]] = []
    for path, model in zip(directories, models, strict=True):
        scores = score(model, reports)  # also warms the model up before it is timed
        file = Path(path) / ("model.onnx" if backend == "onnx" else "model.safetensors")
        rows.append(
            {
                "model": str(path),
                "parameters": _parameters(Path(path)),
                "megabytes": round(file.stat().st_size / 1e6, 2) if file.is_file() else None,
                "f1": round(scores.micro.f1, 4),
                "macro_f1": round(scores.macro_f1, 4),
                "speed": 0.0,
            }
        )
    texts = [report.text for report in reports]
    characters = sum(map(len, texts))
    for _ in range(_ROUNDS):
        for row, model in zip(rows, models, strict=True):
            started = time.perf_counter()
            for _spans in model.extract_many(texts):
                pass
            row["speed"] = max(row["speed"], characters / (time.perf_counter() - started))
    for row in rows:
        row["speed"] = round(row["speed"])
        row["times_faster"] = round(row["speed"] / max(1, rows[0]["speed"]), 2)
    return rows


def _parameters(directory: Path) -> int | None:
    from safetensors import safe_open

    path = directory / "model.safetensors"
    if not path.is_file():
        return None
    with safe_open(path, framework="numpy") as held:
        shapes = [held.get_slice(name).get_shape() for name in held.keys()]  # noqa: SIM118
    return sum(int(math.prod(shape)) for shape in shapes)


def comparison_table(rows: Sequence[dict[str, Any]]) -> Table:
    """The rows of :func:`compare_models` for people."""
    table = Table()
    for column in ("model", "parameters", "MB", "chars/s", "x first", "F1", "macro F1"):
        table.add_column(column, overflow="fold" if column == "model" else "ellipsis")
    for row in rows:
        count = f"{row['parameters'] / 1e6:.1f} M" if row["parameters"] else ""
        size = "" if row["megabytes"] is None else f"{row['megabytes']:.1f}"
        speed = f"{row['speed']:,}", f"{row['times_faster']:.2f}"
        table.add_row(
            row["model"], count, size, *speed, f"{row['f1']:.4f}", f"{row['macro_f1']:.4f}"
        )
    return table
