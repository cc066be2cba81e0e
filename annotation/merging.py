"""Exported reports into a corpus folder, as tagged text that people can go on editing."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from annotation.export import file_stem, tagged_report
from annotation.record_files import exported_records
from zhibiao.corpus import LISTING
from zhibiao.errors import FormatError
from zhibiao.journal import one_line
from zhibiao.readers import SUFFIXES
from zhibiao.reports import Report, read_jsonl
from zhibiao.rows import write_rows
from zhibiao.tagged import read_tagged, write_tagged

__all__ = ["Merged", "merge"]


@dataclass(slots=True)
class Merged:
    """What a merge did, in reports; ``refused`` are lines that say why a report stayed out."""

    new: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: list[str] = field(default_factory=list)


def merge(reports: Iterable[Report], corpus: Path, genre: str = "other") -> Merged:
    """Write reports into ``corpus/reports/ID.txt``, their rows, where they have any, into
    ``corpus/records/ID.csv``; safe to repeat.

    The id becomes the file's name, without characters that a file name cannot have. A report that
    the corpus holds under the same id gets the new spans when the texts are equal, and is refused
    when they differ; a text that it holds under another id is refused too. ``genre`` is for
    reports whose meta names none. What Label Studio alone needs (links, numbers) stays behind.

    Raises:
        FormatError: a file of the corpus is broken.
    """
    folder = corpus / "reports"
    folder.mkdir(parents=True, exist_ok=True)
    held = {report.id: report for report in map(read_tagged, sorted(folder.glob("*.txt")))}
    owner = {report.text: report.id for report in held.values()}
    result = Merged()
    for report in reports:
        report_id = file_stem(_without_suffix(report.id))
        old = held.get(report_id)
        if owner.get(report.text, report_id) != report_id:
            result.refused.append(f"{report.id}：语料里已有同样的正文：{owner[report.text]}")
            continue
        if old is not None and old.text != report.text:
            result.refused.append(
                f"{report.id}：语料里的 {report_id} 是另一份正文；请改报告的 id，或先处理旧文件"
            )
            continue
        try:
            rows_changed = _merge_rows(report, corpus / "records" / f"{report_id}.csv")
        except FormatError as error:
            result.refused.append(f"{report.id}：{error}")
            continue
        if old is not None and old.spans == report.spans:
            if rows_changed:
                result.updated += 1
            else:
                result.unchanged += 1
            continue
        meta = {key: report.meta[key] for key in ("source", "annotator") if key in report.meta}
        meta = {"genre": genre, **(old.meta if old else meta)}
        if isinstance(report.meta.get("genre"), str):
            meta["genre"] = report.meta["genre"]
        merged = tagged_report(Report(report_id, report.text, report.spans, meta), report_id)
        try:
            write_tagged(folder / f"{report_id}.txt", merged)
        except FormatError as error:
            result.refused.append(f"{report.id}：写不成标记文本（{error}）")
            continue
        held[report_id] = merged
        owner[report.text] = report_id
        if old is None:
            result.new += 1
        else:
            result.updated += 1
    return result


def _merge_rows(report: Report, sheet: Path) -> bool:
    """Write the report's sheet; whether it is another one than before."""
    records = exported_records(report)
    if records is None:
        return False
    before = sheet.read_bytes() if sheet.is_file() else b""
    sheet.parent.mkdir(exist_ok=True)
    write_rows(sheet, report, records)
    return sheet.read_bytes() != before


def _without_suffix(report_id: str) -> str:
    """The id of a file's report without the file's suffix, other ids unchanged."""
    suffix = Path(report_id).suffix
    return report_id.removesuffix(suffix) if suffix.lower() in SUFFIXES else report_id


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``annotation merge``."""
    parser.add_argument(
        "reports", type=Path, help="导出的文件夹（用其中的 reports.jsonl）或报告 JSONL"
    )
    parser.add_argument("corpus", type=Path, help="语料文件夹，没有时新建；报告写进它的 reports/")
    parser.add_argument("--genre", default="other", help="报告没有写明体裁时用的体裁（默认 other）")


def run(options: argparse.Namespace) -> int:
    """Merge and print what was done; 1 when a report was refused."""
    source = options.reports / "reports.jsonl" if options.reports.is_dir() else options.reports
    if not source.is_file():
        raise FormatError(f"{source}：没有这个文件；请先运行 python -m annotation export")
    result = merge(read_jsonl(source), options.corpus, options.genre)
    console = Console(emoji=False, soft_wrap=True, highlight=False)
    for line in result.refused:
        console.print(one_line(f"未并入 {line}"), markup=False)
    console.print(
        f"新增 {result.new:,} 份，更新 {result.updated:,} 份，未变 {result.unchanged:,} 份，"
        f"未并入 {len(result.refused):,} 份",
        markup=False,
    )
    if result.new:
        console.print(
            f"新报告还没有划分；下一步：python -m training.splits {options.corpus}"
            f"（写 {options.corpus / LISTING}）",
            markup=False,
        )
    return 1 if result.refused else 0
