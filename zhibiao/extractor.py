"""Reports in, spans out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt

from zhibiao.backends import Backend, OnnxBackend, TorchBackend
from zhibiao.characters import CharacterEncoder
from zhibiao.decoding import log_softmax
from zhibiao.linking import link_records
from zhibiao.model_directory import EMBEDDED_MODEL, ModelDirectory
from zhibiao.records import Record
from zhibiao.spans import LABELS, Span
from zhibiao.tagging import tags_of
from zhibiao.windows import Window, split_windows

__all__ = ["Extractor"]

Floats = npt.NDArray[np.float32]

# How much text is in flight at once in extract_many: enough batches that windows of one length
# come together, for a GPU eight times as much because its batches are larger.
_CPU_GROUP_CHARACTERS = 32_768
_GPU_GROUP_CHARACTERS = 262_144
_SECTION_CHARACTERS = 262_144  # longer texts are decoded in parts
# Padded tokens of one call of the network. A processor is fastest when the activations of a call
# stay in its caches, so a full window goes alone; a GPU needs many at once.
_CPU_BATCH_TOKENS = 256
_GPU_BATCH_TOKENS = 16_384
_PAD_TO = 8


class Extractor:
    """Finds the six entity types in Chinese text. Safe to use from several threads.

    >>> extractor = Extractor.from_pretrained()
    >>> text = "2016年，全县专利申请量达813件。"
    >>> [(text[s.start : s.end], s.label) for s in extractor.extract(text)]
    [('2016年', '年份'), ('专利申请量', '指标'), ('813', '数值'), ('件', '单位')]
    """

    def __init__(
        self,
        backend: Backend,
        characters: CharacterEncoder,
        settings: ModelDirectory,
        threads: int | None = None,
        *,
        gpu: bool = False,
    ) -> None:
        self.settings = settings
        self._batch_tokens = _GPU_BATCH_TOKENS if gpu else _CPU_BATCH_TOKENS
        self._group_characters = _GPU_GROUP_CHARACTERS if gpu else _CPU_GROUP_CHARACTERS
        self._backend = backend
        self._characters = characters
        self._threads = threads or _cores()
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="zhibiao")

    @classmethod
    def from_pretrained(
        cls,
        path: str | Path | None = None,
        *,
        backend: str = "onnx",
        device: str = "cpu",
        threads: int | None = None,
        labels: tuple[str, ...] | None = LABELS,
    ) -> Extractor:
        """Open a model directory, or the embedded model when no path is given.

        ``backend`` is ``"onnx"`` or ``"torch"``. ``device`` (``"cpu"``, ``"cuda"``, ...) is for
        torch alone; ``threads`` for ONNX alone: how many batches run side by side, by default
        as many as this process may use cores.

        ``labels`` is the label set that the model must have; None takes whatever it has.

        Raises:
            ModelError: the directory is missing, incomplete, broken or of another label set.
            ValueError: no such backend.
        """
        if backend not in ("onnx", "torch"):
            raise ValueError(f"backend {backend!r}: use 'onnx' or 'torch'")
        settings = ModelDirectory.open(EMBEDDED_MODEL if path is None else path, labels)
        characters = CharacterEncoder.from_directory(settings.path)
        if backend == "torch":
            torch = TorchBackend.from_directory(settings.path, device)
            return cls(torch, characters, settings, threads=1, gpu=device != "cpu")
        return cls(OnnxBackend(settings.path), characters, settings, threads)

    @property
    def labels(self) -> tuple[str, ...]:
        """The label set of the model."""
        return self.settings.labels

    @property
    def info(self) -> dict[str, str]:
        """Which model this is: name, version and the hash of its files."""
        model = self.settings
        return {"name": model.name, "version": model.version, "hash": model.digest}

    def extract(self, text: str) -> list[Span]:
        """The spans of one text, sorted, without overlaps; offsets in code points, half-open."""
        return next(self.extract_many([text]))

    def extract_many(self, texts: Iterable[str]) -> Iterator[list[Span]]:
        """Yield the spans of each text, in order, reading ``texts`` as results are taken.

        Windows of neighbouring texts share batches, which is faster than one text at a time.
        """
        group: list[str] = []
        size = 0
        for text in texts:
            if len(text) <= _SECTION_CHARACTERS:
                group.append(text)
            size += len(text) + 1  # an empty text counts too, or a stream of them would wait
            if size >= self._group_characters:
                yield from self._extract_group(group)
                group, size = [], 0
            if len(text) > _SECTION_CHARACTERS:
                yield self._extract_long(text)
        yield from self._extract_group(group)

    def extract_records(self, text: str) -> list[Record]:
        """The records of one text: a row for each value, as :func:`link_records` links its spans.

        Where the spans are there already, ``link_records(text, spans)`` alone does the same.
        """
        return link_records(text, self.extract(text))

    def log_probabilities(self, texts: list[str]) -> list[Floats]:
        """Log-probabilities of the tags of every character, one (len(text), tags) array a text."""
        count = len(tags_of(self.labels))
        found: list[Floats] = [np.zeros((len(text), count), dtype=np.float32) for text in texts]
        ids = [self._characters.encode(text) for text in texts]
        windows = [
            (number, window)
            for number, text in enumerate(texts)
            for window in split_windows(text, self.settings.window, self.settings.overlap)
        ]
        batches = self._batches(windows)
        for batch, logits in zip(batches, self._run(batches, ids), strict=True):
            for (number, window), rows in zip(batch, logits, strict=True):
                # Row 0 is the start token, so character c of the window is row c + 1.
                first = window.keep_start - window.start + 1
                last = window.keep_end - window.start + 1
                scores = rows[first:last] / self.settings.temperature
                found[number][window.keep_start : window.keep_end] = log_softmax(scores)
        return found

    def _extract_group(self, texts: list[str]) -> Iterator[list[Span]]:
        for scores in self.log_probabilities(texts):
            yield self.settings.decoder.decode(scores)

    def _extract_long(self, text: str) -> list[Span]:
        """Spans of a very long text, section by section, so that scores need bounded memory.

        Sections end at sentence ends, which no span crosses.
        """
        found: list[Span] = []
        for section in split_windows(text, _SECTION_CHARACTERS, 0):
            (spans,) = self._extract_group([text[section.start : section.end]])
            found.extend(span.shifted(section.start) for span in spans)
        return found

    def _run(
        self, batches: list[list[tuple[int, Window]]], ids: list[npt.NDArray[np.int32]]
    ) -> Iterator[Floats]:
        def run(batch: list[tuple[int, Window]]) -> Floats:
            return self._backend(*self._pad(batch, ids))

        if len(batches) == 1 or self._threads == 1:
            return map(run, batches)
        return self._pool.map(run, batches)

    def _batches(self, windows: list[tuple[int, Window]]) -> list[list[tuple[int, Window]]]:
        """Windows of like lengths together, so many that every thread has work."""
        ordered = sorted(windows, key=lambda item: item[1].end - item[1].start, reverse=True)
        share = -(-len(ordered) // self._threads)
        batches: list[list[tuple[int, Window]]] = []
        while ordered:
            width = self._padded(ordered[0][1].end - ordered[0][1].start)
            count = max(1, min(share, self._batch_tokens // width))
            batches.append(ordered[:count])
            ordered = ordered[count:]
        return batches

    def _padded(self, length: int) -> int:
        tokens = length + 2
        return min(tokens + -tokens % _PAD_TO, self.settings.positions)

    def _pad(
        self, batch: list[tuple[int, Window]], ids: list[npt.NDArray[np.int32]]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        encoder = self._characters
        longest = self._padded(max(window.end - window.start for _, window in batch))
        inputs = np.full((len(batch), longest), encoder.padding, dtype=np.int64)
        for row, (number, window) in enumerate(batch):
            length = window.end - window.start
            inputs[row, 0] = encoder.start
            inputs[row, 1 : length + 1] = ids[number][window.start : window.end]
            inputs[row, length + 1] = encoder.end
        return inputs, (inputs != encoder.padding).astype(np.int64)


def _cores() -> int:
    """The cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
