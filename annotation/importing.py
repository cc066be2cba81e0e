"""Reports into tasks: only what is new or changed, in bulk, safe to interrupt and to repeat."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from annotation.client import Connection
from annotation.locking import only_one
from annotation.tasks import (
    Suggestion,
    TaskRow,
    content_hash,
    list_tasks,
    to_prediction,
)
from zhibiao.errors import ServerError

__all__ = ["Imported", "Incoming", "import_reports"]

_BATCH = 200
"""Tasks a request: large enough to be fast, small enough that an interruption costs little."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A report on its way into the project; ``suggestions`` are given, or None to ask for them.

    ``size`` is its share of the work, in any unit.
    """

    data: dict[str, Any]
    suggestions: tuple[Suggestion, ...] | None = None
    size: int = 0


@dataclass(slots=True)
class Imported:
    """What an import did, in tasks; ``notes`` and ``failures`` are lines for the person."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    completed: int = 0
    notes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


Suggest = Callable[[Sequence[str]], Iterable[tuple[Suggestion, ...]]]
"""Suggestions for texts, in order."""


def import_reports(
    connection: Connection,
    project: int,
    incoming: Iterable[Incoming],
    suggest: Suggest,
    done: Callable[[int], None] = lambda size: None,
) -> Imported:
    """Make tasks of the reports that the project does not hold yet.

    A text that is already there (by content hash) is passed over, under whatever name. A report
    whose text changed replaces its old task when nobody has worked on that one, and else becomes
    a new task beside it. A task that an interrupted run left without suggestions gets them.
    ``done`` is told the size of every report that is finished.

    Raises:
        ServerError: the server fails, or another import into the project is going on. What was
            imported before stays, and the next run goes on from there.
    """
    with only_one(f"项目 {project} 的导入", "import", connection.url, project):
        run = _Run(connection, project, suggest, done)
        for batch in _batches(incoming):
            run.add(batch)
        run.remove_doubles()
        return run.result


def _batches(incoming: Iterable[Incoming]) -> Iterator[list[Incoming]]:
    batch: list[Incoming] = []
    for item in incoming:
        batch.append(item)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


class _Run:
    def __init__(
        self,
        connection: Connection,
        project: int,
        suggest: Suggest,
        done: Callable[[int], None],
    ) -> None:
        self.connection = connection
        self.project = project
        self.suggest = suggest
        self.done = done
        self.result = Imported()
        rows = list_tasks(connection, project)
        self.before = len(rows)
        self.by_hash = {str(row.data.get("content_hash")): row for row in rows if not row.edited}
        self.by_report = {str(row.data.get("report_id")): row for row in rows}
        for row in rows:
            if row.edited and "content_hash" in row.data:
                self.result.notes.append(
                    f"任务 {row.id}（{row.data.get('report_id')}）的正文在服务器上被改过，"
                    f"原样保留；请核对 {connection.link(project, row.id)}"
                )

    def add(self, batch: Sequence[Incoming]) -> None:
        new: list[Incoming] = []
        bare: list[tuple[Incoming, TaskRow]] = []
        stale: list[tuple[Incoming, TaskRow]] = []
        for item in batch:
            digest = item.data["content_hash"]
            held = self.by_hash.get(digest)
            if held is None:
                old = self.by_report.get(item.data["report_id"])
                if old is not None and not old.touched and not old.edited:
                    stale.append((item, old))
                else:
                    if old is not None:
                        item.data["replaces"] = old.id
                        self.result.notes.append(
                            f"{item.data['report_id']}：正文变了，但任务 {old.id} 已有人标注；"
                            "旧任务保留，新正文另建任务"
                        )
                    new.append(item)
                # Two files with one text in the same run are one task.
                self.by_hash[digest] = TaskRow(0, item.data, touched=False, predictions=1)
                continue
            if held.data.get("report_id") != item.data["report_id"]:
                self.result.notes.append(
                    f"{item.data['report_id']}：正文与 {held.data.get('report_id')} 完全相同，"
                    "不重复建任务"
                )
            if held.predictions == 0 and held.id:
                bare.append((item, held))
            else:
                self.result.unchanged += 1
                self.done(item.size)
        wanted = [*new, *(item for item, _ in bare), *(item for item, _ in stale)]
        suggestions = iter(self._suggestions(wanted))
        self._create([(item, next(suggestions)) for item in new])
        for item, row in bare:
            missing = next(suggestions)
            self._predict(row.id, missing)
            if missing:
                self.result.completed += 1
            else:
                self.result.unchanged += 1
            self.done(item.size)
        for item, row in stale:
            self._replace(row, item, next(suggestions))
            self.result.changed += 1
            self.done(item.size)

    def _suggestions(self, items: Sequence[Incoming]) -> list[tuple[Suggestion, ...]]:
        asked = iter(self.suggest([i.data["text"] for i in items if i.suggestions is None]))
        return [next(asked) if i.suggestions is None else i.suggestions for i in items]

    def _create(self, batch: Sequence[tuple[Incoming, tuple[Suggestion, ...]]]) -> None:
        if not batch:
            return
        request: list[Any] = [
            {"data": item.data, "predictions": [to_prediction(one) for one in suggestions]}
            for item, suggestions in batch
        ]
        try:
            with self.connection.errors("导入任务"):
                self.connection.api.projects.import_tasks(self.project, request=request)
        except ServerError as error:
            if error.__cause__ is None or not hasattr(error.__cause__, "status_code"):
                raise  # the connection broke; the next run sees what got through
            if len(batch) == 1:
                item = batch[0][0]
                self.result.failures.append(f"{item.data['report_id']}：{error}")
                self.done(item.size)
                return
            # The server refuses a request whole; the other reports go on.
            half = len(batch) // 2
            self._create(batch[:half])
            self._create(batch[half:])
            return
        self.result.new += len(batch)
        for item, _ in batch:
            self.done(item.size)

    def _predict(self, task: int, suggestions: Iterable[Suggestion]) -> None:
        with self.connection.errors(f"给任务 {task} 补建议"):
            for suggestion in suggestions:
                self.connection.api.predictions.create(task=task, **to_prediction(suggestion))

    def _replace(self, row: TaskRow, item: Incoming, suggestions: Iterable[Suggestion]) -> None:
        # Old suggestions go first: whatever interrupts this, no offsets of the old text stay on
        # the new one, and a task without suggestions is completed by the next run.
        with self.connection.errors(f"更新任务 {row.id}"):
            api = self.connection.api
            old: Iterable[Any] = api.predictions.list(task=row.id)
            for prediction in list(old):
                api.predictions.delete(prediction.id)
            api.tasks.update(str(row.id), data=item.data)
        self._predict(row.id, suggestions)

    def remove_doubles(self) -> None:
        """Undo what two imports from two machines at once may have made: the same text twice."""
        with self.connection.errors("读取项目"):
            project = self.connection.api.projects.get(self.project)
        if (project.task_number or 0) == self.before + self.result.new:
            return
        first: dict[str, TaskRow] = {}
        for row in list_tasks(self.connection, self.project):
            if row.edited:
                continue
            kept = first.setdefault(content_hash(str(row.data["text"])), row)
            if kept is row:
                continue
            if row.touched and kept.touched:
                self.result.notes.append(
                    f"任务 {kept.id} 和 {row.id} 正文相同，都已有人标注；请自行取舍"
                )
                continue
            empty = kept if row.touched else row
            if empty is kept:
                first[row.data["content_hash"]] = row
            with self.connection.errors(f"删除重复的任务 {empty.id}"):
                self.connection.api.tasks.delete(str(empty.id))
            self.result.notes.append(
                f"任务 {kept.id} 和 {row.id} 正文相同（可能有两处同时导入）；"
                f"已删去空的任务 {empty.id}"
            )
