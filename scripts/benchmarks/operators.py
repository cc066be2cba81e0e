"""Where the network's time goes: shares of the kinds of operators of model.onnx, one thread.

    python -m benchmarks.operators MODEL

Prints one JSON object; started by scripts/benchmark.py. The call is one full window.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import onnxruntime

from zhibiao.model_directory import ModelDirectory

__all__ = ["measure"]

_CALLS = 40


def measure(model: Path) -> dict[str, float]:
    """The share of each kind of operator in the time of all, the largest first."""
    length = ModelDirectory.open(model, labels=None).window + 2
    ids = np.random.default_rng(0).integers(10, 1000, (1, length))
    inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.enable_profiling = True
        options.profile_file_prefix = f"{folder}/profile"
        session = onnxruntime.InferenceSession(
            str(model / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )
        for _ in range(_CALLS):
            session.run(None, inputs)
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    # The median of each node's calls, so that what else the machine does has no share.
    times: dict[tuple[str, str], list[int]] = defaultdict(list)
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            times[event["args"]["op_name"], event["name"]].append(event["dur"])
    kinds: dict[str, float] = defaultdict(float)
    for (kind, _), durations in times.items():
        kinds[kind] += float(np.median(durations))
    whole = sum(kinds.values())
    return {kind: t / whole for kind, t in sorted(kinds.items(), key=lambda item: -item[1])}


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", type=Path)
    print(json.dumps(measure(parser.parse_args().model)))


if __name__ == "__main__":
    _main()
