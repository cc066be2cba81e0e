"""Processes that make parts side by side, and go on when one of them dies.

The pools of the standard library end, or hang, when a process dies, and none says which report it
died of. Here each process has a pipe of its own and nothing is shared, so that one that is killed
at any moment hurts no other.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from signal import SIG_BLOCK, SIG_SETMASK, SIGINT, SIGTERM, Signals, pthread_sigmask

from inference.archive.relay import Advanced
from inference.archive.worker import Begun, Crashed, Finished, Job, Ready, Stopped, work
from inference.options import Options
from inference.pipeline import SpanExtractor
from zhibiao.errors import OutputError

__all__ = ["Pool"]

_STALL_SECONDS = 1800.0
"""A process that says nothing for so long hangs; the longest report takes a fraction of it."""
_MOST_FALSE_STARTS = 3
_MOST_DEATHS = 5
"""Of a part, besides those that a report is to blame for."""
_WHOLE = "写出这一部分时程序异常终止（{}），整个部分没有做成；请把它交给开发者"
_ONE = "处理时程序异常终止（{}），已跳过；请把这份报告交给开发者"


@dataclass(slots=True)
class _Task:
    """A job with what was said about it; ``advanced`` is (bytes, reports) so far."""

    job: Job
    deaths: int = 0
    at: Begun | None = None
    advanced: tuple[int, int] = (0, 0)


@dataclass(slots=True, eq=False)
class _Worker:
    process: SpawnProcess
    connection: Connection
    ready: bool = False
    task: _Task | None = None
    heard: float = field(default_factory=time.monotonic)


class Pool:
    """At most ``size`` processes; a context manager that ends them all.

    A part whose process dies is made again. When it dies again, its reports are read one by one,
    and the one that kills is skipped.
    """

    def __init__(self, size: int, options: Options, extractor: SpanExtractor | None) -> None:
        self._size = size
        self._arguments = (options, extractor)
        self._waiting: deque[_Task] = deque()
        self._workers: list[_Worker] = []
        self._false_starts = 0
        # Spawned, not forked: threads of the inference engine do not survive a fork.
        self._context = get_context("spawn")

    def __enter__(self) -> Pool:
        # Now, because it would undo the mask under which processes are started.
        resource_tracker.ensure_running()
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.process.join()
            worker.connection.close()

    @property
    def is_busy(self) -> bool:
        """Whether any job is being done or waits."""
        return bool(self._waiting) or any(worker.task for worker in self._workers)

    def submit(self, job: Job) -> None:
        """Let a job be done when its turn comes."""
        self._waiting.append(_Task(job))

    def drop_waiting(self) -> None:
        """Forget the jobs that nobody has begun."""
        self._waiting.clear()

    def poll(self, seconds: float) -> Iterator[Advanced | tuple[Job, Finished]]:
        """Yield what happened, waiting so long for something to happen.

        Raises:
            ZhibiaoError: what keeps all parts from being made.
        """
        self._assign()
        if not self._workers:
            time.sleep(seconds)
        ready = wait([worker.connection for worker in self._workers], seconds)
        for worker in list(self._workers):
            if worker.connection in ready:
                yield from self._listen(worker)
            elif worker.task and time.monotonic() - worker.heard > _STALL_SECONDS:
                worker.process.kill()
                yield from self._bury(worker, f"{_STALL_SECONDS / 60:.0f} 分钟没有进展")

    def _assign(self) -> None:
        free = [worker for worker in self._workers if worker.ready and not worker.task]
        starting = sum(not worker.ready for worker in self._workers)
        for worker in free[: len(self._waiting)]:
            worker.task = self._waiting.popleft()
            worker.heard = time.monotonic()
            # One that has just died cannot be told; listening to it will show that.
            with suppress(ConnectionError):
                worker.connection.send(worker.task.job)
        for _ in range(min(len(self._waiting) - starting, self._size - len(self._workers))):
            self._start()

    def _start(self) -> None:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=work, args=(theirs, *self._arguments), daemon=True)
        # Until the new process can say what signals mean to it, they must not reach it.
        before = pthread_sigmask(SIG_BLOCK, (SIGINT, SIGTERM))
        try:
            process.start()
        finally:
            pthread_sigmask(SIG_SETMASK, before)
        theirs.close()
        self._workers.append(_Worker(process, ours))

    def _listen(self, worker: _Worker) -> Iterator[Advanced | tuple[Job, Finished]]:
        try:
            while worker.connection.poll():
                worker.heard = time.monotonic()
                yield from self._hear(worker, worker.connection.recv())
        except (EOFError, ConnectionError):
            worker.process.join()
            yield from self._bury(worker, _cause(worker.process.exitcode))

    def _hear(
        self, worker: _Worker, message: Ready | Advanced | Begun | Finished | Crashed | Stopped
    ) -> Iterator[Advanced | tuple[Job, Finished]]:
        if isinstance(message, Stopped):
            raise message.error
        if isinstance(message, Ready):
            worker.ready = True
            self._false_starts = 0
            return
        task = worker.task
        assert task is not None  # the other messages are about a job
        if isinstance(message, Advanced):
            size, reports = task.advanced
            task.advanced = (size + message.size, reports + message.reports)
            yield message
        elif isinstance(message, Begun):
            task.at = message
        elif isinstance(message, Finished):
            worker.task = None
            yield task.job, message
        else:
            worker.task = None
            yield self._again(task, message.reason)

    def _bury(self, worker: _Worker, reason: str) -> Iterator[Advanced]:
        self._workers.remove(worker)
        worker.process.join()
        worker.connection.close()
        if worker.task:
            yield self._again(worker.task, reason)
        elif not worker.ready:
            self._false_starts += 1
            if self._false_starts == _MOST_FALSE_STARTS:
                raise OutputError(f"工作进程无法启动（{reason}）；请用 --jobs 减少进程数再试")

    def _again(self, task: _Task, reason: str) -> Advanced:
        """Let a job be done once more, first of all, and take back how far it came."""
        job, deaths = task.job, task.deaths + 1
        if job.hopeless:
            raise OutputError(f"第 {job.number} 部分：{job.hopeless}")
        if task.at and task.at.report is not None:
            skipped = {**job.skipped, task.at.report: _ONE.format(reason)}
            job = replace(job, skipped=skipped)
        elif task.at or deaths > _MOST_DEATHS + len(job.skipped):
            job = replace(job, hopeless=_WHOLE.format(reason))
        elif deaths > 1:
            job = replace(job, careful=True)
        self._waiting.appendleft(_Task(job, deaths))
        size, reports = task.advanced
        return Advanced(-size, -reports)


def _cause(exit_code: int | None) -> str:
    if exit_code is None or exit_code >= 0:
        return f"退出码 {exit_code}"
    try:
        name = Signals(-exit_code).name
    except ValueError:
        name = f"信号 {-exit_code}"
    words = {"SIGKILL": "被系统强制结束，多半是内存不足", "SIGSEGV": "解析程序崩溃"}
    return f"{words[name]}，{name}" if name in words else name
