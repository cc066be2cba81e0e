"""int8 quantisation of an ONNX encoder with one activation scale per token.

ONNX Runtime's own dynamic quantisation takes one scale for a whole batch of activations. A few
large activations then cost all others their precision, and a text's result depends on what else
is in its batch. Here every row (token) has a scale of its own, computed on the fly, as in
LLM.int8() (Dettmers et al. 2022) and ZeroQuant (Yao et al. 2022); weights have one scale per
output channel, embeddings one per row. Products run as uint8 x int8 with 32-bit sums: ONNX
Runtime's product of int8 x int8 is many times slower on x86. See docs/speed.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

__all__ = ["quantise"]

_CONTRIB = "com.microsoft"
_OPSET = 21  # QuantizeLinear with a scale for each row (a block as long as the row)
_LEVELS = 127
_MIDDLE = 128  # zero point of the unsigned activations
# Activations that are hardly ever negative take nearly all levels for what is positive. None is
# below the least value of GELU, for which the lowest 24 levels stay.
_ONE_SIDED = ("BiasGelu", "FastGelu", "Gelu", "Relu")
_LOW = 24
_LEAST_GELU = 0.17
_LEAST_ROWS = 1024  # smaller tables (positions, types) are not worth the extra nodes


def quantise(source: Path, target: Path) -> None:
    """Write a copy of an ONNX graph with its constant matrices and large tables in int8."""
    model = onnx.load(str(source))
    _Quantiser(model).run()
    for opset in model.opset_import:
        if opset.domain in ("", "ai.onnx"):
            opset.version = max(opset.version, _OPSET)
    if all(opset.domain != _CONTRIB for opset in model.opset_import):
        model.opset_import.append(helper.make_opsetid(_CONTRIB, 1))
    model.ir_version = max(model.ir_version, 10)  # the least for that operator set
    onnx.save(model, str(target))


class _Quantiser:
    def __init__(self, model: onnx.ModelProto) -> None:
        self._graph = model.graph
        self._constants = {tensor.name: tensor for tensor in model.graph.initializer}
        self._nodes: list[onnx.NodeProto] = []
        self._replaced: set[str] = set()
        self._rows: dict[str, tuple[str, str]] = {}
        self._one_sided = {
            node.output[0] for node in model.graph.node if node.op_type in _ONE_SIDED
        }

    def run(self) -> None:
        for name, value in {
            "q_one": np.float32(1),
            "q_levels": np.float32(1 / _LEVELS),
            "q_tiny": np.float32(1e-9),
            "q_middle": np.uint8(_MIDDLE),
            "q_low_levels": np.float32(1 / (255 - _LOW)),
            "q_low_least": np.float32(_LEAST_GELU / _LOW),
            "q_low": np.uint8(_LOW),
            "q_huge": np.float32(1e30),
            "q_zero": np.int8(0),
        }.items():
            self._add(name, np.asarray(value))
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

    def _add(self, name: str, values: npt.NDArray[np.generic]) -> None:
        self._graph.initializer.append(numpy_helper.from_array(values, name))

    def _node(
        self, kind: str, inputs: list[str], output: str, domain: str = "", **attributes: Any
    ) -> str:
        self._nodes.append(helper.make_node(kind, inputs, [output], domain=domain, **attributes))
        return output

    def _activations(self, name: str, length: int) -> tuple[str, str]:
        """Names of the uint8 rows of ``length`` values and of their scales; made once a tensor."""
        if name not in self._rows:
            if name in self._one_sided:
                size, levels, least, zero = name, "q_low_levels", "q_low_least", "q_low"
            else:
                size = self._node("Abs", [name], f"{name}_abs")
                levels, least, zero = "q_levels", "q_tiny", "q_middle"  # tiny: rows of zeros
            largest = self._node("ReduceMax", [size, "q_axis"], f"{name}_largest")
            ratio = self._node("Mul", [largest, levels], f"{name}_ratio")
            scale = self._node("Max", [ratio, least], f"{name}_scale")
            # Every row needs its zero point, though all are one: 0, of the scales' shape, plus it.
            zeros = self._node("QuantizeLinear", [scale, "q_huge", zero], f"{name}_zeros")
            rows = self._node(
                "QuantizeLinear", [name, scale, zeros], f"{name}_q", axis=-1, block_size=length
            )
            self._rows[name] = (rows, scale)
        return self._rows[name]

    def _matmul(self, node: onnx.NodeProto) -> None:
        weights = numpy_helper.to_array(self._constants[node.input[1]])
        integers, scales = _integers(weights, axis=0)
        output = node.output[0]
        self._add(f"{output}_weights", integers)
        self._add(f"{output}_channels", scales[0])
        rows, scale = self._activations(node.input[0], len(weights))
        zero = "q_low" if node.input[0] in self._one_sided else "q_middle"
        inputs = [rows, f"{output}_weights", "q_one", f"{output}_channels", zero, "q_zero"]
        product = self._node("MatMulIntegerToFloat", inputs, f"{output}_product", _CONTRIB)
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
