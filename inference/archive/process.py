"""A run over an archive, from its plan to its manifest."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

from inference.archive.folder import ArchiveFolder
from inference.archive.making import Making
from inference.archive.manifest import Totals
from inference.archive.plan import DEFAULT_PART, Plan
from inference.archive.pool import Pool
from inference.options import Options
from inference.outputs import formats_of, output_errors, output_folder
from inference.pipeline import SpanExtractor
from inference.summary import Summary
from zhibiao.errors import OutputError, ReadError
from zhibiao.journal import Journal
from zhibiao.model_directory import EMBEDDED_MODEL, ModelDirectory
from zhibiao.sources import Source, find_sources, printable
from zhibiao.spans import LABELS

__all__ = ["holds_archive", "is_archive_sized", "run_archive"]

_ARCHIVE_REPORTS = 2_000
_OPTION_NAMES = {
    "inputs": "输入",
    "part": "--part",
    "model": "模型",
    "backend": "--backend",
    "formats": "--format",
    "records": "--records",
    "keep_boilerplate": "--keep-boilerplate",
}


def holds_archive(output: Path) -> bool:
    """Whether an archive was begun in the output folder."""
    return ArchiveFolder(output).plan.is_file()


def is_archive_sized(sources: Sequence[Source]) -> bool:
    """Whether there are so many reports that they are written in parts unasked."""
    count = 0
    for source in sources:
        if source.path is None or not source.holds_reports:
            count += 1
            continue
        try:
            with source.path.open("rb") as stream:
                count += sum(1 for _ in islice(stream, _ARCHIVE_REPORTS + 1))
        except OSError:
            pass  # reading it will say so
    return count > _ARCHIVE_REPORTS


def run_archive(options: Options, extractor: SpanExtractor | None = None) -> Summary:
    """Make the parts of an archive that are missing, then its manifest and index.

    With ``options.watch`` wait for more files until the process is told to stop.
    ``extractor`` stands in for the model that the options name; it goes to other processes, so
    it can be pickled.

    Raises:
        ReadError: no input matched any file.
        ModelError: the model folder cannot be used.
        OutputError: the output folder cannot be written, is in use, or holds results of other
            options.
    """
    if "-" in options.inputs:
        raise ReadError("标准输入（-）不能分部分处理；请先存成文件")
    folder = ArchiveFolder(options.output)
    settings = _settings(options, extractor)
    sources, unmatched = _find(options, folder)
    if options.watch and not all(map(os.path.lexists, options.inputs)):
        raise ReadError("--watch 的输入应是已有的文件夹。" + "；".join(unmatched))
    if not sources and not options.watch and not holds_archive(options.output):
        raise ReadError("没有找到可读的输入。" + "；".join(unmatched))
    formats = formats_of(options)
    with ExitStack() as stack:
        stack.enter_context(output_errors(options.output))
        stack.enter_context(output_folder(options.output))
        stack.enter_context(folder.opened())
        plan = _plan(folder, settings, options)
        for one in formats:
            one.check(folder.work(0) / one.target)
        journal = stack.enter_context(Journal(0, quiet=options.quiet))
        pool = stack.enter_context(Pool(_jobs(options), options, extractor))
        making = Making(folder, plan, pool, journal, formats)
        if not options.asks_for_archive and not plan.parts:
            journal.warning(
                f"报告多于 {_ARCHIVE_REPORTS:,} 份，结果每 {DEFAULT_PART} 份一个部分；见 --part"
            )
        for line in unmatched:
            # A folder that is watched may well be empty at first.
            (journal.warning if options.watch else journal.failure)(line)
        if options.watch:
            totals = making.watch(lambda: _find(options, folder)[0])
        else:
            totals = making.make_all(sources)
    return _summary(folder, totals, () if options.watch else unmatched)


def _find(options: Options, folder: ArchiveFolder) -> tuple[list[Source], list[str]]:
    """The sources there are now. Their ids do not depend on which others there are."""
    return find_sources(options.inputs, outputs=folder.own, folder=_base(options.inputs))


def _base(arguments: Iterable[str]) -> Path:
    """The folder that the arguments have in common, however many files they match."""
    roots = []
    for argument in arguments:
        path = Path(argument)
        while not path.is_dir() and path != path.parent:
            path = path.parent
        roots.append(os.path.abspath(path))
    return Path(os.path.commonpath(roots))


def _settings(options: Options, extractor: SpanExtractor | None) -> dict[str, Any]:
    if extractor is None:
        found = ModelDirectory.open(options.model or EMBEDDED_MODEL)
        # As the extractor says it; opening that here would take its memory once more.
        model = {"name": found.name, "version": found.version, "hash": found.digest}
    else:
        model = dict(extractor.info)
    return {
        "inputs": [printable(os.path.abspath(argument)) for argument in options.inputs],
        "part": options.part,
        "model": model,
        "backend": options.backend,
        "formats": list(options.formats),
        "records": options.records,
        "keep_boilerplate": options.keep_boilerplate,
    }


def _plan(folder: ArchiveFolder, settings: dict[str, Any], options: Options) -> Plan:
    if not folder.plan.is_file():
        return Plan({**settings, "part": options.part or DEFAULT_PART})
    plan = Plan.read(folder.plan)
    if options.part is None:
        settings = {**settings, "part": plan.settings["part"]}
    for name, word in _OPTION_NAMES.items():
        then, now = plan.settings.get(name), settings[name]
        if then != now:
            raise OutputError(
                f"{folder.root}：这里的结果是用别的选项做的（{word} 原来是 {_shown(then)}，"
                f"现在是 {_shown(now)}）；请用原来的选项继续，或换一个输出文件夹"
            )
    return plan


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return " ".join(map(str, value.values()))
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _jobs(options: Options) -> int:
    if options.jobs or options.threads:
        return options.jobs or options.threads or 1
    # torch has threads of its own, and a GPU is shared by few.
    return 1 if options.backend == "torch" else _cores()


def _summary(folder: ArchiveFolder, totals: Totals, unmatched: Sequence[str]) -> Summary:
    return Summary(
        reports=totals.reports,
        characters=totals.characters,
        spans={label: totals.spans[label] for label in LABELS},
        records=totals.records,
        doubtful=totals.doubtful,
        failures=(*unmatched, *totals.failures),
        outputs=[
            (folder.index, "各部分的目录，用浏览器打开"),
            (folder.manifest, "清单：每份报告的状态和原因"),
            (folder.parts, "各部分的结果"),
        ],
    )


def _cores() -> int:
    """The cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
