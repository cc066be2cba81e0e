"""The process that makes parts: one at a time, told through a pipe what to do.

What it says to the process that started it are the messages of this module, in this order:
:class:`Ready` once, then for each :class:`Job` any number of :class:`Advanced` and
:class:`Begun`, and one of :class:`Finished`, :class:`Crashed` and :class:`Stopped`.
"""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path

from inference.archive.folder import STATUS
from inference.archive.relay import Relay
from inference.options import Options
from inference.outputs import formats_of, output_errors, write_outputs
from inference.pipeline import SpanExtractor, load_extractor, predict
from inference.prediction import Prediction
from inference.run import Run
from zhibiao.errors import OutputError, ZhibiaoError
from zhibiao.files import replacing
from zhibiao.inputs import read_inputs, single_reports
from zhibiao.sources import Source

__all__ = ["Begun", "Crashed", "Finished", "Job", "Ready", "Stopped", "work"]


@dataclass(frozen=True, slots=True)
class Job:
    """A part to make in ``folder``.

    A ``careful`` job reads one report after the other and says which, so that it is known which
    one kills the process. ``skipped`` has, by the number of the report in the part, from 0, why
    it is not read again; ``hopeless`` why none is.
    """

    number: int
    sources: tuple[Source, ...]
    digest: str
    folder: Path
    careful: bool = False
    skipped: Mapping[int, str] = field(default_factory=dict)
    hopeless: str = ""


@dataclass(frozen=True, slots=True)
class Ready:
    """The model is open."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A careful job comes to this report, or to its end when None."""

    report: int | None


@dataclass(frozen=True, slots=True)
class Finished:
    """The part is made. ``lines`` are to be shown, failures with True."""

    lines: tuple[tuple[bool, str], ...]


@dataclass(frozen=True, slots=True)
class Crashed:
    """The part cannot be made as the job says; ``reason`` is an unexpected error."""

    reason: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """No part can be made: the model cannot be opened, or the disk is full."""

    error: ZhibiaoError


def work(connection: Connection, options: Options, extractor: SpanExtractor | None) -> None:
    """Do jobs until the pipe ends.

    ``extractor`` stands in for the model that the options name.
    """
    # Ctrl-C reaches every process of a terminal; the one that started this decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        try:
            # One thread each: processes share the cores without waiting for each other.
            extractor = extractor or load_extractor(replace(options, threads=1))
        except ZhibiaoError as error:
            connection.send(Stopped(error))
            return
        connection.send(Ready())
        while True:
            job: Job = connection.recv()
            connection.send(_done(job, options, extractor, connection))
    except (EOFError, ConnectionError):
        pass  # the one to report to is gone, and what is half made is never used


def _done(
    job: Job, options: Options, extractor: SpanExtractor, connection: Connection
) -> Finished | Crashed | Stopped:
    try:
        with output_errors(options.output):
            return _make(job, options, extractor, connection)
    except ConnectionError:
        raise
    except OutputError as error:
        return Stopped(OutputError(f"{error}；做完的部分都在，腾出空间后运行同一条命令也能接着做"))
    except Exception as error:
        # Whatever a report trips over, it must not end a run over ten thousand.
        return Crashed(f"{type(error).__name__}：{error}")


def _make(job: Job, options: Options, extractor: SpanExtractor, connection: Connection) -> Finished:
    shutil.rmtree(job.folder, ignore_errors=True)
    job.folder.mkdir()
    journal = Relay(job.sources, connection.send)
    facts = Run(extractor.info, journal.failures)
    if job.careful:
        predictions = _carefully(job, options, extractor, journal, connection)
    else:
        inputs = read_inputs(job.sources, journal, keep_boilerplate=options.keep_boilerplate)
        predictions = predict(inputs, extractor, journal, records=options.records)
    write_outputs(predictions, job.folder, formats_of(options), facts, journal)
    if facts.too_many_rows:
        journal.warning(f"第 {job.number} 部分的记录太多，没有合并成序列；请用 --part 减小各部分")
    with replacing(job.folder / STATUS) as stream:
        head = {"part": job.number, "digest": job.digest}
        for item in (head, *journal.statuses(facts.reports)):
            stream.write(json.dumps(item, ensure_ascii=False) + "\n")
    return Finished(tuple(journal.lines))


def _carefully(
    job: Job,
    options: Options,
    extractor: SpanExtractor,
    journal: Relay,
    connection: Connection,
) -> Iterator[Prediction]:
    singles = (one for source in job.sources for one in single_reports(source))
    for number, source in enumerate(singles):
        if reason := job.hopeless or job.skipped.get(number):
            where = journal.where(source)
            journal.failure(f"{where}：{reason}", source.size, source=where)
            continue
        connection.send(Begun(number))
        inputs = read_inputs([source], journal, keep_boilerplate=options.keep_boilerplate)
        yield from predict(inputs, extractor, journal, records=options.records)
    connection.send(Begun(None))
