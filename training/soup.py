"""Average the weights of models that were trained from one start: one model of the same size.

    python -m training.soup DIR DIR [DIR ...] --output DIR

A uniform model soup (Wortsman et al. 2022): runs of one recipe that differ in seed or options end
near each other when they begin at the same encoder, and their mean is often better than each. The
settings (window, decoding) are those of the first; the int8 graph, the calibration and the scores
of the ingredients do not hold for the mean and are left out.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForTokenClassification

from training.pretrained import fetch_tokenizer
from training.program import one_line_errors
from training.provenance import git_state, packages
from training.weights import save_weights
from zhibiao.errors import ModelError
from zhibiao.files import replacing
from zhibiao.model_directory import ModelDirectory

__all__ = ["average_models"]

_KEPT = ("name", "version", "window", "overlap", "touching", "lone", "config")


def average_models(directories: Sequence[str | Path], output: str | Path) -> Path:
    """Write the mean of token classifiers of one shape and vocabulary; returns its directory.

    Raises:
        ModelError: fewer than two models, a CRF head, or models that differ in labels, vocabulary
            or shape.
    """
    if len(directories) < 2:
        raise ModelError("give at least two model directories to average")
    models = [ModelDirectory.open(path, labels=None) for path in directories]
    first, output = models[0], Path(output)
    vocabulary = _vocabulary(first)
    for model in models:
        if model.transitions is not None:
            raise ModelError(f"{model.path}: a CRF's transitions have no mean; use head=softmax")
        if model.labels != first.labels:
            raise ModelError(f"{model.path}: labels differ from those of {first.path}")
        if _vocabulary(model) != vocabulary:
            raise ModelError(f"{model.path}: another vocabulary than that of {first.path}")
    network = _network(first)
    total = {name: value.clone() for name, value in network.state_dict().items()}
    shapes = {name: value.shape for name, value in total.items()}
    for model in models[1:]:
        weights = _network(model).state_dict()
        if {name: value.shape for name, value in weights.items()} != shapes:
            raise ModelError(f"{model.path}: weights of another shape than those of {first.path}")
        for name, value in weights.items():
            total[name] += value
    network.load_state_dict({name: value / len(models) for name, value in total.items()})
    fetch_tokenizer(first.path, output)
    (output / "model.onnx").unlink(missing_ok=True)
    save_weights(network, output)
    settings = json.loads((first.path / "zhibiao.json").read_text(encoding="utf-8"))
    record = {name: settings[name] for name in _KEPT if name in settings} | {
        "temperature": 1.0,
        "thresholds": {},
        "soup": [{"path": str(model.path), "hash": model.digest} for model in models],
        "data": settings.get("data", {}),
        "git": git_state(),
        "packages": packages(),
    }
    with replacing(output / "zhibiao.json") as stream:
        stream.write(json.dumps(record, ensure_ascii=False, indent=1) + "\n")
    return output


def _network(model: ModelDirectory) -> Any:
    return AutoModelForTokenClassification.from_pretrained(
        model.path, dtype=torch.float32, local_files_only=True
    )


def _vocabulary(model: ModelDirectory) -> Any:
    tokenizer = json.loads((model.path / "tokenizer.json").read_text(encoding="utf-8"))
    return tokenizer["model"]["vocab"]


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("models", nargs="+", metavar="DIR", help="model directories")
    parser.add_argument("--output", required=True, metavar="DIR", help="folder of the mean")
    options = parser.parse_args(argv)
    with one_line_errors(parser):
        output = average_models(options.models, options.output)
    print(f"{output}: the mean of {len(options.models)} models")


if __name__ == "__main__":
    main()
