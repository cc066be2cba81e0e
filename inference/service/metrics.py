"""Counters for Prometheus, added up over all workers of a service."""

from __future__ import annotations

import os
import re
from pathlib import Path

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

__all__ = ["FOLDER_VARIABLE", "METRICS_TYPE", "Metrics"]

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""prometheus_client's own: the folder where the workers of a service share their counts."""

METRICS_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_TEXTS = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """What one worker counts."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self._registry = registry
        self._requests = Counter(
            "zhibiao_requests", "回答了的请求", ["path", "status"], registry=registry
        )
        self._seconds = Histogram(
            "zhibiao_request_seconds",
            "从收到请求到答完的秒数",
            ["path"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._running = Gauge(
            "zhibiao_requests_running",
            "正在处理的请求",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self._characters = Counter("zhibiao_characters", "收下待抽取的字符", registry=registry)
        self._in_hand = Gauge(
            "zhibiao_characters_in_hand",
            "正在排队和抽取的字符",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self._batches = Histogram(
            "zhibiao_batch_texts", "一次进模型的文本数", buckets=_TEXTS, registry=registry
        )
        self._files = Counter(
            "zhibiao_files", "读过的文件", ["suffix", "outcome"], registry=registry
        )
        _forget_dead_workers()

    def started(self) -> None:
        """A request came."""
        self._running.inc()

    def ended(self, path: str, status: int, seconds: float) -> None:
        """A request that came was answered."""
        self._running.dec()
        self._requests.labels(path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def took(self, characters: int) -> None:
        """So many characters are in hand more; fewer when negative."""
        self._in_hand.inc(characters)
        if characters > 0:
            self._characters.inc(characters)

    def batch(self, texts: int) -> None:
        """So many texts go through the model together."""
        self._batches.observe(texts)

    def file(self, suffix: str, outcome: str) -> None:
        """A file of a known suffix was read, or refused as ``outcome`` says."""
        self._files.labels(suffix, outcome).inc()

    def page(self) -> bytes:
        """Everything that all workers counted, in Prometheus' text format."""
        registry = self._registry
        if FOLDER_VARIABLE in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)


def _forget_dead_workers() -> None:
    """Drop what workers that crashed left as running; their counters stay."""
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder is None:
        return
    found = (re.fullmatch(r"gauge_live\w*_(\d+)\.db", path.name) for path in Path(folder).iterdir())
    for pid in {int(match[1]) for match in found if match}:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            mark_process_dead(pid)  # type: ignore[no-untyped-call]
