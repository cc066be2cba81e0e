"""Report files of every kind that predict.py reads, on their way into a project."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from annotation.client import Connection, add_connection_arguments, connect_as_asked
from annotation.importing import Imported, Incoming, Suggest, import_reports
from annotation.live_model import model_version
from annotation.project import DEFAULT_TITLE, find_project, holds_records
from annotation.record_drawing import to_results
from annotation.record_files import GivenRecords
from annotation.tasks import Suggestion, task_data
from zhibiao.errors import FormatError, ReadError
from zhibiao.extractor import Extractor
from zhibiao.inputs import Input, read_inputs
from zhibiao.journal import Journal, one_line
from zhibiao.linking import link_records
from zhibiao.records import Record
from zhibiao.sources import KNOWN_SUFFIXES, Source, find_sources

__all__ = ["GIVEN", "import_files", "model_suggestions"]

GIVEN = "given"
"""The version of suggestions that are the spans of a report JSONL."""

_SUGGESTIONS = ("model", "given", "none")
_NO_PLACE = (
    "--records 要求项目标指标记录，片段来自文件；"
    "请先运行 python -m annotation create --records，再加 --suggestions given"
)
_SHOWN = 20  # notes; a moved folder gives one for every file


def model_suggestions(extractor: Extractor, *, records: bool = False) -> Suggest:
    """Suggestions of a model for many texts, lazily and in order; with linked records if asked."""
    version = model_version(extractor)

    def suggest(texts: Sequence[str]) -> Iterator[tuple[Suggestion, ...]]:
        for text, spans in zip(texts, extractor.extract_many(texts), strict=True):
            linked = link_records(text, spans) if records else ()
            yield (Suggestion(tuple(spans), version, tuple(linked)),)

    return suggest


def import_files(
    connection: Connection,
    project: int,
    sources: Sequence[Source],
    suggest: Suggest | None,
    journal: Journal,
    *,
    given: bool = False,
    given_records: GivenRecords | None = None,
    keep_boilerplate: bool = False,
) -> Imported:
    """Import files; ``suggest`` is None for tasks without suggestions.

    With ``given`` the spans of JSONL reports are suggested instead of the model's, in a project
    with records together with ``given_records``, or else with the records that rules link. A
    file that cannot be read and a record that does not fit its report are failures in
    ``journal``; the others go on.

    Raises:
        ServerError: as :func:`annotation.importing.import_reports`.
    """
    inputs = read_inputs(sources, journal, keep_boilerplate=keep_boilerplate)
    records = given and holds_records(connection, project)
    if given_records and not records:
        raise FormatError(_NO_PLACE)

    def incoming() -> Iterator[Incoming]:
        for item in inputs:
            suggestions: tuple[Suggestion, ...] | None = None if suggest else ()
            if given and item.spans:
                found = _records(item, given_records, journal) if records else ()
                suggestions = (Suggestion(item.spans, GIVEN, found),)
            data = task_data(item.id, item.text, item.source, item.meta)
            yield Incoming(data, suggestions, item.size)

    result = import_reports(
        connection, project, incoming(), suggest or (lambda texts: ()), journal.done
    )
    for report in given_records.left if given_records else ():
        journal.failure(f"{report}：有记录，但没有这份报告（或它没有片段）；请检查 id")
    for note in result.notes[:_SHOWN]:
        journal.warning(note)
    if len(result.notes) > _SHOWN:
        journal.warning(f"……共 {len(result.notes)} 条提示，其余从略")
    for failure in result.failures:
        journal.failure(failure)
    return result


def _records(item: Input, given: GivenRecords | None, journal: Journal) -> tuple[Record, ...]:
    if given is None:
        return tuple(link_records(item.text, item.spans))
    records, problems = given.take(item.id, item.text)
    for line in problems:
        journal.failure(line)
    for line in to_results(records, item.spans)[1]:
        journal.failure(f"报告 {item.id}（{item.source}）：{line}")
    return records


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``annotation import``."""
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="文件、文件夹（含子文件夹）、通配符、报告 JSONL；"
        f"可读的后缀：{' '.join(KNOWN_SUFFIXES)}",
    )
    parser.add_argument(
        "--project", default=DEFAULT_TITLE, help=f"项目名或编号（默认 {DEFAULT_TITLE}）"
    )
    parser.add_argument(
        "--suggestions",
        choices=_SUGGESTIONS,
        default="model",
        help="建议从哪里来：model 模型（默认），given 报告 JSONL 自带的片段，none 不要建议",
    )
    parser.add_argument(
        "--records",
        type=Path,
        metavar="FILE",
        help="记录的 JSON Lines（export 写的 records.jsonl，或 predict.py 的结果），"
        "与 --suggestions given 合用；不给时，标记录的项目里按规则从片段连出记录",
    )
    parser.add_argument("--model", type=Path, metavar="DIR", help="模型文件夹（默认使用内置模型）")
    parser.add_argument("--keep-boilerplate", action="store_true", help="保留网页导航、页眉页脚")
    parser.add_argument("--quiet", action="store_true", help="不显示进度和提示；失败仍会显示")
    add_connection_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Import the files and print what was done; 1 when something could not be imported."""
    connection = connect_as_asked(options)
    project = find_project(connection, options.project)
    sources, unmatched = find_sources(options.inputs)
    if not sources:
        raise ReadError("没有找到可读的输入。" + "；".join(unmatched))
    suggest = None
    if options.suggestions == "model":
        extractor = Extractor.from_pretrained(options.model)
        suggest = model_suggestions(extractor, records=holds_records(connection, project))
    with Journal(sum(source.size for source in sources), quiet=options.quiet) as journal:
        for line in unmatched:
            journal.failure(line)
        result = import_files(
            connection,
            project,
            sources,
            suggest,
            journal,
            given=options.suggestions == "given",
            given_records=GivenRecords(options.records) if options.records else None,
            keep_boilerplate=options.keep_boilerplate,
        )
    if not options.quiet:
        _print(result, len(journal.failures), f"{connection.url}/projects/{project}")
    return 1 if journal.failures else 0


def _print(result: Imported, failures: int, address: str) -> None:
    table = Table(title="导入结果", title_justify="left", show_edge=False)
    table.add_column("任务")
    table.add_column("数量", justify="right")
    rows: Iterable[tuple[str, int]] = (
        ("新建", result.new),
        ("正文已更新", result.changed),
        ("补上建议", result.completed),
        ("已有，未动", result.unchanged),
        ("失败", failures),
    )
    for name, count in rows:
        table.add_row(name, f"{count:,}")
    console = Console(emoji=False, soft_wrap=True, highlight=False)
    console.print(table)
    console.print(one_line(address), markup=False)
