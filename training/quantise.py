"""int8 quantisation of an ONNX encoder with one activation scale per token.

ONNX Runtime's own dynamic quantisation takes one scale for a whole batch of activations. A few
large activations then cost all others their precision, and a text's result depends on what else
is in its batch. Here every row (token) has a scale of its own, computed on the fly, as in
LLM.int8() (Dettmers et al. 2022) and ZeroQuant (Yao et al. 2022); weights have one scale per
output channel, embeddings one per row. Products run as uint8 x int8 with 32-bit sums.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

__all__ = ["quantise"]

_CONTRIB = "com.microsoft"
_LEVELS = 127
_MIDDLE = 128  # zero point of the unsigned activations
# Activations that are hardly ever negative: centring them doubles their precision.
_ONE_SIDED = ("BiasGelu", "FastGelu", "Gelu", "Relu")
_LEAST_ROWS = 1024  # smaller tables (positions, types) are not worth the extra nodes


def quantise(source: Path, target: Path) -> None:
    """Write a copy of an ONNX graph with its constant matrices and large tables in int8."""
    model = onnx.load(str(source))
    _Quantiser(model).run()
    for opset in model.opset_import:
        if opset.domain in ("", "ai.onnx"):
            opset.version = max(opset.version, 18)  # ReduceMax with axes as an input
    if all(opset.domain != _CONTRIB for opset in model.opset_import):
        model.opset_import.append(helper.make_opsetid(_CONTRIB, 1))
    onnx.save(model, str(target))


class _Quantiser:
    def __init__(self, model: onnx.ModelProto) -> None:
        self._graph = model.graph
        self._constants = {tensor.name: tensor for tensor in model.graph.initializer}
        self._nodes: list[onnx.NodeProto] = []
        self._replaced: set[str] = set()
        self._rows: dict[str, tuple[str, str, str]] = {}
        self._one_sided = {
            node.output[0] for node in model.graph.node if node.op_type in _ONE_SIDED
        }

    def run(self) -> None:
        self._scalar("q_one", np.float32(1))
        self._scalar("q_levels", np.float32(1 / _LEVELS))
        self._scalar("q_tiny", np.float32(1e-9))
        self._scalar("q_half", np.float32(0.5))
        self._scalar("q_middle", np.uint8(_MIDDLE))
        self._scalar("q_zero", np.int8(0))
        self._add("q_axis", np.array([-1], dtype=np.int64))
        for node in self._graph.node:
            if node.op_type == "MatMul" and self._matrix(node.input[1]):
                self._matmul(node)
            elif node.op_type == "Gather" and self._matrix(node.input[0], _LEAST_ROWS):
                self._gather(node)
            else:
                self._nodes.append(node)
        kept = [tensor for tensor in self._graph.initializer if tensor.name not in self._replaced]
        del self._graph.initializer[:]
        self._graph.initializer.extend(kept)
        del self._graph.node[:]
        self._graph.node.extend(self._nodes)

    def _matrix(self, name: str, rows: int = 0) -> bool:
        tensor = self._constants.get(name)
        return (
            tensor is not None
            and tensor.data_type == TensorProto.FLOAT
            and len(tensor.dims) == 2
            and tensor.dims[0] >= rows
        )

    def _scalar(self, name: str, value: np.generic) -> None:
        self._add(name, np.asarray(value))

    def _add(self, name: str, values: npt.NDArray[np.generic]) -> None:
        self._graph.initializer.append(numpy_helper.from_array(values, name))

    def _node(self, kind: str, inputs: list[str], output: str, domain: str = "") -> str:
        self._nodes.append(helper.make_node(kind, inputs, [output], domain=domain))
        return output

    def _activations(self, name: str) -> tuple[str, str, str]:
        """Names of the uint8 rows, of their scales and of their centres; made once a tensor.

        Only one-sided activations have a centre other than zero, named; for the others the
        name is empty, because the correction costs a pass over the product.
        """
        if name not in self._rows:
            if name in self._one_sided:
                low = self._node("ReduceMin", [name, "q_axis"], f"{name}_low")
                high = self._node("ReduceMax", [name, "q_axis"], f"{name}_high")
                total = self._node("Add", [low, high], f"{name}_total")
                centre = self._node("Mul", [total, "q_half"], f"{name}_centre")
                largest = self._node("Sub", [high, centre], f"{name}_largest")
                centred = self._node("Sub", [name, centre], f"{name}_centred")
            else:
                size = self._node("Abs", [name], f"{name}_abs")
                largest = self._node("ReduceMax", [size, "q_axis"], f"{name}_largest")
                centre, centred = "", name
            ratio = self._node("Mul", [largest, "q_levels"], f"{name}_ratio")
            scale = self._node("Max", [ratio, "q_tiny"], f"{name}_scale")  # rows of zeros
            scaled = self._node("Div", [centred, scale], f"{name}_scaled")
            rows = self._node("QuantizeLinear", [scaled, "q_one", "q_middle"], f"{name}_q")
            self._rows[name] = (rows, scale, centre)
        return self._rows[name]

    def _matmul(self, node: onnx.NodeProto) -> None:
        weights = numpy_helper.to_array(self._constants[node.input[1]])
        integers, scales = _integers(weights, axis=0)
        output = node.output[0]
        self._add(f"{output}_weights", integers)
        self._add(f"{output}_channels", scales[0])
        rows, scale, centre = self._activations(node.input[0])
        inputs = [rows, f"{output}_weights", "q_one", f"{output}_channels", "q_middle", "q_zero"]
        product = self._node("MatMulIntegerToFloat", inputs, f"{output}_product", _CONTRIB)
        if centre:
            self._add(f"{output}_sums", (integers.sum(axis=0) * scales[0]).astype(np.float32))
            scaled = self._node("Mul", [product, scale], f"{output}_centred")
            shift = self._node("Mul", [centre, f"{output}_sums"], f"{output}_shift")
            self._node("Add", [scaled, shift], output)
        else:
            self._node("Mul", [product, scale], output)
        self._replaced.add(node.input[1])

    def _gather(self, node: onnx.NodeProto) -> None:
        table = numpy_helper.to_array(self._constants[node.input[0]])
        integers, scales = _integers(table, axis=1)
        output = node.output[0]
        self._add(f"{output}_table", integers)
        self._add(f"{output}_scales", scales)
        rows = self._node("Gather", [f"{output}_table", node.input[1]], f"{output}_int8")
        scale = self._node("Gather", [f"{output}_scales", node.input[1]], f"{output}_scale")
        cast = helper.make_node("Cast", [rows], [f"{output}_float"], to=TensorProto.FLOAT)
        self._nodes.append(cast)
        self._node("Mul", [f"{output}_float", scale], output)
        self._replaced.add(node.input[0])


def _integers(
    values: npt.NDArray[np.float32], axis: int
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Integers of the same shape and float scales, shared along ``axis``."""
    scales = np.maximum(np.abs(values).max(axis=axis, keepdims=True) / _LEVELS, 1e-9)
    integers = np.rint(values / scales).astype(np.int8)
    return integers, scales.astype(np.float32)
