"""Datasets of the Hugging Face ``datasets`` library, as ``Dataset.save_to_disk`` leaves them.

A row is a report: ``id``, ``text``, ``spans`` (``start`` and ``end`` in code points, half-open,
``label``), ``meta`` as JSON, and what token classifiers read, ``tokens`` (one character each) and
``ner_tags`` (IOB2, a ``ClassLabel``). Reading takes ``text`` and ``spans``; ``tokens`` and
``ner_tags`` follow from them.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from training.formats.draft import Draft, Problem
from zhibiao.errors import FormatError, OutputError
from zhibiao.reports import Report
from zhibiao.spans import LABELS, Span
from zhibiao.tagging import spans_to_tags, tags_of

__all__ = ["is_dataset", "read", "write"]


def is_dataset(path: Path) -> bool:
    """Whether the folder is one that ``Dataset.save_to_disk`` made."""
    return (path / "dataset_info.json").is_file() and (path / "state.json").is_file()


def read(path: Path) -> Iterator[Draft | Problem]:
    """Drafts of a dataset's rows; a row of another form is a problem.

    Raises:
        FormatError: not such a folder, or one without the columns ``text`` and ``spans``.
    """
    from datasets import load_from_disk

    if not is_dataset(path):
        raise FormatError(f"{path}: no dataset_info.json; name one split's folder of save_to_disk")
    try:
        dataset: Any = load_from_disk(str(path))
    except Exception as error:  # pyarrow and datasets each raise their own
        raise FormatError(f"{path}: cannot be opened as a dataset ({error})") from error
    missing = {"text", "spans"} - set(dataset.column_names)
    if missing:
        raise FormatError(f"{path}: no column {' or '.join(sorted(missing))}")
    for number, row in enumerate(dataset, start=1):
        where = f"{path}: row {number}"
        try:
            spans = tuple(
                Span(int(s["start"]), int(s["end"]), str(s["label"])) for s in row["spans"]
            )
            meta = json.loads(row.get("meta") or "{}")
        except (KeyError, TypeError, ValueError) as error:
            yield Problem(where, "syntax", f"spans or meta of another form ({error!r})")
            continue
        name = str(row.get("id") or f"{path.name}-{number}")
        yield Draft(name, str(row["text"]), spans, where, meta if isinstance(meta, dict) else {})


def write(path: Path, reports: Sequence[Report]) -> list[Problem]:
    """Write a new folder.

    Raises:
        OutputError: the folder is not empty, or cannot be written.
    """
    from datasets import ClassLabel, Dataset, Features, List, Value

    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise OutputError(f"{path}: is there already; name a new or empty folder")
    found = {span.label for report in reports for span in report.spans}
    labels = LABELS if found <= set(LABELS) else tuple(sorted(found))
    features = Features(
        {
            "id": Value("string"),
            "text": Value("string"),
            "spans": List(
                {"start": Value("int64"), "end": Value("int64"), "label": Value("string")}
            ),
            "meta": Value("string"),
            "tokens": List(Value("string")),
            "ner_tags": List(ClassLabel(names=list(tags_of(labels)))),
        }
    )
    rows = [_row(report, labels) for report in reports]
    try:
        # Beside the target, so that it takes its name whole.
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as working:
            made = Path(working) / "dataset"
            Dataset.from_list(rows, features=features).save_to_disk(str(made))
            if path.exists():
                path.rmdir()
            shutil.move(made, path)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot write here ({error.strerror}); choose a writable folder"
        ) from error
    return []


def _row(report: Report, labels: Sequence[str]) -> dict[str, Any]:
    return {
        "id": report.id,
        "text": report.text,
        "spans": [{"start": s.start, "end": s.end, "label": s.label} for s in report.spans],
        "meta": json.dumps(dict(report.meta), ensure_ascii=False),
        "tokens": list(report.text),
        "ner_tags": spans_to_tags(len(report.text), report.spans, labels).tolist(),
    }
