"""What one report costs, what linking costs, what predict.py holds; prints one JSON object.

    python -m benchmarks.probe latency|first|linking|predict MODEL REPORTS

Started by scripts/benchmark.py, which sets its path and its cores.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.memory import peak_megabytes

__all__ = ["PROBES"]

_LENGTH = 3000  # characters of the report whose latency is measured
_TIMES = 60


def _texts(reports: Path) -> list[str]:
    with reports.open(encoding="utf-8") as stream:
        return [json.loads(line)["text"] for line in stream]


def _latency(model: Path, reports: Path) -> dict[str, float]:
    """Seconds for one report of 3,000 characters in a warm process, other characters each time."""
    import numpy as np

    from zhibiao import Extractor

    whole = "\n".join(_texts(reports))
    extractor = Extractor.from_pretrained(model)
    seconds = []
    for number in range(_TIMES + 3):
        at = number * (len(whole) - _LENGTH) // (_TIMES + 3)
        started = time.perf_counter()
        extractor.extract(whole[at : at + _LENGTH])
        seconds.append(time.perf_counter() - started)
    p50, p95 = np.percentile(seconds[3:], (50, 95)).tolist()
    return {"p50": p50, "p95": p95}


def _first(model: Path, reports: Path) -> dict[str, float]:
    """From nothing imported to the spans of a first report of 3,000 characters."""
    text = "\n".join(_texts(reports))[:_LENGTH]
    started = time.perf_counter()
    from zhibiao import Extractor

    extractor = Extractor.from_pretrained(model)
    ready = time.perf_counter()
    extractor.extract(text)
    ended = time.perf_counter()
    return {"seconds": ended - started, "extract": ended - ready}


def _linking(model: Path, reports: Path) -> dict[str, float]:
    """Processor time of linking over that of extraction, on one thread."""
    from zhibiao import Extractor, link_records

    texts = _texts(reports)
    extractor = Extractor.from_pretrained(model, threads=1)
    link_records(texts[0], extractor.extract(texts[0]))
    started = time.process_time()
    found = list(extractor.extract_many(texts))
    extracted = time.process_time()
    for text, spans in zip(texts, found, strict=True):
        link_records(text, spans)
    return {"share": (time.process_time() - extracted) / (extracted - started)}


def _predict(model: Path, reports: Path) -> dict[str, float]:
    """Seconds and memory of predict.py over a file of 1,000 reports, with every output."""
    from inference.predict import main

    lines = reports.read_text(encoding="utf-8").splitlines()
    with tempfile.TemporaryDirectory() as folder:
        many = Path(folder) / "many.jsonl"
        with many.open("w", encoding="utf-8") as stream:
            for number in range(1000):
                item = json.loads(lines[number % len(lines)])
                item = {"id": f"{number}-{item['id']}", "text": item["text"], "spans": []}
                stream.write(json.dumps(item, ensure_ascii=False) + "\n")
        started = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            status = main([str(many), "--output", f"{folder}/out", "--model", str(model)])
        if status:
            raise SystemExit(f"predict failed with status {status}")
        return {"seconds": time.perf_counter() - started, "megabytes": peak_megabytes()}


PROBES: dict[str, Callable[[Path, Path], dict[str, float]]] = {
    "latency": _latency,
    "first": _first,
    "linking": _linking,
    "predict": _predict,
}


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("probe", choices=PROBES)
    parser.add_argument("model", type=Path)
    parser.add_argument("reports", type=Path)
    options = parser.parse_args()
    print(json.dumps(PROBES[options.probe](options.model, options.reports)))


if __name__ == "__main__":
    _main()
