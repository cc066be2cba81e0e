"""The int8 quantiser on small graphs, run by ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from training.quantise import quantise
from zhibiao.backends import OnnxBackend
from zhibiao.model_directory import EMBEDDED_MODEL

RNG = np.random.default_rng(0)
WEIGHTS = RNG.normal(size=(64, 48)).astype(np.float32)
TABLE = RNG.normal(size=(2000, 64)).astype(np.float32)


def run(path: Path, name: str, values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    result: np.ndarray[Any, Any] = session.run(["y"], {name: values})[0]
    return result


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """y = (x W) (W' of the same matrix): two products share nothing but their form."""
    folder = tmp_path_factory.mktemp("graph")
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"]),
        helper.make_node("MatMul", ["h", "v"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "two products",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 64])],
        [numpy_helper.from_array(WEIGHTS, "w"), numpy_helper.from_array(WEIGHTS.T.copy(), "v")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(folder / "fp32.onnx"))
    quantise(folder / "fp32.onnx", folder / "int8.onnx")
    return folder


def test_products_are_close(graph: Path) -> None:
    x = RNG.normal(size=(9, 64)).astype(np.float32)
    wanted, found = run(graph / "fp32.onnx", "x", x), run(graph / "int8.onnx", "x", x)
    assert np.abs(found - wanted).max() < 0.03 * np.abs(wanted).max()


def test_rows_do_not_influence_each_other(graph: Path) -> None:
    x = RNG.normal(size=(4, 64)).astype(np.float32)
    loud = x.copy()
    loud[3] *= 1e4
    loud[2] = 0
    quiet, disturbed = (run(graph / "int8.onnx", "x", rows) for rows in (x, loud))
    assert np.array_equal(quiet[:2], disturbed[:2])
    assert not disturbed[2].any()


def test_weights_are_stored_in_a_quarter(graph: Path) -> None:
    model = onnx.load(str(graph / "int8.onnx"))
    kinds = {tuple(t.dims): t.data_type for t in model.graph.initializer}
    assert kinds[(64, 48)] == TensorProto.INT8
    assert (graph / "int8.onnx").stat().st_size < 0.5 * (graph / "fp32.onnx").stat().st_size


def test_large_tables(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "ids"], ["y"])],
        "table",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["n"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 64])],
        [numpy_helper.from_array(TABLE, "table")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(tmp_path / "fp32.onnx"))
    quantise(tmp_path / "fp32.onnx", tmp_path / "int8.onnx")
    ids = np.array([0, 7, 1999])
    found = run(tmp_path / "int8.onnx", "ids", ids)
    assert np.abs(found - TABLE[ids]).max() <= np.abs(TABLE).max() / 127


@pytest.mark.parametrize("loudest", [0.2, 3.0, 400.0])
def test_one_sided_activations_keep_their_precision(tmp_path: Path, loudest: float) -> None:
    """Quiet and loud rows after a GELU, its small negative values among them."""
    graph = helper.make_graph(
        [
            helper.make_node("Gelu", ["x"], ["h"], domain="com.microsoft"),
            helper.make_node("MatMul", ["h", "w"], ["y"]),
        ],
        "gelu",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 48])],
        [numpy_helper.from_array(WEIGHTS, "w")],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    onnx.save(model, str(tmp_path / "fp32.onnx"))
    quantise(tmp_path / "fp32.onnx", tmp_path / "int8.onnx")
    x = RNG.uniform(-3, loudest, size=(9, 64)).astype(np.float32)
    wanted, found = (run(tmp_path / f"{kind}.onnx", "x", x) for kind in ("fp32", "int8"))
    assert np.abs(found - wanted).max() < 0.02 * np.abs(wanted).max()


def test_padding_changes_nothing() -> None:
    """The exported graph takes no notice of what stands behind a window's end."""
    network = OnnxBackend(EMBEDDED_MODEL)
    ids = RNG.integers(5, 9000, size=(1, 40))
    padded = np.full((2, 64), 7, dtype=np.int64)
    padded[0, :40] = ids
    mask = np.ones_like(padded)
    mask[0, 40:] = 0
    alone = network(ids, np.ones_like(ids))
    assert np.abs(network(padded, mask)[0, :40] - alone[0]).max() < 0.05
