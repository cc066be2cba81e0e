"""Speed and memory of prediction, measured side by side in one run.

    python scripts/benchmark.py [--model DIR] [--repeat 3] [--json FILE]

Machines are shared and noisy, so compare the columns of one run, not runs. Needs the train extra
(the transformers pipeline is the peer). Every measurement runs in a process of its own on two
cores; the text is the test split of the corpus. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from zhibiao.corpus import read_reports  # noqa: E402
from zhibiao.model_directory import EMBEDDED_MODEL  # noqa: E402
from zhibiao.reports import Report, write_jsonl  # noqa: E402

THREADS = 2

# Each script prints one JSON object; argv is the model directory and a report JSONL file.
_PREPARE = """
import json, sys, time
model, reports = sys.argv[1:]
texts = [json.loads(line)["text"] for line in open(reports, encoding="utf-8")]
total = sum(map(len, texts))
"""

_PIPELINE = (
    _PREPARE
    + """
import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer, logging, pipeline
logging.set_verbosity_error()
torch.set_num_threads(THREADS)
tokenizer = AutoTokenizer.from_pretrained(model, model_max_length=512)
network = AutoModelForTokenClassification.from_pretrained(model, dtype=torch.float32)
run = pipeline("token-classification", model=network, tokenizer=tokenizer, device="cpu",
               stride=64, aggregation_strategy="simple", batch_size=BATCH)
run(texts[:2])
started = time.perf_counter()
found = run(texts)
print(json.dumps({"rate": total / (time.perf_counter() - started)}))
"""
)

_OURS = (
    _PREPARE
    + """
from zhibiao import Extractor
BEFORE
extractor = Extractor.from_pretrained(model, ARGUMENTS)
extractor.extract(texts[0])
started = time.perf_counter()
for spans in extractor.extract_many(texts):
    pass
print(json.dumps({"rate": total / (time.perf_counter() - started)}))
"""
)

_FIRST = """
import json, sys, time
text = open(sys.argv[2], encoding="utf-8").read()
started = time.perf_counter()
from zhibiao import Extractor
extractor = Extractor.from_pretrained(sys.argv[1])
imported = time.perf_counter()
extractor.extract(text)
ended = time.perf_counter()
print(json.dumps({"seconds": ended - started, "extract": ended - imported}))
"""

_LINKING = (
    _PREPARE
    + """
from zhibiao import Extractor, link_records
extractor = Extractor.from_pretrained(model, threads=1)
link_records(texts[0], extractor.extract(texts[0]))
started = time.process_time()
found = list(extractor.extract_many(texts))
extracted = time.process_time()
rows = sum(len(link_records(text, spans)) for text, spans in zip(texts, found, strict=True))
linked = time.process_time()
print(json.dumps({"share": (linked - extracted) / (extracted - started), "rows": rows}))
"""
)

_PREDICT = """
import contextlib, io, json, re, sys
from pathlib import Path
from inference.predict import main
with contextlib.redirect_stdout(io.StringIO()):
    status = main([sys.argv[2], "--output", sys.argv[3], "--model", sys.argv[1]])
# Not ru_maxrss: a child starts with its parent's peak.
peak = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
print(json.dumps({"status": status, "megabytes": peak}))
"""


def _two_cores() -> None:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])


def _run(script: str, *arguments: str | Path) -> dict[str, Any]:
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        preexec_fn=_two_cores,
    )
    if done.returncode:
        raise SystemExit(f"a measurement failed:\n{done.stderr}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def _throughput(model: Path, reports: Path) -> dict[str, Callable[[], float]]:
    def pipeline(batch: int) -> Callable[[], float]:
        script = _PIPELINE.replace("THREADS", str(THREADS)).replace("BATCH", str(batch))
        return lambda: float(_run(script, model, reports)["rate"])

    def ours(arguments: str, before: str = "") -> Callable[[], float]:
        script = _OURS.replace("ARGUMENTS", arguments).replace("BEFORE", before)
        return lambda: float(_run(script, model, reports)["rate"])

    torch_threads = f"import torch; torch.set_num_threads({THREADS})"
    return {
        "transformers pipeline, fp32, batch 1": pipeline(1),
        "transformers pipeline, fp32, batch 8": pipeline(8),
        "zhibiao, fp32 torch": ours("backend='torch'", torch_threads),
        "zhibiao, int8 ONNX": ours(f"threads={THREADS}"),
        "zhibiao, int8 ONNX, one thread": ours("threads=1"),
    }


def _best(measure: Callable[[], float], repeat: int) -> float:
    return max(measure() for _ in range(repeat))


def measure(model: Path, repeat: int) -> dict[str, Any]:
    """All figures: characters a second by way, start-up seconds, peak megabytes of predict.

    ``linking_to_extraction`` is processor time of linking over that of extraction, one thread.
    """
    reports = read_reports(f"{ROOT / 'data'}:test")
    with tempfile.TemporaryDirectory() as folder:
        sample = Path(folder) / "reports.jsonl"
        write_jsonl(sample, reports)
        rates = {name: _best(way, repeat) for name, way in _throughput(model, sample).items()}
        text = "\n".join(report.text for report in reports)[:3000]
        (Path(folder) / "report.txt").write_text(text, encoding="utf-8")
        first = [_run(_FIRST, model, Path(folder) / "report.txt") for _ in range(repeat)]
        linking = [_run(_LINKING, model, sample) for _ in range(repeat)]
        many = Path(folder) / "many.jsonl"
        copies = (
            Report(f"{n}-{report.id}", report.text)
            for n in range(1000 // len(reports) + 1)
            for report in reports
        )
        write_jsonl(many, (report for _, report in zip(range(1000), copies, strict=False)))
        started = time.perf_counter()
        predict = _run(_PREDICT, model, many, Path(folder) / "out")
        seconds = time.perf_counter() - started
        if predict["status"]:
            raise SystemExit(f"predict failed with status {predict['status']}")
    return {
        "characters": sum(len(report.text) for report in reports),
        "characters_a_second": {name: round(rate) for name, rate in rates.items()},
        "first_spans_seconds": round(min(f["seconds"] for f in first), 3),
        "extract_3000_seconds": round(min(f["extract"] for f in first), 3),
        "linking_to_extraction": round(min(share["share"] for share in linking), 4),
        "predict_1000_reports_megabytes": round(predict["megabytes"]),
        "predict_1000_reports_seconds": round(seconds, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path, default=EMBEDDED_MODEL)
    parser.add_argument("--repeat", type=int, default=3, help="the best of so many runs")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    figures = measure(options.model.resolve(), options.repeat)
    rates = figures["characters_a_second"]
    base = max(rate for name, rate in rates.items() if "pipeline" in name)
    table = Table("way", "characters/s", "ratio to the faster pipeline")
    for name, rate in rates.items():
        table.add_row(name, str(rate), f"{rate / base:.2f}")
    console = Console(emoji=False)
    console.print(table)
    for name, value in figures.items():
        if not isinstance(value, dict):
            console.print(f"{name}: {value}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
