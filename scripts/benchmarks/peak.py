"""How fast this machine multiplies matrices of the model's shapes, and how much a text needs.

    python -m benchmarks.peak MODEL REPORTS

Prints one JSON object; started by scripts/benchmark.py. Operations are multiplications plus
additions, on one thread. The figures are of ONNX Runtime's own products, so the gap to them is
what everything else costs.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from zhibiao.model_directory import ModelDirectory
from zhibiao.windows import split_windows

__all__ = ["measure"]

_TOKENS = 256  # of one call, as in zhibiao.extractor


def _rate(kind: str, rows: int, columns: int) -> float:
    """Operations a second of a (256, rows) by (rows, columns) product, the best of many."""
    random = np.random.default_rng(0)
    if kind == "MatMul":
        left, left_type = random.normal(size=(_TOKENS, rows)).astype(np.float32), TensorProto.FLOAT
        right, right_type = random.normal(size=(rows, columns)).astype(np.float32), left_type
    else:
        left, left_type = random.integers(0, 255, (_TOKENS, rows), np.uint8), TensorProto.UINT8
        right, right_type = random.integers(-127, 127, (rows, columns), np.int8), TensorProto.INT32
    graph = helper.make_graph(
        [helper.make_node(kind, ["x", "w"], ["y"])],
        "product",
        [helper.make_tensor_value_info("x", left_type, list(left.shape))],
        [helper.make_tensor_value_info("y", right_type, [_TOKENS, columns])],
        [numpy_helper.from_array(right, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    best = float("inf")
    for _ in range(60):
        started = time.perf_counter()
        session.run(None, {"x": left})
        best = min(best, time.perf_counter() - started)
    return 2 * _TOKENS * rows * columns / best


def measure(model: Path, texts: list[str]) -> dict[str, Any]:
    """Operations a second in single precision and in int8, and the int8 ones a character needs.

    The rates are means over the model's products, each with the share that it has of them.
    """
    graph = onnx.load(str(model / "model.onnx")).graph
    constants = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    shapes = [
        constants[node.input[1]] for node in graph.node if node.op_type == "MatMulIntegerToFloat"
    ]
    sizes = [rows * columns for rows, columns in shapes]
    rates: dict[str, float] = {}
    for kind in ("MatMul", "MatMulInteger"):
        one = {shape: _rate(kind, *shape) for shape in {(r, c) for r, c in shapes}}
        seconds = sum(s / one[r, c] for s, (r, c) in zip(sizes, shapes, strict=True))
        rates[kind] = sum(sizes) / seconds
    settings = ModelDirectory.open(model, labels=None)
    tokens = sum(
        window.end - window.start + 2
        for text in texts
        for window in split_windows(text, settings.window, settings.overlap)
    )
    a_character = 2 * sum(sizes) * tokens / sum(map(len, texts))
    return {
        "fp32_gops": rates["MatMul"] / 1e9,
        "int8_gops": rates["MatMulInteger"] / 1e9,
        "tokens_a_character": tokens / sum(map(len, texts)),
        "operations_a_character": a_character,
        "characters_a_second": rates["MatMulInteger"] / a_character,
    }


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("reports", type=Path)
    options = parser.parse_args()
    with options.reports.open(encoding="utf-8") as stream:
        texts = [json.loads(line)["text"] for line in stream]
    print(json.dumps(measure(options.model, texts)))


if __name__ == "__main__":
    _main()
