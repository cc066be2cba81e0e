"""Reports on which annotators differ, as tasks that show every version to the adjudicator."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from annotation.adjudication import Case, adjudication
from annotation.client import add_connection_arguments, connect_as_asked
from annotation.disagreement import read_versions
from annotation.importing import Incoming, import_reports
from annotation.project import ADJUDICATION, DEFAULT_TITLE, create_project
from annotation.record_files import exported_records
from annotation.tasks import Suggestion, task_data
from zhibiao.journal import one_line

__all__ = ["to_incoming"]


def to_incoming(case: Case) -> Incoming:
    """A task with one prediction an annotator, each under the annotator's name."""
    data = task_data(case.report_id, case.text, str(case.meta.get("source", "")), case.meta)
    suggestions = tuple(
        Suggestion(report.spans, annotator, exported_records(report) or ())
        for annotator, report in case.versions
    )
    return Incoming(data, suggestions)


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``annotation adjudicate``."""
    parser.add_argument(
        "versions",
        nargs="+",
        type=Path,
        metavar="SOURCE",
        help="导出的文件夹，或两个以上的标记文本文件夹、报告 JSONL",
    )
    parser.add_argument(
        "--project",
        default=DEFAULT_TITLE,
        metavar="TITLE",
        help=f"原项目名（默认 {DEFAULT_TITLE}）；裁决项目叫“原项目名{ADJUDICATION}”",
    )
    parser.add_argument("--all", action="store_true", help="各人一致的报告也导入")
    add_connection_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Import the cases into the adjudication project, made when it is missing."""
    cases = adjudication(read_versions(options.versions), everything=options.all)
    console = Console(emoji=False, soft_wrap=True, highlight=False)
    if not cases:
        console.print("各人标得完全一致，没有需要裁决的报告。")
        return 0
    connection = connect_as_asked(options)
    title = f"{options.project}{ADJUDICATION}"
    # What was exported with records is decided with records.
    records = any("records" in report.meta for case in cases for _, report in case.versions)
    project = create_project(connection, title, records=records).id
    result = import_reports(connection, project, map(to_incoming, cases), lambda texts: ())
    for line in (*result.notes, *result.failures):
        console.print(one_line(line), markup=False)
    console.print(
        f"项目“{title}”：新建 {result.new} 个任务，已有 {result.unchanged + result.completed} 个；"
        "每个任务里有各人的版本，挑一个改好后提交",
        markup=False,
    )
    console.print(f"{connection.url}/projects/{project}", markup=False)
    return 1 if result.failures else 0
