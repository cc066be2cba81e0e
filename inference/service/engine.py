"""From reports to the JSON of their predictions, for many requests at once."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from inference.pipeline import SpanExtractor
from inference.prediction import Prediction
from inference.service.batching import Batcher
from inference.service.problems import ProblemError
from zhibiao.inputs import Input
from zhibiao.linking import link_records
from zhibiao.records import Record
from zhibiao.spans import Span

__all__ = ["Engine", "Outcome", "Tally"]

_log = logging.getLogger("zhibiao.service")

_BATCH_CHARACTERS = 4_096
"""Characters of a batch. More would not be faster on a processor, only make others wait."""

_RETRY_SECONDS = 2


class Tally(Protocol):
    """Who is told how much work there is; :class:`inference.service.metrics.Metrics` is one."""

    def took(self, characters: int) -> None:
        """So many characters are in hand more; fewer when negative."""

    def batch(self, texts: int) -> None:
        """So many texts go through the model together."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The JSON object of a prediction, or, with its ``problem``, of the error in its place."""

    body: bytes
    problem: ProblemError | None = None

    @classmethod
    def failed(cls, report_id: str, problem: ProblemError) -> Outcome:
        """The outcome of a report that could not be done."""
        return cls(_dump({"id": report_id, **problem.object}), problem)


class Engine:
    """A model behind two queues: one for short texts, one for those that fill a batch alone.

    So a long report does not hold up the short ones. Rows are linked on a thread of their own
    while the next batch is in the network. At most ``capacity`` characters are in hand. It is
    made in the event loop that it will work for.
    """

    def __init__(self, extractor: SpanExtractor, capacity: int, tally: Tally) -> None:
        self.info = extractor.info
        self._capacity = capacity
        self._tally = tally
        self._in_hand = 0

        def extract(texts: Sequence[str]) -> list[list[Span]]:
            return list(extractor.extract_many(texts))

        self._short = Batcher(extract, budget=_BATCH_CHARACTERS, seen=tally.batch)
        self._long = Batcher(extract, budget=0, seen=tally.batch)
        self._linker = ThreadPoolExecutor(1, thread_name_prefix="zhibiao-link")

    async def close(self) -> None:
        """Stop; to be called when nobody waits any more."""
        await self._short.close()
        await self._long.close()
        self._linker.shutdown()

    async def predict(
        self, reports: Sequence[Input], *, records: bool, warnings: Iterable[str] | None = None
    ) -> list[Outcome]:
        """The outcome of each report, in order; all are taken or none.

        ``warnings`` go into each prediction; without any it says so only when they are given.

        Raises:
            ProblemError: too much is waiting already.
        """
        with self._taken(sum(len(report.text) for report in reports)):
            return await asyncio.gather(
                *(self._predict(report, records, warnings) for report in reports)
            )

    @contextmanager
    def _taken(self, characters: int) -> Iterator[None]:
        # An idle engine takes anything: one request never exceeds its own limit.
        if self._in_hand and self._in_hand + characters > self._capacity:
            raise ProblemError(
                503, "overloaded", "正在处理的文本太多；请稍后再试", retry_after=_RETRY_SECONDS
            )
        self._in_hand += characters
        self._tally.took(characters)
        try:
            yield
        finally:
            self._in_hand -= characters
            self._tally.took(-characters)

    async def _predict(
        self, report: Input, records: bool, warnings: Iterable[str] | None
    ) -> Outcome:
        lane = self._short if len(report.text) <= _BATCH_CHARACTERS else self._long
        try:
            spans = await lane.spans(report.text)
        except Exception as error:
            _log.error("extraction failed", exc_info=error, extra={"characters": len(report.text)})
            return Outcome.failed(
                report.id,
                ProblemError(500, "extraction_failed", "抽取这份报告时出错；请把它交给开发者"),
            )
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._linker, self._finish, report, spans, records, warnings
        )

    def _finish(
        self, report: Input, spans: list[Span], records: bool, warnings: Iterable[str] | None
    ) -> Outcome:
        rows: list[Record] = []
        if records:
            try:
                rows = link_records(report.text, spans)
            except Exception as error:
                # Whatever the rules trip over, the entities are there.
                _log.error("linking failed", exc_info=error)
                warnings = [*(warnings or ()), "没有连成记录，只有实体；请把这份报告交给开发者"]
        prediction = Prediction(report, spans, rows).to_dict(self.info)
        if warnings is not None:
            prediction["warnings"] = list(warnings)
        return Outcome(_dump(prediction))


def _dump(item: Mapping[str, Any]) -> bytes:
    return json.dumps(item, ensure_ascii=False).encode()
