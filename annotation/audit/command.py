"""``annotation audit``: print and write the likely mistakes of annotations."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from annotation.audit.auditor import audit
from annotation.audit.documents import read_documents
from annotation.audit.finding import KINDS, Finding
from annotation.audit.page import write_page
from zhibiao.errors import ReadError
from zhibiao.files import replacing

__all__ = ["configure", "print_findings", "run", "write_findings"]

_LIMIT = 30

_DESCRIPTION = """\
找出标注里可能的错误，按可能性排序，给出任务链接或“文件:行”、原文和理由。

检查六类：漏标（同一字串多处标、此处未标，或相反）、标签（同一字串标签不一）、边界（与全体的
习惯或规范不符）、数值（数没有单位、单位没有数、数未标）、模型（模型有把握而与标注不同）、
重复（近乎相同的报告；跨划分的排在最前）。分数是“这里有错”的估计概率。
退出状态：0 没有发现，1 有发现，2 用法有误。"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.description = _DESCRIPTION
    parser.formatter_class = argparse.RawTextHelpFormatter
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="报告 JSONL、导出文件夹、标记文本文件夹、语料文件夹（全部划分）或“语料:划分”",
    )
    parser.add_argument(
        "--reference",
        action="append",
        default=[],
        metavar="SOURCE",
        help="只作依据、本身不检查的来源，如 data:train；可多次给出",
    )
    model = parser.add_mutually_exclusive_group()
    model.add_argument("--model", type=Path, metavar="DIR", help="模型文件夹（默认使用内置模型）")
    model.add_argument("--no-model", action="store_true", help="不问模型；快得多，找到的少一些")
    parser.add_argument(
        "--kind",
        action="append",
        choices=KINDS,
        metavar="K",
        help=f"只做这类检查：{'、'.join(KINDS)}；可多次给出",
    )
    parser.add_argument(
        "--limit",
        type=_whole,
        default=_LIMIT,
        metavar="N",
        help=f"打印前 N 处，0 为全部（默认 {_LIMIT}）；文件里总是全部",
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="另写成网页，可按类别和标签筛选")
    parser.add_argument("--jsonl", type=Path, metavar="FILE", help="另写成 JSONL，每行一处")


def run(options: argparse.Namespace) -> int:
    """Audit, print, write; 1 when anything was found.

    Raises:
        ReadError: a source cannot be found or holds no reports.
        FormatError: a source breaks its format.
        ModelError: the model cannot be used.
        OutputError: a file cannot be written.
    """
    kinds = tuple(options.kind or KINDS)
    if options.no_model and kinds == ("模型",):
        raise ReadError("--no-model 与 --kind 模型 相互矛盾；请去掉一个")
    documents = read_documents(options.sources, options.reference)
    scorer = None
    if not options.no_model and "模型" in kinds:
        # Imported late: --help and wrong arguments should not wait for the inference engine.
        from zhibiao.extractor import Extractor

        scorer = Extractor.from_pretrained(options.model)
    findings = audit(documents, scorer, kinds)
    if options.jsonl is not None:
        write_findings(options.jsonl, findings)
    if options.html is not None:
        write_page(options.html, findings)
    console = Console(file=sys.stdout, soft_wrap=True, highlight=False, emoji=False, markup=False)
    audited = sum(not document.reference for document in documents)
    print_findings(findings, audited, options.limit, console)
    for path in (options.html, options.jsonl):
        if path is not None:
            console.print(f"已写出 {path}")
    return 1 if findings else 0


def _whole(value: str) -> int:
    if not value.isdecimal():
        raise argparse.ArgumentTypeError(f"应为 0 或正整数，而不是 {value!r}")
    return int(value)


def print_findings(findings: Sequence[Finding], reports: int, limit: int, console: Console) -> None:
    """Print the first findings, or all of them for a limit of 0, and how many there are."""
    shown = findings[:limit] if limit else findings
    for number, finding in enumerate(shown, start=1):
        before, middle, after = (part.replace("\n", "⏎") for part in finding.context)
        about = " ".join((*finding.kinds, *finding.labels))
        console.print(f"{number:>4}  {finding.score:.2f}  {about}  {finding.where}")
        if finding.document.link:
            console.print(f"      {finding.document.link}")
        console.print(f"      {before}【{middle}】{after}")
        for reason in finding.reasons:
            console.print(f"      - {reason.message} → {reason.expected}")
    more = f"，以上是前 {len(shown)} 处" if len(shown) < len(findings) else ""
    console.print(f"检查 {reports} 份报告，发现 {len(findings)} 处可能的错误{more}。")


def write_findings(path: Path, findings: Sequence[Finding]) -> None:
    """Write findings as JSON Lines, the likeliest first.

    Raises:
        OutputError: the folder is missing or not writable.
    """
    with replacing(path) as stream:
        for finding in findings:
            stream.write(json.dumps(finding.to_dict(), ensure_ascii=False) + "\n")
