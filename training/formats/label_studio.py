"""Label Studio's JSON and JSON_MIN exports (1.23), for those who have only the file.

Of every task the latest annotation that was not skipped is taken (by ``updated_at``); tasks without
one are left out with a note. Offsets are code points; ``value.text`` is ignored, as it collapses
spaces and line breaks. Any ``from_name`` will do. The annotation stage exports from a server, with
checks and choices that a file does not allow.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from training.formats.draft import Draft, Problem
from training.formats.lines import RecordError, read_lines
from zhibiao.errors import FormatError
from zhibiao.files import replacing
from zhibiao.reports import Report
from zhibiao.spans import Span

__all__ = ["read", "write"]

# What JSON_MIN puts beside the fields of the task's data.
_MIN_KEYS = frozenset(
    ("id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time", "agreement")
)
_NEVER = datetime.min.replace(tzinfo=UTC)


def read(path: Path, text_field: str | None = None) -> Iterator[Draft | Problem]:
    """Drafts and problems of an export.

    ``text_field`` is the key of the task's data that holds the text; by default ``text``, or the
    only key that holds a string. The report's id is ``data.report_id``, else the task's id.

    Raises:
        FormatError: the file cannot be opened, or is not a JSON list of tasks.
    """
    content = "\n".join(line for _, line in read_lines(path))
    try:
        tasks = json.loads(content)
    except json.JSONDecodeError as error:
        raise FormatError(f"{path}:{error.lineno}: broken JSON: {error.msg}") from error
    except RecursionError as error:
        raise FormatError(f"{path}: JSON nested too deeply") from error
    if not isinstance(tasks, list):
        raise FormatError(f"{path}: expected a list of tasks, Label Studio's JSON export")
    slim: dict[Any, tuple[str, Mapping[str, Any]]] = {}
    for number, task in enumerate(tasks, start=1):
        known = isinstance(task, dict) and task.get("id") is not None
        where = f"{path}: task {task['id']}" if known else f"{path}: task number {number}"
        try:
            if not isinstance(task, dict):
                raise RecordError(f"expected an object, found {type(task).__name__}")
            if isinstance(task.get("data"), dict):
                yield from _task(task, where, number, text_field)
                continue
            # JSON_MIN has one record for every annotation of a task.
            key = task.get("id", f"number {number}")
            held = slim.get(key)
            if held:
                yield Problem(where, "left-out", "an older annotation is passed over", note=True)
            if held is None or _age(task) >= _age(held[1]):
                slim[key] = (where, task)
        except RecordError as error:
            yield Problem(where, error.kind, str(error))
    for where, task in slim.values():
        try:
            yield from _slim(task, where, text_field)
        except RecordError as error:
            yield Problem(where, error.kind, str(error))


def _task(
    task: Mapping[str, Any], where: str, number: int, field: str | None
) -> Iterator[Draft | Problem]:
    data = task["data"]
    annotations = task.get("annotations", task.get("completions", []))
    if not isinstance(annotations, list) or not all(isinstance(a, dict) for a in annotations):
        raise RecordError("'annotations' must be a list of objects; export as JSON, not as tasks")
    done = [a for a in annotations if not (a.get("was_cancelled") or a.get("skipped"))]
    if not done:
        why = "skipped by its annotators" if annotations else "not annotated"
        yield Problem(where, "left-out", f"{why}; left out", note=True)
        return
    best = max(done, key=_age)
    if len(done) > 1:
        reason = f"annotated {len(done)} times; the latest is taken, annotation {best.get('id')}"
        yield Problem(where, "left-out", reason, note=True)
    result = best.get("result") or []
    if not isinstance(result, list):
        raise RecordError("'result' must be a list")
    spans: list[Span] = []
    other = 0
    for position, region in enumerate(result, start=1):
        region = region if isinstance(region, dict) else {}
        kind, value = region.get("type"), region.get("value")
        if kind == "labels" or (isinstance(value, dict) and "labels" in value and not kind):
            spans.append(_span(value, position))
        elif isinstance(kind, str) and kind.endswith("labels"):
            raise RecordError(f"region {position} is of type {kind!r}; only plain text can be read")
        else:
            other += 1
    if other:
        reason = f"{other} results that are no labelled regions are not read"
        yield Problem(where, "left-out", reason, note=True)
    meta = {"task": task.get("id"), "annotation": best.get("id")}
    meta["annotator"] = best.get("completed_by")
    yield _draft(data, spans, where, str(task.get("id", number)), meta, field)


def _slim(task: Mapping[str, Any], where: str, field: str | None) -> Iterator[Draft | Problem]:
    if task.get("annotation_id") is None:
        yield Problem(where, "left-out", "not annotated; left out", note=True)
        return
    data = {key: value for key, value in task.items() if key not in _MIN_KEYS}
    spans: list[Span] = []
    other = 0
    for key, values in list(data.items()):
        if not isinstance(values, list) or not all(isinstance(v, dict) for v in values):
            continue
        regions = [value for value in values if "labels" in value]
        strange = {name for value in values for name in value if name.endswith("labels")}
        if strange - {"labels"}:
            kind = min(strange - {"labels"})
            raise RecordError(f"regions are of type {kind!r}; only plain text can be read")
        other += len(values) - len(regions)
        if regions:
            spans += [_span(value, n) for n, value in enumerate(regions, start=1)]
            del data[key]
    if other:
        reason = f"{other} results that are no labelled regions are not read"
        yield Problem(where, "left-out", reason, note=True)
    meta = {"task": task.get("id"), "annotation": task["annotation_id"]}
    meta["annotator"] = task.get("annotator")
    yield _draft(data, spans, where, str(task.get("id")), meta, field)


def _span(value: Any, number: int) -> Span:
    value = value if isinstance(value, dict) else {}
    start, end, labels = value.get("start"), value.get("end"), value.get("labels")
    # bool is an int in Python, and JSON true is never an offset.
    if type(start) is not int or type(end) is not int:
        raise RecordError(f"region {number}: start and end must be integers", "bounds")
    if not isinstance(labels, list) or len(labels) != 1 or not isinstance(labels[0], str):
        raise RecordError(f"region {number} ({start}, {end}): one label wanted, found {labels!r}")
    return Span(start, end, labels[0])


def _draft(
    data: Mapping[str, Any],
    spans: Sequence[Span],
    where: str,
    task: str,
    meta: Mapping[str, Any],
    field: str | None,
) -> Draft:
    if field is None:
        strings = [key for key, value in data.items() if isinstance(value, str)]
        field = "text" if "text" in strings or len(strings) != 1 else strings[0]
    text = data.get(field)
    if not isinstance(text, str):
        keys = ", ".join(map(str, data))
        raise RecordError(
            f"no text under {field!r}; name one of its keys with --text-field: {keys}"
        )
    own = data["meta"] if isinstance(data.get("meta"), dict) else {}
    known = {key: value for key, value in meta.items() if value is not None}
    return Draft(str(data.get("report_id") or task), text, tuple(spans), where, {**own, **known})


def _age(annotation: Mapping[str, Any]) -> tuple[datetime, int]:
    stamp = annotation.get("updated_at") or annotation.get("created_at")
    number = annotation.get("id", annotation.get("annotation_id"))
    try:
        moment = datetime.fromisoformat(stamp) if isinstance(stamp, str) else _NEVER
    except ValueError:
        moment = _NEVER
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment, number if type(number) is int else -1


def write(path: Path, reports: Sequence[Report]) -> list[Problem]:
    """Write tasks with one annotation each, for import into a project with a Labels control.

    The control must be named ``label``, the Text object ``text`` with value ``$text``.
    """
    tasks = [
        {
            "data": {"report_id": report.id, "text": report.text, "meta": dict(report.meta)},
            "annotations": [
                {
                    "result": [
                        {
                            "id": f"span{number}",
                            "from_name": "label",
                            "to_name": "text",
                            "type": "labels",
                            "value": {"start": s.start, "end": s.end, "labels": [s.label]},
                        }
                        for number, s in enumerate(report.spans, start=1)
                    ]
                }
            ],
        }
        for report in reports
    ]
    with replacing(path) as stream:
        stream.write(json.dumps(tasks, ensure_ascii=False, indent=1) + "\n")
    return []
