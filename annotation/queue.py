"""The order of labelling, written into the project so that annotators get it.

How the open-source server (1.23) chooses the next task, read in its source and tested: "Label
All Tasks" goes by task id, whatever tab is open, or by the project's sampling, of which none
takes an order from outside for more than one annotator. "Label Tasks As Displayed" follows the
ordering and filters of the open tab. So the order is a field of the task data, and a tab orders
by it. The browser sends the ordering without the column's type, and PostgreSQL then compares
text: the field is a number with leading zeros, which sorts alike as text and as number.

The stream of a tab ignores the server's task locks: two annotators who work in one tab at the
same time get the same tasks. So several annotators get a tab each, with every n-th report.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from annotation.client import Connection, add_connection_arguments, connect_as_asked
from annotation.locking import only_one
from annotation.project import DEFAULT_TITLE, find_project
from annotation.ranking import Cost, Evidence, Ranked, expected_wrong, measure, rank
from zhibiao.corpus import read_reports
from zhibiao.errors import FormatError, ServerError
from zhibiao.extractor import Extractor

__all__ = ["PRIORITY", "VIEW", "Queue", "rank_project"]

VIEW = "按价值排序"
"""The title of the tab; of several, 按价值排序（1/3） and so on."""

PRIORITY = "priority"
"""The key in task data: the rank from 1, with leading zeros."""

_WHY = "why"
_SHARE = "queue"
_KEYS = (PRIORITY, _WHY, _SHARE)
_PAGE = 500
_LIMIT = 300
_COST = Cost()
_SHOWN = frozenset(("data.report_id", f"data.{PRIORITY}", f"data.{_WHY}", "id"))
_COLUMNS = (
    *("id", "inner_id", "completed_at", "total_annotations", "cancelled_annotations"),
    *("total_predictions", "annotators", "annotations_results", "annotations_ids"),
    *("predictions_score", "predictions_model_versions", "predictions_results", "file_upload"),
    *("storage_filename", "created_at", "updated_at", "updated_by", "avg_lead_time"),
    "draft_exists",
)
_SHARED_TITLE = re.compile(rf"{VIEW}（\d+/\d+）")

Estimate = Callable[[Sequence[str]], Iterable[float]]
"""The expected number of wrong spans of each text, in order."""


@dataclass(frozen=True, slots=True)
class _Row:
    id: int
    data: Mapping[str, Any]
    annotated: bool
    skipped: bool

    @property
    def text(self) -> str | None:
        text = self.data.get("text")
        return text if isinstance(text, str) else None


@dataclass(slots=True)
class Queue:
    """What a ranking did: ``order`` holds (task id, report id, Ranked), best first, all of it.

    ``written``, ``unchanged`` and ``cleared`` count tasks whose data got the order, had it, or
    lost an old one. ``problems`` are lines that name a task. ``tabs`` are (title, address).
    """

    order: list[tuple[int, str, Ranked]] = field(default_factory=list)
    labelled: int = 0
    skipped: int = 0
    written: int = 0
    unchanged: int = 0
    cleared: int = 0
    problems: list[str] = field(default_factory=list)
    tabs: list[tuple[str, str]] = field(default_factory=list)


def rank_project(
    connection: Connection,
    project: int,
    estimate: Estimate,
    *,
    limit: int | None = None,
    tabs: int = 1,
    cost: Cost | None = None,
    dry_run: bool = False,
) -> Queue:
    """Rank the tasks that have no annotation, and write the order of the first ``limit``.

    Tasks that were only skipped come after all others: nobody has labelled them, but the person
    who skipped one had a reason. Nothing in a task's data is touched but three keys, and only
    tasks whose keys change are written, one request each. With ``dry_run`` nothing is written.

    Raises:
        ServerError: the server fails, or an import or another ranking is going on. What was
            written before stays, and the next run completes it.
    """
    queue = Queue()
    rows = _list(connection, project)
    waiting: list[_Row] = []
    for row in rows:
        if row.annotated:
            continue
        if row.text is None:
            queue.problems.append(
                f"任务 {row.id} 没有正文（data.text），没有排序；"
                f"请核对 {connection.link(project, row.id)}"
            )
            continue
        waiting.append(row)
    waiting.sort(key=lambda row: (row.skipped, row.id))
    queue.skipped = sum(row.skipped for row in waiting)
    labelled = [row.text for row in rows if row.annotated and row.text is not None]
    queue.labelled = len(labelled)
    texts = [row.text or "" for row in waiting]
    ranking = rank(texts, list(estimate(texts)), labelled, cost, limit)
    ranking.sort(key=lambda item: waiting[item.index].skipped)  # stable: the order stays
    queue.order = [
        (waiting[item.index].id, str(waiting[item.index].data.get("report_id", "")), item)
        for item in ranking
    ]
    if not dry_run:
        texts_by_id = {row.id: row.text for row in waiting}
        # The key of the import's lock: an import rewrites task data too.
        with only_one(f"项目 {project} 的导入或排序", "import", connection.url, project):
            _write(connection, project, queue, texts_by_id, limit, tabs)
            _make_tabs(connection, project, queue, tabs, {key for row in rows for key in row.data})
    return queue


def why(item: Ranked) -> str:
    """The reason for a place in the order, short and Chinese, for annotators."""
    if max(item.like_ahead, item.like_labelled) == 0:
        alike = "前面没有相似的"
    elif item.like_ahead > item.like_labelled:
        alike = f"与排在前面的相似 {item.like_ahead:.0%}"
    else:
        alike = f"与已标的相似 {item.like_labelled:.0%}"
    return f"预计错 {item.per_thousand:.0f} 处/千字；约 {item.minutes:.0f} 分钟；{alike}"


def _list(connection: Connection, project: int) -> list[_Row]:
    with connection.errors("读取任务列表"):
        listed: Iterable[Any] = connection.api.tasks.list(
            project=project, fields="task_only", page_size=_PAGE, resolve_uri=False
        )
        rows = [
            _Row(
                int(task.id),
                task.data or {},
                annotated=bool(task.total_annotations),
                skipped=bool(task.cancelled_annotations),
            )
            for task in listed
        ]
    return sorted(rows, key=lambda row: row.id)


def _write(
    connection: Connection,
    project: int,
    queue: Queue,
    texts: Mapping[int, str | None],
    limit: int | None,
    tabs: int,
) -> None:
    wanted: dict[int, dict[str, str]] = {}
    digits = max(5, len(str(len(queue.order))))
    for place, (task, _, item) in enumerate(queue.order[:limit], start=1):
        wanted[task] = {PRIORITY: f"{place:0{digits}}", _WHY: why(item)}
        if tabs > 1:
            wanted[task][_SHARE] = str((place - 1) % tabs + 1)
    # Read again: the model took its time, and what changed meanwhile must not be overwritten.
    rows = {row.id: row for row in _list(connection, project)}
    for task in [*wanted, *sorted(rows.keys() - wanted.keys())]:
        row = rows.get(task)
        if row is None or row.annotated:
            continue  # deleted or finished meanwhile; a finished task keeps what it had
        keys = wanted.get(task, {})
        if keys and row.text != texts[task]:
            queue.problems.append(
                f"任务 {task} 的正文在排序期间被改过，没有写入；请再执行一次同样的命令"
            )
            continue
        old = {key: row.data[key] for key in _KEYS if key in row.data}
        if old == keys:
            queue.unchanged += bool(keys)
            continue
        data = {key: value for key, value in row.data.items() if key not in _KEYS} | keys
        with connection.errors(f"更新任务 {task}"):
            answer: Any = connection.api.tasks.update(str(task), data=data)
        if answer.data != data:
            raise ServerError(
                f"{connection.link(project, task)}：服务器存下的任务数据与送出的不同；"
                "已停止，请核对这个任务的正文"
            )
        queue.written += bool(keys)
        queue.cleared += not keys


def _make_tabs(
    connection: Connection, project: int, queue: Queue, count: int, keys: Iterable[str]
) -> None:
    """One tab for each annotator, made or updated; tabs of another count are removed."""
    with connection.errors("读取标签页"):
        views: list[Any] = [*connection.api.views.list(project=project)]
    found: dict[str, Any] = {}
    for view in views:
        found.setdefault(str((view.data or {}).get("title")), view)
    titles = [VIEW] if count == 1 else [f"{VIEW}（{i}/{count}）" for i in range(1, count + 1)]
    stale = {t for t in found if t == VIEW or _SHARED_TITLE.fullmatch(t)} - set(titles)
    for title in sorted(stale):
        with connection.errors(f"删除标签页“{title}”"):
            connection.api.views.delete(str(found[title].id))
    for number, title in enumerate(titles, start=1):
        order = {
            "ordering": [f"tasks:data.{PRIORITY}"],
            "filters": _open_tasks(str(number) if count > 1 else None),
        }
        old = found.get(title)
        with connection.errors(f"写标签页“{title}”"):
            if old is None:
                data = {"title": title, "type": "list", "target": "tasks", **order}
                data["hiddenColumns"] = _hidden({*keys, *_KEYS})
                data["columnsWidth"] = {f"tasks:data.{_WHY}": 480}
                old = connection.api.views.create(project=project, data=_request(data))
            elif {key: old.data.get(key) for key in order} != order:
                # What people set themselves, such as column widths, stays.
                data = {**old.data, **order}
                connection.api.views.update(str(old.id), project=project, data=_request(data))
        queue.tabs.append((title, f"{connection.url}/projects/{project}/data?tab={old.id}"))
    if not views:
        # The browser makes its tab of all tasks only where it finds no tab at all.
        with connection.errors("新建标签页“Default”"):
            connection.api.views.create(project=project, data=_request({"title": "Default"}))


def _request(data: dict[str, Any]) -> Any:
    # The SDK types only filters and ordering of a view; the rest passes through it as it is.
    return data


def _open_tasks(share: str | None) -> dict[str, Any]:
    """Filters of a tab: tasks that still need an annotation, of one annotator's share."""
    wanted = [("completed_at", "empty", "Datetime", "true")]
    if share:
        wanted.append((f"data.{_SHARE}", "equal", "String", share))
    items = [
        {"filter": f"filter:tasks:{column}", "operator": operator, "type": kind, "value": value}
        for column, operator, kind, value in wanted
    ]
    return {"conjunction": "and", "items": items}


def _hidden(keys: Iterable[str]) -> dict[str, list[str]]:
    """The columns hidden in the table (explore) and beside an open task (labeling)."""
    columns = [*_COLUMNS, *(f"data.{key}" for key in sorted(keys))]
    explore = [f"tasks:{column}" for column in columns if column not in _SHOWN]
    return {"explore": explore, "labeling": [*explore, f"tasks:data.{_WHY}"]}


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``annotation rank``."""
    parser.add_argument(
        "--project", default=DEFAULT_TITLE, help=f"项目名或编号（默认 {DEFAULT_TITLE}）"
    )
    parser.add_argument("--model", type=Path, metavar="DIR", help="模型文件夹（默认使用内置模型）")
    parser.add_argument(
        "--limit",
        type=int,
        default=_LIMIT,
        metavar="N",
        help=f"写入前 N 份的次序，其余排在后面（默认 {_LIMIT}；0 表示全部，每份一次请求）",
    )
    parser.add_argument(
        "--tabs",
        type=int,
        default=1,
        metavar="N",
        help="几位标注员同时标，就给几个标签页，各标各的（默认 1）",
    )
    parser.add_argument(
        "--fixed-minutes",
        type=float,
        default=_COST.fixed,
        metavar="M",
        help=f"每份报告固定花几分钟（默认 {_COST.fixed}）",
    )
    parser.add_argument(
        "--minutes-per-1000",
        type=float,
        default=_COST.per_thousand,
        metavar="M",
        help=f"每千字花几分钟（默认 {_COST.per_thousand}）",
    )
    parser.add_argument("--dry-run", action="store_true", help="只显示次序，不写入项目")
    parser.add_argument(
        "--check",
        nargs="+",
        metavar="DATA",
        help="不连服务器：在有标注的报告（FILE.jsonl 或 CORPUS:SPLIT）上检验排序找错误的本事",
    )
    add_connection_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Rank the project and print the top, or check the ranking; 1 when a task had problems."""
    if options.limit < 0 or options.tabs < 1:
        raise FormatError(
            f"--limit {options.limit}、--tabs {options.tabs}：前者不能为负，后者应为正整数"
        )
    console = Console(emoji=False, soft_wrap=True, highlight=False)
    cost = Cost(options.fixed_minutes, options.minutes_per_1000)
    if options.check:
        reports = [report for source in options.check for report in read_reports(source)]
        model = Extractor.from_pretrained(options.model)
        _print_evidence(measure(model, reports, cost), console)
        return 0
    connection = connect_as_asked(options)
    project = find_project(connection, options.project)
    model = Extractor.from_pretrained(options.model)

    def estimate(texts: Sequence[str]) -> Iterable[float]:
        return track(expected_wrong(model, texts), "模型阅读报告", len(texts), transient=True)

    queue = rank_project(
        connection,
        project,
        estimate,
        limit=options.limit or None,
        tabs=options.tabs,
        cost=cost,
        dry_run=options.dry_run,
    )
    _print(queue, console, dry_run=options.dry_run)
    return 1 if queue.problems else 0


def _print(queue: Queue, console: Console, *, dry_run: bool) -> None:
    table = Table(title="最值得标的报告", title_justify="left", show_edge=False)
    for column in ("次序", "任务", "报告", "原因"):
        table.add_column(column)
    for place, (task, report, item) in enumerate(queue.order[:10], start=1):
        table.add_row(str(place), str(task), report, why(item))
    console.print(table)
    console.print(
        f"未标 {len(queue.order):,} 份（其中跳过的 {queue.skipped:,} 份排在最后），"
        f"已标 {queue.labelled:,} 份"
    )
    for problem in queue.problems:
        console.print(f"问题：{problem}", markup=False)
    if dry_run:
        console.print("没有写入（--dry-run）")
        return
    console.print(f"写入 {queue.written:,}，未变 {queue.unchanged:,}，清除旧次序 {queue.cleared:,}")
    for title, address in queue.tabs:
        console.print(f"标签页“{title}”：{address}", markup=False)
    console.print(
        "标注员打开标签页，点 Label 按钮右边的箭头，选 Label Tasks As Displayed，就按这个次序标"
    )


def _print_evidence(found: Evidence, console: Console) -> None:
    table = Table(title=f"排序的检验（{found.reports} 份）", title_justify="left", show_edge=False)
    table.add_column("项目")
    table.add_column("数值", justify="right")
    rows = (
        ("预计与实际每千字错误数的秩相关（Spearman）", f"{found.spearman:.3f}"),
        ("  p 值", f"{found.p_value:.1e}"),
        ("最没把握的三分之一报告占每千字错误（随机 33.3%）", f"{found.third_of_reports:.1%}"),
        ("按次序标三分之一时间遇到的错误（随机 33.3%）", f"{found.third_of_minutes:.1%}"),
        ("预计错误总数", f"{found.expected:.0f}"),
        ("实际错误总数", f"{found.actual}"),
    )
    for name, value in rows:
        table.add_row(name, value)
    console.print(table)
