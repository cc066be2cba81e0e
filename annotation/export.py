"""Annotations out of Label Studio: checked, chosen, written as report JSONL and tagged text."""

from __future__ import annotations

import argparse
import json
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from annotation.choosing import Annotation, Problem, choose, read_annotations
from annotation.client import Connection, add_connection_arguments, connect_as_asked
from annotation.download import download
from annotation.locking import only_one
from annotation.project import (
    ADJUDICATION,
    DEFAULT_TITLE,
    find_adjudication,
    find_project,
    holds_records,
)
from zhibiao.errors import FormatError
from zhibiao.files import replacing
from zhibiao.journal import one_line
from zhibiao.records import Record
from zhibiao.reports import Report, write_jsonl
from zhibiao.rows import write_rows
from zhibiao.spans import spans_by_label
from zhibiao.tagged import write_tagged

__all__ = ["Exported", "export_project"]

_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote: reports and problems, and how much came from the server.

    ``records`` has the rows of each report by its id, and is None in a project without records.
    """

    reports: tuple[Report, ...]
    records: Mapping[str, tuple[Record, ...]] | None
    problems: tuple[Problem, ...]
    annotators: Mapping[str, int]
    fetched: int
    untouched: int
    removed: tuple[int, ...]


def export_project(
    connection: Connection,
    project: int,
    output: Path,
    *,
    rule: str = "latest",
    full: bool = False,
    console: Console | None = None,
) -> Exported:
    """Write the annotations of a project to a folder, fetching only what changed since last time.

    The folder gets ``reports.jsonl`` (the chosen annotation of every task), ``annotators/`` (a
    report JSONL for each person), ``tagged/`` (the chosen ones as tagged text), ``problems.jsonl``
    and ``tasks.jsonl`` (what was downloaded). Where records are annotated, it also gets
    ``records.jsonl`` (the rows of the chosen annotations, one a line) and ``records/`` (the same
    as a sheet for each report; its span numbers are those of the tagged text). Under the rule
    ``adjudicated`` the annotations of the project's adjudication project, where there is one,
    come before its own.

    Raises:
        ServerError: the server fails, or another export to the folder is going on.
        FormatError: no such rule, or the folder holds another project's export.
    """
    choose([], rule)  # a misspelt rule is said before anything is downloaded
    output.mkdir(parents=True, exist_ok=True)
    with only_one(f"{output} 的导出", "export", output.resolve()):
        with connection.errors("读取用户"):
            users: Iterable[Any] = connection.api.users.list()
            people = {int(user.id): str(user.email) for user in users}
        with Progress(console=console, transient=True, disable=console is None) as progress:
            bar = progress.add_task("下载标注", total=None)
            got = download(
                connection,
                project,
                output / "tasks.jsonl",
                full=full,
                done=lambda tasks: progress.advance(bar, tasks),
            )
        source = _Source(connection, project, people, holds_records(connection, project))
        verdicts = _verdicts(source, output) if rule == "adjudicated" else {}
        made = _derive(source, got.tasks, rule, verdicts)
        problems = made.problems + _write(output, made)
        with replacing(output / "problems.jsonl") as stream:
            for problem in problems:
                stream.write(json.dumps(problem.to_dict(), ensure_ascii=False) + "\n")
    counts = {name: len(reports) for name, reports in made.by_annotator.items()}
    return Exported(
        tuple(made.chosen.values()),
        made.records if source.records else None,
        tuple(problems),
        counts,
        got.fetched,
        got.untouched,
        got.removed,
    )


@dataclass(frozen=True, slots=True)
class _Source:
    connection: Connection
    project: int
    people: Mapping[int, str]
    records: bool


@dataclass(slots=True)
class _Made:
    chosen: dict[str, Report]
    records: dict[str, tuple[Record, ...]]
    by_annotator: dict[str, dict[str, Report]]
    problems: list[Problem]


def _verdicts(source: _Source, output: Path) -> dict[str, tuple[str, Annotation]]:
    """Report id to (text, version) of what the adjudication project decided."""
    connection = source.connection
    court = find_adjudication(connection, source.project)
    if court is None:
        return {}
    found: dict[str, tuple[str, Annotation]] = {}
    for task in download(connection, court, output / "adjudication.jsonl").tasks:
        link = connection.link(court, task["id"])
        versions, _ = read_annotations(task, link, source.people, records=source.records)
        verdict = choose(versions, "latest")
        if verdict is not None:
            found[str(task["data"].get("report_id"))] = (task["data"]["text"], verdict)
    return found


def _derive(
    source: _Source,
    tasks: Sequence[Mapping[str, Any]],
    rule: str,
    verdicts: Mapping[str, tuple[str, Annotation]],
) -> _Made:
    made = _Made({}, {}, {}, [])
    newest = {str(task["data"].get("report_id") or task["id"]): task["id"] for task in tasks}
    for task in tasks:
        link = source.connection.link(source.project, task["id"])
        versions, problems = read_annotations(task, link, source.people, records=source.records)
        made.problems += problems
        report_id = str(task["data"].get("report_id") or task["id"])
        if newest[report_id] != task["id"]:
            line = f"报告 {report_id} 的正文后来变了，见任务 {newest[report_id]}；这份旧的没有导出"
            made.problems.append(Problem(task["id"], link, "superseded", line))
            continue
        for version in versions:
            mine = made.by_annotator.setdefault(version.annotator, {})
            mine[report_id] = _report(report_id, task, link, version)
        text, verdict = verdicts.get(report_id, ("", None))
        best = verdict if verdict and text == task["data"]["text"] else choose(versions, rule)
        if best is not None:
            made.chosen[report_id] = _report(report_id, task, link, best)
            if best.records is not None:
                made.records[report_id] = best.records
        elif versions:
            names = "、".join(version.annotator for version in versions)
            line = f"按规则 {rule} 没有可采用的标注（已有：{names}）"
            made.problems.append(Problem(task["id"], link, "undecided", line))
    return made


def _report(report_id: str, task: Mapping[str, Any], link: str, version: Annotation) -> Report:
    data = task["data"]
    meta = dict(data["meta"]) if isinstance(data.get("meta"), dict) else {}
    meta |= {
        "source": str(data.get("source", "")),
        "task": int(task["id"]),
        "link": link,
        "annotator": version.annotator,
        "annotation": version.annotation,
    }
    if version.records is not None:
        meta["records"] = [record.to_dict(report_id) for record in version.records]
    elif version.relations:
        meta["relations"] = [[*one, *other] for one, other in version.relations]
    return Report(report_id, data["text"], version.spans, meta)


def _write(output: Path, made: _Made) -> list[Problem]:
    """Write the reports; what tagged text cannot hold is a problem, its JSONL is there."""
    write_jsonl(output / "reports.jsonl", made.chosen.values())
    people = output / "annotators"
    shutil.rmtree(people, ignore_errors=True)
    people.mkdir()
    for name, reports in made.by_annotator.items():
        write_jsonl(people / f"{file_stem(name)}.jsonl", reports.values())
    tagged = output / "tagged"
    shutil.rmtree(tagged, ignore_errors=True)
    tagged.mkdir()
    rows = output / "records"
    shutil.rmtree(rows, ignore_errors=True)
    (output / "records.jsonl").unlink(missing_ok=True)
    if made.records:
        rows.mkdir()
        with replacing(output / "records.jsonl") as stream:
            for report_id, records in made.records.items():
                for record in records:
                    line = json.dumps(record.to_dict(report_id), ensure_ascii=False)
                    stream.write(line + "\n")
    problems = []
    taken: set[str] = set()
    for report in made.chosen.values():
        stem = file_stem(report.id)
        while stem in taken:
            stem += "-"
        taken.add(stem)
        if report.id in made.records:
            write_rows(rows / f"{stem}.csv", report, made.records[report.id])
        try:
            write_tagged(tagged / f"{stem}.txt", tagged_report(report, report.id))
        except FormatError as error:
            place = (int(report.meta["task"]), str(report.meta["link"]))
            line = f"写不成标记文本（{error}）；reports.jsonl 里有它"
            problems.append(Problem(*place, "tagged", line, str(report.meta["annotator"])))
    return problems


def tagged_report(report: Report, report_id: str) -> Report:
    """The report under another id, with the meta that fits the header of tagged text."""
    meta = {
        key: " ".join(str(value).split())
        for key, value in report.meta.items()
        if isinstance(value, str | int) and str(value).strip() and key != "id" and ":" not in key
    }
    return Report(report_id, report.text, report.spans, meta)


def file_stem(name: str) -> str:
    """A name that every file system takes, from an id such as ``2016/总结.docx``."""
    stem = re.sub(r"[^\w.@+-]+", "-", name.replace("/", "-")).strip(".-")
    return stem[:100] or "report"


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``annotation export``."""
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="输出文件夹")
    parser.add_argument(
        "--project", default=DEFAULT_TITLE, help=f"项目名或编号（默认 {DEFAULT_TITLE}）"
    )
    parser.add_argument(
        "--choose",
        default="latest",
        metavar="RULE",
        help="一份报告有多个标注时用哪个：latest 最后改的（默认），annotator:名字 某个人的，\n"
        f"adjudicated 裁决的（“项目名{ADJUDICATION}”里的，或打了星的，或各人一致的）",
    )
    parser.add_argument("--full", action="store_true", help="全部重新下载，不只下载改过的")
    add_connection_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Export, print the counts and the problems; 1 when there are problems."""
    choose([], options.choose)
    connection = connect_as_asked(options)
    project = find_project(connection, options.project)
    console = Console(emoji=False, soft_wrap=True, highlight=False)
    result = export_project(
        connection,
        project,
        options.output,
        rule=options.choose,
        full=options.full,
        console=Console(emoji=False, stderr=True),
    )
    spans = Counter[str]()
    for report in result.reports:
        spans.update(spans_by_label(report.spans))
    console.print(
        f"报告 {len(result.reports):,} 份，片段 {spans.total():,} 个（"
        + "，".join(f"{label} {count:,}" for label, count in spans.items())
        + f"）；本次下载 {result.fetched:,} 个任务，还没人标的 {result.untouched:,} 个",
        markup=False,
    )
    if result.records is not None:
        count = sum(map(len, result.records.values()))
        console.print(f"记录 {count:,} 行：records.jsonl，每篇一个表：records/", markup=False)
    for name, count in result.annotators.items():
        console.print(f"  {name}：{count:,} 份", markup=False)
    if result.removed:
        numbers = "、".join(map(str, result.removed[:_SHOWN]))
        console.print(f"服务器上已没有上次的任务（或其标注）：{numbers}；不再导出", markup=False)
    for problem in result.problems[:_SHOWN]:
        who = f"（{problem.annotator}）" if problem.annotator else ""
        console.print(
            one_line(f"问题 任务 {problem.task}{who}：{problem.problem} {problem.link}"),
            markup=False,
        )
    if len(result.problems) > _SHOWN:
        console.print(f"……共 {len(result.problems)} 个问题，见 problems.jsonl")
    console.print(f"输出：{options.output}", markup=False)
    return 1 if any(problem.kind != "skipped" for problem in result.problems) else 0
