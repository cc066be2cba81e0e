"""Making the parts of a plan that are not there yet, and taking in new files."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from inference.archive.folder import ArchiveFolder
from inference.archive.manifest import Totals, write_manifest
from inference.archive.plan import Plan
from inference.archive.pool import Pool
from inference.archive.relay import Advanced
from inference.archive.watch import Arrivals, stopping
from inference.archive.worker import Finished, Job
from inference.writers import Format
from zhibiao.journal import Journal
from zhibiao.sources import Source

__all__ = ["Making"]

_TICK_SECONDS = 0.5


class Making:
    """The work on an archive whose ``folder`` this process has opened."""

    def __init__(
        self,
        folder: ArchiveFolder,
        plan: Plan,
        pool: Pool,
        journal: Journal,
        formats: Sequence[Format],
    ) -> None:
        self._folder = folder
        self._plan = plan
        self._pool = pool
        self._journal = journal
        self._formats = formats

    def make_all(self, sources: Sequence[Source]) -> Totals:
        """Make every part that is missing or made of something else, then sum up.

        Raises:
            KeyboardInterrupt: the process was told to stop; parts that are done stay.
        """
        self._submit(self._plan.fresh(sources))
        with stopping() as stop:
            while self._pool.is_busy:
                if stop:
                    raise KeyboardInterrupt
                self._step()
        return self._sum_up(sources)

    def watch(self, find: Callable[[], Sequence[Source]]) -> Totals:
        """The same again and again for what ``find`` finds, until the process is told to stop.

        Parts that are being made then are finished.
        """
        arrivals = Arrivals(self._plan, find)
        self._submit([])
        totals: Totals | None = None
        with stopping() as stop:
            while not stop:
                if not self._pool.is_busy:
                    totals = totals or self._sum_up(arrivals.sources)
                    if fresh := arrivals.due():
                        self._submit(fresh)
                        totals = None
                self._step()
            self._pool.drop_waiting()
            while self._pool.is_busy:
                self._step()
            return self._sum_up(arrivals.sources)

    def _submit(self, fresh: Sequence[Source]) -> None:
        """Plan files that are new or have changed, and let what is missing be made."""
        for source in self._plan.update(fresh) if fresh else ():
            self._journal.warning(f"{source.name}：文件改过，它所在的部分重做")
        if fresh or not self._folder.plan.exists():
            self._plan.write(self._folder.plan)
        missing = [
            part for part in self._plan.parts if self._folder.digest(part.number) != part.digest
        ]
        self._done = len(self._plan.parts) - len(missing)
        if self._done and missing:
            self._journal.milestone(f"已有 {self._done} 个部分，还要做 {len(missing)} 个")
        self._journal.expect(sum(part.size for part in missing))
        for part in missing:
            folder = self._folder.work(part.number)
            self._pool.submit(Job(part.number, part.sources, part.digest, folder))

    def _step(self) -> None:
        for event in self._pool.poll(_TICK_SECONDS):
            if isinstance(event, Advanced):
                self._journal.done(event.size, event.reports)
            else:
                self._finish(*event)

    def _finish(self, job: Job, finished: Finished) -> None:
        self._folder.commit(job.number)
        self._done += 1
        for is_failure, line in finished.lines:
            (self._journal.failure if is_failure else self._journal.warning)(line)
        self._journal.milestone(
            f"第 {job.number} 部分做完，共 {self._done}/{len(self._plan.parts)} 个部分"
        )

    def _sum_up(self, sources: Sequence[Source]) -> Totals:
        return write_manifest(self._folder, self._plan, self._formats, sources)
