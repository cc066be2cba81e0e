"""The tasks of a project with their annotations, fetched once and then only where they changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from annotation.client import Connection
from zhibiao.errors import FormatError
from zhibiao.files import replacing

__all__ = ["Downloaded", "download", "read_tasks"]

_PAGE = 2000
_IDS = 200
"""Task ids in one address; servers refuse addresses of more than about 4,000 characters."""


@dataclass(frozen=True, slots=True)
class Downloaded:
    """All tasks that somebody worked on, in order of id, as Label Studio's JSON export has them.

    ``fetched`` tasks came from the server in this run; ``untouched`` ones nobody has opened yet;
    ``removed`` ones were there at the last run and are gone from the server.
    """

    tasks: tuple[dict[str, Any], ...]
    fetched: int
    untouched: int
    removed: tuple[int, ...]


def download(
    connection: Connection,
    project: int,
    cache: Path,
    *,
    full: bool = False,
    done: Callable[[int], None] = lambda tasks: None,
) -> Downloaded:
    """Bring ``cache`` (a JSON Lines file, one task a line) up to date and return its tasks.

    The server changes a task's ``updated_at`` whenever one of its annotations is made, changed or
    deleted, so only tasks whose ``updated_at`` differs from the cached one are fetched; ``full``
    fetches all. ``done`` is told how many tasks arrived.

    Raises:
        ServerError: the server fails; the cache stays as it was.
        FormatError: the cache is of another project, or broken.
    """
    held = {} if full else {task["id"]: task for task in read_tasks(cache, connection.url, project)}
    current, untouched = _listing(connection, project)
    total = len(current) + untouched
    stale = [
        task
        for task, updated in current.items()
        if task not in held or _moment(held[task]["updated_at"]) != updated
    ]
    fetched = {task["id"]: task for task in _fetch(connection, project, stale, total, done)}
    # A task deleted between listing and fetching is in neither.
    tasks = [
        fetched.get(task, held.get(task))
        for task in sorted(current)
        if task in fetched or task in held
    ]
    found = tuple(task for task in tasks if task is not None)
    if fetched or held.keys() != current.keys() or not cache.is_file():
        with replacing(cache) as stream:
            head = {"server": connection.url, "project": project}
            for line in (head, *found):
                stream.write(json.dumps(line, ensure_ascii=False) + "\n")
    removed = tuple(sorted(held.keys() - current.keys()))
    return Downloaded(found, len(fetched), untouched, removed)


def read_tasks(cache: Path, url: str, project: int) -> list[dict[str, Any]]:
    """The tasks of a cache file, none when there is no file.

    Raises:
        FormatError: the file is broken or belongs to another server or project.
    """
    if not cache.is_file():
        return []
    try:
        with open(cache, encoding="utf-8", newline="\n") as stream:
            head, *tasks = (json.loads(line) for line in stream)
        source = (head["server"], head["project"])
        if not all(isinstance(task["id"], int) and task["updated_at"] for task in tasks):
            raise ValueError("a task without id or updated_at")
    except (ValueError, KeyError, TypeError) as error:
        raise FormatError(f"{cache}：已损坏（{error}）；请删去它，或加 --full 重新下载") from error
    if source != (url, project):
        raise FormatError(
            f"{cache}：来自 {source[0]} 的项目 {source[1]}，不是 {url} 的项目 {project}；"
            "请换一个输出文件夹"
        )
    return tasks


def _listing(connection: Connection, project: int) -> tuple[dict[int, datetime], int]:
    """When each task that somebody worked on was updated, and how many nobody did."""
    with connection.errors("读取任务列表"):
        listed: Iterable[Any] = connection.api.tasks.list(
            project=project,
            fields="task_only",
            include=["id", "updated_at", "total_annotations", "cancelled_annotations"],
            page_size=_PAGE,
        )
        rows = list(listed)
    worked = [row for row in rows if row.total_annotations or row.cancelled_annotations]
    current = {int(row.id): _moment(row.updated_at) for row in worked}
    return current, len(rows) - len(worked)


def _fetch(
    connection: Connection,
    project: int,
    stale: Sequence[int],
    total: int,
    done: Callable[[int], None],
) -> Iterator[dict[str, Any]]:
    if len(stale) > max(total // 2, _IDS):
        # One request for all is faster than many small ones.
        wanted = set(stale)
        yield from (task for task in _export(connection, project, []) if task["id"] in wanted)
        done(len(stale))
        return
    for start in range(0, len(stale), _IDS):
        ids = stale[start : start + _IDS]
        yield from _export(connection, project, ids)
        done(len(ids))


def _export(connection: Connection, project: int, ids: Sequence[int]) -> list[dict[str, Any]]:
    # The SDK's own argument for ids goes under a name that the server does not read.
    query = {"ids[]": [str(task) for task in ids]} if ids else {}
    with connection.errors("下载标注"):
        chunks = connection.api.projects.exports.download_sync(
            project,
            export_type="JSON",
            download_all_tasks=True,
            request_options={"additional_query_parameters": query},
        )
        tasks: list[dict[str, Any]] = json.loads(b"".join(chunks))
    return tasks


def _moment(when: Any) -> datetime:
    return when if isinstance(when, datetime) else datetime.fromisoformat(str(when))
