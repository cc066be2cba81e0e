"""The mean of several models."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForTokenClassification

from training.soup import average_models, main
from training.weights import save_weights
from zhibiao import Extractor, ModelError


def _changed(model: Path, folder: Path, factor: float) -> Path:
    """A copy of a model with every weight multiplied."""
    shutil.copytree(model, folder)
    network = AutoModelForTokenClassification.from_pretrained(model, dtype=torch.float32)
    network.load_state_dict({k: v * factor for k, v in network.state_dict().items()})
    save_weights(network, folder)
    return folder


def test_the_mean_of_two(tiny_model: Path, tmp_path: Path) -> None:
    other = _changed(tiny_model, tmp_path / "other", 3.0)
    output = average_models([tiny_model, other], tmp_path / "mean")
    found = AutoModelForTokenClassification.from_pretrained(output, dtype=torch.float32)
    single = AutoModelForTokenClassification.from_pretrained(tiny_model, dtype=torch.float32)
    for name, value in single.state_dict().items():
        torch.testing.assert_close(found.state_dict()[name], 2 * value, atol=1e-3, rtol=2e-3)
    settings = json.loads((output / "zhibiao.json").read_text(encoding="utf-8"))
    assert [one["path"] for one in settings["soup"]] == [str(tiny_model), str(other)]
    assert not (output / "model.onnx").exists()
    extractor = Extractor.from_pretrained(output, backend="torch")
    assert extractor.settings.window == 62
    extractor.extract("全县专利申请量达813件。")


def test_models_that_cannot_be_averaged(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ModelError, match="at least two"):
        average_models([tiny_model], tmp_path / "mean")
    other = tmp_path / "other"
    shutil.copytree(tiny_model, other)
    words = json.loads((other / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary = words["model"]["vocab"]
    first, second = list(vocabulary)[-2:]
    vocabulary[first], vocabulary[second] = vocabulary[second], vocabulary[first]
    (other / "tokenizer.json").write_text(json.dumps(words), encoding="utf-8")
    with pytest.raises(SystemExit) as caught:
        main([str(tiny_model), str(other), "--output", str(tmp_path / "mean")])
    assert caught.value.code == 2
    assert f"{other}: another vocabulary" in capsys.readouterr().err
    assert not (tmp_path / "mean").exists()
