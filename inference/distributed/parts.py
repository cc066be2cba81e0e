"""The results of a part: predictions, records, and the manifest that makes them count."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from inference.distributed.reading import Failures
from inference.distributed.stores import Store
from inference.prediction import Prediction
from inference.run import Run
from inference.writers.jsonl import write_jsonl
from inference.writers.parquet import write_parquet

__all__ = ["FOLDERS", "commit_part", "committed_parts", "read_manifest"]

FOLDERS = ("predictions", "records", "manifests")
"""The folders of results, each with a file a part."""


def commit_part(
    store: Store,
    part: int,
    plan: str,
    predictions: Iterable[Prediction],
    failures: Failures,
    model: Mapping[str, Any],
    *,
    records: bool,
) -> dict[str, Any]:
    """Write a part and then its manifest, from when on the part counts as done.

    Doing it again gives the same bytes under the same names, so a part that two machines work
    on, one of them given up for dead, is still there once. Gives the manifest.
    """
    run = Run(model)
    counts = {"reports": 0, "characters": 0, "spans": 0, "records": 0}
    with tempfile.TemporaryDirectory(prefix="zhibiao-") as name:
        folder = Path(name)
        files = {f"predictions/part-{part:06d}.jsonl": folder / "predictions.jsonl"}
        with ExitStack() as stack:
            writers = [stack.enter_context(write_jsonl(folder / "predictions.jsonl", run))]
            if records:
                files[f"records/part-{part:06d}.parquet"] = folder / "records.parquet"
                writers.append(stack.enter_context(write_parquet(folder / "records.parquet", run)))
            for prediction in predictions:
                for write in writers:
                    write(prediction)
                counts["reports"] += 1
                counts["characters"] += len(prediction.report.text)
                counts["spans"] += len(prediction.spans)
                counts["records"] += len(prediction.records)
        manifest = {
            "part": part,
            "plan": plan,
            "model": dict(model),
            **counts,
            "files": {target: store.publish(path, target) for target, path in files.items()},
            "failures": [
                {"source": source, "message": message} for source, message in failures.entries
            ],
        }
    store.write(_manifest(part), (json.dumps(manifest, ensure_ascii=False) + "\n").encode())
    return manifest


def read_manifest(store: Store, part: int) -> dict[str, Any] | None:
    """The manifest of a part; None while the part is not done."""
    data = store.read(_manifest(part))
    return None if data is None else dict(json.loads(data))


def committed_parts(store: Store) -> set[int]:
    """The numbers of the parts that are done."""
    return {
        int(name.removeprefix("part-").removesuffix(".json"))
        for name in store.names("manifests")
        if name.startswith("part-")
    }


def _manifest(part: int) -> str:
    return f"manifests/part-{part:06d}.json"
