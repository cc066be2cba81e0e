"""Export a trained model directory to int8 ONNX, behind a gate.

    python -m training.export DIR [--data data:test]

The network is exported in single precision, its graph fused, its matrices quantised to int8
(activations on the fly, see training.quantise). ``model.onnx`` appears in the directory only when
on the test reports the int8 spans agree with the single-precision ones (F1 of one against the
other at least 0.99) and F1 against the gold drops by at most 0.5 points.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from transformers import AutoModelForTokenClassification

from training.program import one_line_errors
from training.quantise import quantise
from zhibiao.corpus import read_reports
from zhibiao.errors import ModelError
from zhibiao.extractor import Extractor
from zhibiao.metrics import score_reports
from zhibiao.model_directory import ModelDirectory
from zhibiao.reports import Report

__all__ = ["Gate", "compare", "export", "export_fp32"]

LEAST_AGREEMENT = 0.99
LARGEST_DROP = 0.005
_OPSET = 24  # attention with the lengths of padded sequences; ONNX Runtime 1.25 and later


@dataclass(frozen=True)
class Gate:
    """int8 against single precision on the same reports: F1 values between 0 and 1."""

    agreement: float
    fp32_f1: float
    int8_f1: float

    @property
    def passed(self) -> bool:
        """Whether the int8 model may take the place of the other."""
        drop = self.fp32_f1 - self.int8_f1
        # A drop of exactly half a point passes, whatever binary fractions make of it.
        return self.agreement >= LEAST_AGREEMENT and drop <= LARGEST_DROP + 1e-9


class _Logits(nn.Module):
    """The classifier with two inputs and one output, as the ONNX graph has them."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        logits: Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).logits
        return logits


def export_fp32(directory: Path, path: Path) -> None:
    """Write a single-precision graph with inputs input_ids and attention_mask, output logits."""
    model = AutoModelForTokenClassification.from_pretrained(
        directory, dtype=torch.float32, attn_implementation="eager", local_files_only=True
    )
    wrapper = _Logits(model).eval()  # the exporter trusts the wrapper's mode, not the model's
    ids = torch.ones((2, 16), dtype=torch.int64)
    axes = {0: "windows", 1: "length"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            wrapper,
            (ids, torch.ones_like(ids)),
            str(path),
            input_names=["input_ids", "attention_mask"],
            output_names=["logits"],
            dynamic_axes={"input_ids": axes, "attention_mask": axes, "logits": axes},
            opset_version=17,
            dynamo=False,
        )


def _fuse(source: Path, target: Path, directory: Path) -> None:
    from onnxruntime.transformers import optimizer
    from onnxruntime.transformers.fusion_options import FusionOptions

    options = FusionOptions("bert")
    # Matrices must stay visible to the quantiser, so attention and embeddings are fused
    # without their weights.
    options.use_multi_head_attention = True
    options.enable_embed_layer_norm = False
    # On a CPU the fused kernel takes several times as long as an addition and a normalisation.
    options.enable_skip_layer_norm = False
    options.enable_bias_skip_layer_norm = False
    options.enable_gelu_approximation = True  # by tanh: the error is far below an int8 level
    config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    fused = optimizer.optimize_model(
        str(source),
        model_type="bert",
        num_heads=config["num_attention_heads"],
        hidden_size=config["hidden_size"],
        opt_level=1,
        optimization_options=options,
    )
    _standard_attention(fused.model)
    fused.save_model_to_file(str(target))


def _standard_attention(model: onnx.ModelProto) -> None:
    """Replace ONNX Runtime's MultiHeadAttention by ONNX's Attention, which is faster on a CPU.

    The bias of the keys goes: it adds the same to all scores of a query, and softmax takes no
    notice. The bias of the values is added behind, because the weights of a query sum to 1.
    """
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    nodes: list[onnx.NodeProto] = []
    lengths: dict[str, str] = {}  # of the sequences: int32 as it was made, int64 as Attention wants
    for node in graph.node:
        if node.op_type != "MultiHeadAttention":
            nodes.append(node)
            continue
        query, key, value, bias, mask = node.input[:5]
        output = node.output[0]
        if mask not in lengths:
            lengths[mask] = f"{mask}_int64"
            nodes.append(helper.make_node("Cast", [mask], [lengths[mask]], to=TensorProto.INT64))
        query_bias, _, value_bias = np.split(numpy_helper.to_array(constants[bias]), 3)
        for name, values in (("query", query_bias), ("value", value_bias)):
            graph.initializer.append(numpy_helper.from_array(values, f"{output}_{name}_bias"))
        heads = next(item.i for item in node.attribute if item.name == "num_heads")
        inputs = [f"{output}_query", key, value, "", "", "", lengths[mask]]
        nodes += [
            helper.make_node("Add", [query, f"{output}_query_bias"], [f"{output}_query"]),
            helper.make_node(
                "Attention", inputs, [f"{output}_mixed"], q_num_heads=heads, kv_num_heads=heads
            ),
            helper.make_node("Add", [f"{output}_mixed", f"{output}_value_bias"], [output]),
        ]
        graph.initializer.remove(constants[bias])
    del graph.node[:]
    graph.node.extend(nodes)
    for opset in model.opset_import:
        if opset.domain in ("", "ai.onnx"):
            opset.version = _OPSET
    model.ir_version = helper.find_min_ir_version_for(model.opset_import, ignore_unknown=True)


def compare(directory: Path, onnx: Path, reports: Sequence[Report]) -> Gate:
    """Run both models over the reports; the directory's own weights are the reference."""
    fp32 = Extractor.from_pretrained(directory, backend="torch", labels=None)
    with tempfile.TemporaryDirectory() as folder:
        for name in ("config.json", "zhibiao.json", "tokenizer.json"):
            shutil.copyfile(directory / name, Path(folder) / name)
        shutil.copyfile(onnx, Path(folder) / "model.onnx")
        int8 = Extractor.from_pretrained(folder, labels=None)
        texts = [report.text for report in reports]
        reference = list(fp32.extract_many(texts))
        found = list(int8.extract_many(texts))
    if not any(reference):
        raise ModelError(f"{directory}: the model finds no spans at all; train it longer")
    gold = [report.spans for report in reports]
    labels = fp32.labels
    return Gate(
        agreement=score_reports(zip(reference, found, strict=True), labels).micro.f1,
        fp32_f1=score_reports(zip(gold, reference, strict=True), labels).micro.f1,
        int8_f1=score_reports(zip(gold, found, strict=True), labels).micro.f1,
    )


def export(directory: Path, reports: Sequence[Report]) -> Gate:
    """Make ``model.onnx`` in a model directory and record the gate in ``zhibiao.json``.

    Raises:
        ModelError: no complete model directory, or the gate did not pass; nothing has changed.
    """
    for name in ("config.json", "zhibiao.json", "tokenizer.json", "model.safetensors"):
        if not (directory / name).is_file():
            raise ModelError(
                f"{directory / name}: missing; train a model with training.train first"
            )
    with tempfile.TemporaryDirectory(dir=directory) as folder:
        plain, fused, small = (Path(folder) / f"{n}.onnx" for n in ("plain", "fused", "int8"))
        export_fp32(directory, plain)
        _fuse(plain, fused, directory)
        quantise(fused, small)
        gate = compare(directory, small, reports)
        if not gate.passed:
            raise ModelError(
                f"{directory}: int8 is refused: agreement {gate.agreement:.4f} (least "
                f"{LEAST_AGREEMENT}), F1 {gate.int8_f1:.4f} against {gate.fp32_f1:.4f}"
            )
        small.chmod(0o644)
        os.replace(small, directory / "model.onnx")
    path = directory / "zhibiao.json"
    settings: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    settings["export"] = {key: round(value, 4) for key, value in asdict(gate).items()}
    path.write_text(json.dumps(settings, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return gate


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("directory", type=Path)
    parser.add_argument("--data", default="data:test", help="reports of the gate")
    options = parser.parse_args(argv)
    with one_line_errors(parser, status=1):
        labels = ModelDirectory.open(options.directory, labels=None).labels
        gate = export(options.directory, read_reports(options.data, labels))
    size = (options.directory / "model.onnx").stat().st_size
    print(
        f"{options.directory / 'model.onnx'}: {size / 1e6:.1f} MB, agreement {gate.agreement:.4f}, "
        f"F1 fp32 {gate.fp32_f1:.4f}, int8 {gate.int8_f1:.4f}"
    )


if __name__ == "__main__":
    main()
