"""From reports to predictions: spans by a model, records by rules, one report after the other."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from inference.prediction import Prediction
from zhibiao.inputs import Input
from zhibiao.journal import Journal
from zhibiao.linking import link_records
from zhibiao.records import Record
from zhibiao.spans import Span

if TYPE_CHECKING:  # the command line knows all writers, which the service does without
    from inference.options import Options

__all__ = ["SpanExtractor", "load_extractor", "predict"]


class SpanExtractor(Protocol):
    """What prediction needs of an extractor; :class:`zhibiao.extractor.Extractor` is one."""

    @property
    def info(self) -> Mapping[str, Any]:
        """Name, version and hash of the model."""

    def extract_many(self, texts: Iterable[str], /) -> Iterator[list[Span]]:
        """The spans of each text, lazily and in order."""


def load_extractor(options: Options) -> SpanExtractor:
    """Open the model that the options name.

    Raises:
        ModelError: the model folder cannot be used.
    """
    # Imported late: --help and wrong arguments should not wait for the inference engine.
    from zhibiao.extractor import Extractor

    return Extractor.from_pretrained(
        options.model, backend=options.backend, device=options.device, threads=options.threads
    )


def predict(
    inputs: Iterable[Input], extractor: SpanExtractor, journal: Journal, *, records: bool = True
) -> Iterator[Prediction]:
    """Yield the prediction of each report, in order, reading ``inputs`` as results are taken.

    Without ``records`` only spans are found. A report whose spans cannot be linked goes to
    ``journal`` as a failure and is yielded without records.
    """
    for report, spans in _extract(extractor, inputs):
        yield Prediction(report, spans, _link(report, spans, journal) if records else [])


def _extract(
    extractor: SpanExtractor, inputs: Iterable[Input]
) -> Iterator[tuple[Input, list[Span]]]:
    """Join reports and their spans; only the reports of the extractor's batch are held."""
    waiting: deque[Input] = deque()

    def texts() -> Iterator[str]:
        for item in inputs:
            waiting.append(item)
            yield item.text

    for spans in extractor.extract_many(texts()):
        yield waiting.popleft(), spans


def _link(report: Input, spans: list[Span], journal: Journal) -> list[Record]:
    try:
        return link_records(report.text, spans)
    except Exception as error:
        # Whatever the rules trip over, one report must not end a run over a folder.
        journal.failure(
            f"{report.source}：没有连成记录，只写出实体（{type(error).__name__}：{error}）；"
            "请把这份报告交给开发者",
            source=report.source,
        )
        return []
