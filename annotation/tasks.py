"""Reports as Label Studio tasks: what stands in a task's data, and how it is checked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from annotation.client import Connection
from annotation.record_drawing import to_results
from annotation.regions import to_regions
from zhibiao.records import Record
from zhibiao.spans import Span

__all__ = ["Suggestion", "TaskRow", "content_hash", "list_tasks", "task_data", "to_prediction"]

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Spans proposed for a task, and who proposes them (``version``: a model, an annotator).

    ``records`` are proposed with them, in a project whose records are annotated; what they refer
    to besides these spans (the unit in a table's head, say) is not proposed.
    """

    spans: tuple[Span, ...]
    version: str
    records: tuple[Record, ...] = ()


@dataclass(frozen=True, slots=True)
class TaskRow:
    """One task of a project as the import needs it, without its annotations.

    ``touched`` says that somebody worked on it: annotated, skipped, or left a draft.
    """

    id: int
    data: Mapping[str, Any]
    touched: bool
    predictions: int

    @property
    def edited(self) -> bool:
        """Whether the text is no longer the one that was imported."""
        text = self.data.get("text")
        return not isinstance(text, str) or self.data.get("content_hash") != content_hash(text)


def content_hash(text: str) -> str:
    """What identifies a text: the first 32 hexadecimal digits of SHA-256 over its UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def task_data(
    report_id: str, text: str, source: str, meta: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The ``data`` of a task: text, content_hash, report_id, source and, where given, meta."""
    data: dict[str, Any] = {
        "text": text,
        "report_id": report_id,
        "source": source,
        "content_hash": content_hash(text),
    }
    if meta:
        data["meta"] = dict(meta)
    return data


def to_prediction(suggestion: Suggestion) -> dict[str, Any]:
    """A prediction of a task; its score is the mean of the spans' scores, 0 without spans.

    A report in which nothing was found has a prediction too, with an empty result: it tells
    a task that was looked at from one that was not.
    """
    spans = suggestion.spans
    return {
        "model_version": suggestion.version,
        "score": round(sum(span.score for span in spans) / len(spans), 4) if spans else 0.0,
        "result": [*to_regions(spans), *to_results(suggestion.records, spans)[0]],
    }


def list_tasks(connection: Connection, project: int) -> list[TaskRow]:
    """All tasks of a project in order of id.

    Raises:
        ServerError: the server fails.
    """
    counts = ["total_annotations", "cancelled_annotations", "total_predictions"]
    with connection.errors("读取任务列表"):
        drafts = _with_drafts(connection, project)
        listed: Iterable[Any] = connection.api.tasks.list(
            project=project,
            fields="task_only",
            include=["id", "data", *counts],
            page_size=_PAGE,
        )
        rows = [
            TaskRow(
                id=int(task.id),
                data=task.data or {},
                touched=bool(
                    task.total_annotations or task.cancelled_annotations or task.id in drafts
                ),
                predictions=int(task.total_predictions or 0),
            )
            for task in listed
        ]
    return sorted(rows, key=lambda row: row.id)


def _with_drafts(connection: Connection, project: int) -> set[int]:
    # A plain listing leaves this field out, so the server is asked to filter by it.
    condition = {
        "filter": "filter:tasks:draft_exists",
        "operator": "equal",
        "type": "Boolean",
        "value": True,
    }
    query = {"filters": {"conjunction": "and", "items": [condition]}}
    listed: Iterable[Any] = connection.api.tasks.list(
        project=project, fields="task_only", include=["id"], query=json.dumps(query)
    )
    return {int(task.id) for task in listed}
