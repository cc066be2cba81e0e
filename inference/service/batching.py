"""Texts of concurrent requests, run through the model together."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from zhibiao.spans import Span

__all__ = ["Batcher"]

_PAUSE = 0.003  # seconds that an idle batcher waits for neighbours of the first text


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    text: str
    found: asyncio.Future[list[Span]]


class Batcher:
    """A queue of texts and one thread that works on it, several texts a call.

    ``extract`` gives the spans of each of some texts, which must not depend on their company.
    A batch ends when it has ``budget`` characters; one text may be longer. Texts whose waiting
    task was cancelled are dropped. ``seen`` is told how many texts each batch has.
    """

    def __init__(
        self,
        extract: Callable[[Sequence[str]], list[list[Span]]],
        *,
        budget: int,
        seen: Callable[[int], object],
    ) -> None:
        self._extract = extract
        self._budget = budget
        self._seen = seen
        self._jobs: deque[_Job] = deque()
        self._news = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="zhibiao-batch")
        self._task = asyncio.create_task(self._work())

    async def spans(self, text: str) -> list[Span]:
        """The spans of one text, once its turn has come.

        Raises whatever ``extract`` raises for this text alone.
        """
        job = _Job(text, asyncio.get_running_loop().create_future())
        self._jobs.append(job)
        self._news.set()
        return await job.found

    async def close(self) -> None:
        """Stop; to be called when nobody waits any more."""
        self._task.cancel()
        await asyncio.wait({self._task})
        self._thread.shutdown()

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            if not self._jobs:
                self._news.clear()
                await self._news.wait()
                await asyncio.sleep(_PAUSE)
            batch = self._take()
            if not batch:
                continue
            self._seen(len(batch))
            texts = [job.text for job in batch]
            outcomes = await loop.run_in_executor(self._thread, self._try, texts)
            for job, outcome in zip(batch, outcomes, strict=True):
                if job.found.done():  # its request was cancelled meanwhile
                    continue
                if isinstance(outcome, Exception):
                    job.found.set_exception(outcome)
                else:
                    job.found.set_result(outcome)

    def _take(self) -> list[_Job]:
        batch: list[_Job] = []
        size = 0
        while self._jobs and (not batch or size + len(self._jobs[0].text) <= self._budget):
            job = self._jobs.popleft()
            if not job.found.done():
                batch.append(job)
                size += len(job.text)
        return batch

    def _try(self, texts: list[str]) -> list[list[Span] | Exception]:
        """The spans of each text; one that fails does not fail the others of its batch."""
        try:
            return [*self._extract(texts)]
        except Exception as error:
            if len(texts) == 1:
                return [error]
            return [outcome for text in texts for outcome in self._try([text])]
